"""Changes of settings by `--set`: `method.key=value` of a method's config, `method.recipe.key=value` of its recipe."""

from __future__ import annotations

import json
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.errors import UsageError
from bench.spec import CUSTOM_RECIPE
from datasets_registry import UnknownNameError

if TYPE_CHECKING:
    from methods import Recipe


@dataclass(frozen=True)
class Override:
    """One override of methods whose name fits `pattern`, as typed in `text`.

    The key belongs to the recipe or else to the method's config. Each value is one variant of the methods.
    """

    pattern: str
    recipe: bool
    key: str
    values: tuple[object, ...]
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

    Commas separate values.

    Raises UsageError for a malformed text, a key that is given twice, or an empty or repeated value in a list.
    """
    by_target: dict[tuple[str, bool, str], Override] = {}
    for text in texts:
        target, equals, raw = text.partition("=")
        target = target.strip()
        if (spaceless := "".join(target.split())) != target:
            raise UsageError(f"--set {text!r} has spaces in its name; write --set '{spaceless}={raw.strip()}'.")
        parts = target.split(".")
        recipe = len(parts) == 3 and parts[1] == "recipe"
        if not equals or not (len(parts) == 2 or recipe) or not all(parts):
            raise UsageError(
                f"--set {text!r} is not of the form method.key=value or method.recipe.key=value; "
                "for example coop.n_ctx=4, coop.n_ctx=4,8,16, 'vpt*.depth=12', '*.recipe.epochs=20'."
            )
        values = _values(raw, text)
        item = Override(pattern=parts[0], recipe=recipe, key=parts[-1], values=values, text=text)
        if (item.pattern, recipe, item.key) in by_target:
            raise UsageError(f"--set {target} is given twice; write its values as one list, {target}=A,B.")
        by_target[item.pattern, recipe, item.key] = item
    return list(by_target.values())


def _values(raw: str, text: str) -> tuple[object, ...]:
    """The values of a list such as `4,8,16`; a value in JSON may contain commas, such as `[5, 4]` or `"a, b"`."""
    values: list[object] = []
    at, decoder = 0, json.JSONDecoder()
    while True:
        at += len(raw[at:]) - len(raw[at:].lstrip())
        try:
            value, end = decoder.raw_decode(raw, at)
            end += len(raw[end:]) - len(raw[end:].lstrip())
        except ValueError:
            value, end = None, -1
        if end < 0 or raw[end : end + 1] not in ("", ","):
            end = raw.find(",", at) if "," in raw[at:] else len(raw)
            value = raw[at:end].strip() if values or end < len(raw) else raw
        values.append(value)
        if end == len(raw):
            break
        at = end + 1
    if len(values) > 1 and "" in values:
        raise UsageError(f"--set {text!r} has an empty value in its list; remove the comma.")
    if len({json.dumps(value, sort_keys=True) for value in values}) < len(values):
        raise UsageError(f"--set {text!r} gives the same value twice; give each once.")
    return tuple(values)


def check_overrides(
    overrides: Sequence[Override],
    fields: Mapping[str, Iterable[str]],
    recipe_fields: Mapping[str, Iterable[str]],
    protocols: Mapping[str, Sequence[str]],
) -> None:
    """Reject overrides without effect, given the config and recipe keys of the selected methods.

    `protocols` lists the protocols for which each method has a recipe.

    Raises:
        UsageError: no selected method matches, or a recipe setting is given for methods without a recipe here.
        UnknownNameError: the matching methods have no such key. The message lists near misses.
    """
    for item in overrides:
        meant = [method for method in fields if item.concerns(method)]
        if not meant:
            raise UsageError(
                f"--set {item.text!r} matches no selected method; selected: {', '.join(sorted(fields)) or 'none'}."
            )
        fields_by_method = recipe_fields if item.recipe else fields
        keys = {key for method in meant for key in fields_by_method.get(method, ())}
        if item.key in keys:
            continue
        if item.recipe and not any(method in recipe_fields for method in meant):
            why = "; ".join(_without_recipe(method, protocols.get(method, ())) for method in meant)
            raise UsageError(f"--set {item.text!r} sets a recipe, but {why}.")
        if item.key == "recipe":
            raise UsageError(
                f"--set {item.text!r}: --recipe published or --recipe demo chooses a recipe; change one of its values "
                f"with --set {item.pattern}.recipe.KEY=VALUE, such as {item.pattern}.recipe.epochs=20."
            )
        other_keys = {key for method in meant for key in (fields if item.recipe else recipe_fields).get(method, ())}
        near = get_close_matches(item.key, sorted(other_keys), n=1, cutoff=0.8)
        advice = f" Did you mean {item.pattern}.{'' if item.recipe else 'recipe.'}{near[0]}?" if near else ""
        raise UnknownNameError(
            f"{'recipe ' if item.recipe else ''}setting of {', '.join(meant)}", item.key, keys, advice
        )


def _without_recipe(method: str, protocols: Sequence[str]) -> str:
    """Why a method has no recipe in this sweep."""
    if not protocols:
        return f"{method} is training-free and has none"
    return f"{method} has one only with --protocol {' or '.join(protocols)}"


def overrides_of(
    method: str, keys: Container[str], overrides: Sequence[Override], *, recipe: bool
) -> dict[str, Override]:
    """The overrides of settings of this method, or of its recipe, with these keys, by key.

    An exact method name takes precedence over a pattern. A pattern skips methods without this key.
    """
    of_method = [item for item in overrides if item.recipe == recipe and item.concerns(method)]
    exact_last = sorted(of_method, key=lambda item: not item.broad)
    return {item.key: item for item in exact_last if item.key in keys or not item.broad}


def changed_recipe(
    method: str, recipe: Recipe, changes: Mapping[str, object], overrides: Sequence[Override] = ()
) -> Recipe:
    """The recipe with these changes, validated again; its name becomes `custom` if a value differs.

    Raises UsageError, which names the override, for a value that the setting does not accept.
    """
    from methods import without_fields

    values = {**recipe.model_dump(), **changes}
    if "epochs" in changes and "epochs_by_shots" not in changes:
        values["epochs_by_shots"] = {}  # an override of epochs applies to every number of shots
    if "by_dataset" not in changes:  # an override applies to every dataset
        values["by_dataset"] = without_fields(recipe.by_dataset, changes)
    with problems_named(method, overrides):
        changed = type(recipe).model_validate(values)
    return recipe if changed == recipe else changed.model_copy(update={"name": CUSTOM_RECIPE, "source": ""})


@contextmanager
def problems_named(method: str, overrides: Collection[Override]) -> Iterator[None]:
    """Raises UsageError, which names the overrides, for invalid values."""
    try:
        yield
    except ValidationError as error:
        raise UsageError(
            f"{'; '.join(_problem(method, detail, overrides) for detail in error.errors(include_url=False))}. "
            f"`etl-bench methods {method}` lists the settings."
        ) from error


def _problem(method: str, detail: ErrorDetails, overrides: Collection[Override]) -> str:
    """The problem of one value, after the override that set it."""
    key = str(detail["loc"][0]) if detail["loc"] else None
    typed = [item for item in overrides if key in (None, item.key)]
    where = f"--set {' '.join(repr(item.text) for item in typed)}" if typed else f"{method} {key}"
    problem = detail["msg"].removeprefix("Value error, ").rstrip(".")
    if key is None or not any(len(item.values) > 1 for item in typed):
        return f"{where}: {problem}"
    one_list = "; write [A, B] for one value that is a list" if detail["type"] in ("tuple_type", "list_type") else ""
    return f"{where}: {key}={detail['input']!r}: {problem}{one_list}"
