"""`--set method.key=value`: parses overrides and applies them to a method's config and recipe."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bench.errors import OverrideError
from datasets_registry import UnknownNameError

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Override:
    """One override of methods whose name fits `pattern`, as typed in `text`.

    The key belongs to the recipe or else to the method's config. The value is parsed as JSON if possible.
    """

    pattern: str
    recipe: bool
    key: str
    value: object
    text: str

    @property
    def broad(self) -> bool:
        """Whether it applies to all methods that have this setting."""
        return any(c in self.pattern for c in "*?[")

    def concerns(self, method: str) -> bool:
        """Whether the pattern selects that method."""
        return fnmatchcase(method, self.pattern)


def parse_overrides(texts: Iterable[str]) -> list[Override]:
    """Read `method.key=value` and `method.recipe.key=value`; the method may be a pattern.

    Raises OverrideError for a malformed text, or a key that is given twice.
    """
    found: dict[tuple[str, bool, str], Override] = {}
    for text in texts:
        target, equals, raw = text.partition("=")
        parts = target.strip().split(".")
        recipe = len(parts) == 3 and parts[1] == "recipe"
        if not equals or not (len(parts) == 2 or recipe) or not all(parts):
            raise OverrideError(
                f"--set {text!r} is not of the form method.key=value or method.recipe.key=value; "
                "for example coop.n_ctx=4, 'vpt*.depth=12', '*.recipe.epochs=20'."
            )
        item = Override(pattern=parts[0], recipe=recipe, key=parts[-1], value=_value(raw), text=text)
        if (item.pattern, recipe, item.key) in found:
            raise OverrideError(f"--set {target} is given twice; run the command once for each value.")
        found[item.pattern, recipe, item.key] = item
    return list(found.values())


def check_overrides(
    overrides: Sequence[Override],
    fields: Mapping[str, Iterable[str]],
    recipe_fields: Mapping[str, Iterable[str]],
    protocols: Mapping[str, Sequence[str]],
) -> None:
    """Reject overrides without effect, given the config and recipe keys of the selected methods.

    `protocols` lists the protocols for which each method has a recipe.

    Raises:
        OverrideError: no selected method matches, or a recipe setting is given for methods without a recipe here.
        UnknownNameError: the matching methods have no such key. The message lists near misses.
    """
    for item in overrides:
        meant = [method for method in fields if item.concerns(method)]
        if not meant:
            raise OverrideError(
                f"--set {item.text!r} matches no selected method; selected: {', '.join(sorted(fields)) or 'none'}."
            )
        known = recipe_fields if item.recipe else fields
        keys = {key for method in meant for key in known.get(method, ())}
        if item.key in keys:
            continue
        if item.recipe and not any(method in recipe_fields for method in meant):
            why = "; ".join(_without_recipe(method, protocols.get(method, ())) for method in meant)
            raise OverrideError(f"--set {item.text!r} sets a recipe, but {why}.")
        raise UnknownNameError(f"{'recipe ' if item.recipe else ''}setting of {', '.join(meant)}", item.key, keys)


def _without_recipe(method: str, protocols: Sequence[str]) -> str:
    """Why a method has no recipe in this sweep."""
    if not protocols:
        return f"{method} is training-free and has none"
    return f"{method} has one only with --protocol {' or '.join(protocols)}"


def apply_overrides(method: str, model: ModelT, overrides: Sequence[Override], *, recipe: bool) -> ModelT:
    """`model` with the overrides for this method, validated again.

    An exact method name takes precedence over a pattern. A pattern skips methods without this key. Raises OverrideError
    for a value that the setting does not accept.
    """
    values = model.model_dump()
    mine = [item for item in overrides if item.recipe == recipe and item.concerns(method)]
    exact_last = sorted(mine, key=lambda item: not item.broad)
    changed = {item.key: item.value for item in exact_last if item.key in values or not item.broad}
    values |= changed
    if "epochs" in changed and "epochs_by_shots" not in changed:
        values["epochs_by_shots"] = {}  # an override of epochs applies to every number of shots
    if "epochs" in changed and "epochs_by_dataset" not in changed:
        values.pop("epochs_by_dataset", None)  # and to every dataset
    try:
        return type(model).model_validate(values)
    except ValidationError as error:
        raise OverrideError(
            f"{'; '.join(_problem(method, detail, mine) for detail in error.errors(include_url=False))}. "
            f"`etl-bench methods {method}` lists the settings."
        ) from error


def _problem(method: str, detail: ErrorDetails, overrides: Sequence[Override]) -> str:
    """The problem of one value, after the override that set it."""
    key = str(detail["loc"][0]) if detail["loc"] else None
    typed = [item.text for item in overrides if key in (None, item.key)]
    where = f"--set {' '.join(repr(text) for text in typed)}" if typed else f"{method} {key}"
    return f"{where}: {detail['msg'].removeprefix('Value error, ').rstrip('.')}"


def _value(raw: str) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        return raw
