"""Options of a sweep: their choices, how the command line shows them, and parsers of their texts. Loads no torch."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from bench.errors import UsageError
from bench.spec import ALL, ALL_SHOTS
from datasets_registry import did_you_mean


class Panel(StrEnum):
    """Groups of options in `etl-bench run --help`."""

    WHAT = "Most used"
    HOW = "How to run it"
    WHERE = "Where to read and write"
    ADVANCED = "Advanced"


@dataclass(frozen=True)
class Option:
    """How the command line shows a field.

    Args:
        name: long name, if it differs from the field's.
        env: environment variable that sets it.
    """

    panel: Panel = Panel.ADVANCED
    short: str | None = None
    name: str | None = None
    env: str | None = None
    hidden: bool = False


class RecipeChoice(StrEnum):
    """Where training settings come from: the papers, or short settings for the demo backbone."""

    PUBLISHED = "published"
    DEMO = "demo"


class RerunPolicy(StrEnum):
    """Which existing runs are computed again. Each policy includes the previous one."""

    MISSING = "missing"
    """Only runs without a shard. A failed run is not repeated."""
    FAILED = "failed"
    """Also failed runs."""
    STALE = "stale"
    """Also runs whose code, weights or data have changed since the run."""
    ALL = "all"
    """Every run. A failure never replaces an earlier success."""


class LauncherName(StrEnum):
    """Where runs are computed."""

    LOCAL = "local"
    INLINE = "inline"
    RAY = "ray"


class TrackerName(StrEnum):
    """Where finished runs are logged besides the runs folder."""

    NONE = "none"
    WANDB = "wandb"
    TRACKIO = "trackio"
    MLFLOW = "mlflow"


ChoiceT = TypeVar("ChoiceT", bound=str)
MOST_NUMBERS = 10_000
"""Of a range of shots or seeds, so that a typing error does not fill the memory."""


def split_list(texts: Sequence[str]) -> list[str]:
    """Comma-separated texts as one list.

    Commas inside one item do not split it: options of a dataset (`name:a=1,b=2`) and of local weights
    (`ARCH=FILE,quickgelu,preprocess=openai`).
    """
    from methods import is_weights_option

    entries: list[str] = []
    for text in texts:
        items = [""]
        for part in (part.strip() for part in text.split(",")):
            has_options = ":" in items[-1] and not items[-1].startswith(("hf-hub:", "local-dir:"))
            is_dataset_option = has_options and "=" in part and ":" not in part
            if is_dataset_option or ("=" in items[-1] and is_weights_option(part)):
                items[-1] += f",{part}"
            else:
                items.append(part)
        entries += filter(None, items)
    return entries


def _numbers(first: int, last: int, option: str) -> range:
    """The numbers from `first` to `last`; raises UsageError if they are too many."""
    if last - first >= MOST_NUMBERS:
        raise UsageError(f"{option} {first}-{last} are {last - first + 1} numbers; give at most {MOST_NUMBERS}.")
    return range(first, last + 1)


def parse_numbers(text: str, option: str, *, lone_is_count: bool = False) -> list[int]:
    """Numbers and ranges; `lone_is_count` reads a single N as 1 to N. Raises UsageError for anything else."""
    wrong = UsageError(f"{option} {text!r} is not a list of whole numbers; write 16, 1,2,4 or 1-3.")
    if lone_is_count and text.strip().isdecimal():
        if int(text) < 1:
            raise UsageError(
                f"{option} {text!r} means no seed at all; write a count of at least 1, or '0,' for seed 0."
            )
        return list(_numbers(1, int(text), option))
    numbers: list[int] = []
    for part in (part.strip() for part in text.split(",")):
        first, dash, last = part.partition("-")
        if not part:
            continue
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise wrong
        numbers += _numbers(int(first), int(last) if dash else int(first), option)
    if not numbers:
        raise wrong
    return numbers


def parse_shots(text: str, option: str = "--shots") -> list[int]:
    """Numbers of shots, where `all` stands for all training images (`ALL_SHOTS`).

    Example:
        >>> parse_shots("1,16") + parse_shots("all")
        [1, 16, 2147483647]
    """
    parts = [part.strip() for part in text.split(",")]
    numbers = ",".join(part for part in parts if part != ALL)
    if ALL in parts and not numbers.strip(","):
        return [ALL_SHOTS]
    return [*parse_numbers(numbers, option), *([ALL_SHOTS] if ALL in parts else [])]


def parse_choice(values: Iterable[ChoiceT], text: str, option: str) -> ChoiceT:
    """One of these values, such as those of an enumeration; raises UsageError that lists near misses and all values."""
    by_name = {str(value): value for value in values}
    if text in by_name:
        return by_name[text]
    hint = did_you_mean(text, list(by_name), most=1)
    raise UsageError(f"{option} {text!r} is unknown.{hint} Allowed: {', '.join(by_name)}.")


def override_texts(settings: Mapping[str, object]) -> list[str]:
    """Settings by name as texts of `--set`. A list holds several values, and a text is read as on the command line.

    A value that is itself a list is a tuple, or a list in the list. Tables of TOML may be nested: `coop = {n_ctx = 4}`.

    Example:
        >>> override_texts({"coop.n_ctx": [4, 8], "tip_adapter.search_step": (5, 4), "coop": {"recipe": {"lr": 0.1}}})
        ['coop.n_ctx=4,8', 'tip_adapter.search_step=[5, 4]', 'coop.recipe.lr=0.1']
    """
    return [f"{name}={_written(value)}" for name, value in _flat(settings)]


def _flat(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The settings of nested tables by their whole names; a value of a setting may be a table."""
    for name, value in settings.items():
        parts = (path := prefix + name).split(".")
        if isinstance(value, Mapping) and (len(parts) == 1 or (len(parts) == 2 and parts[1] == "recipe")):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _written(value: object) -> str:
    """A value, or the values of a list, as the text after `=`."""
    if isinstance(value, str):
        return value
    values = value if isinstance(value, list) else [value]
    return ",".join(json.dumps(item, ensure_ascii=False, default=str) for item in values)
