"""Types of stored values with the ranges that every reader can rely on. Files from outside are checked against them."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

LARGEST_RECORD = 32 * 2**20
"""The record of a run, which lists a digest per training image: 450,000 images."""

LONGEST_NAME = 200
LONGEST_TEXT = 100_000
MOST_SETTINGS = 10_000
MOST_WORKERS = 256
"""Worker processes of one machine, or twice its cores if these are more; and those of one GPU."""
MOST_RETRIES = 100
LONGEST_CLASS_NAME = 1000
"""Characters; text towers read 77 tokens, a few hundred characters."""
MOST_RUNS = 250_000
"""Runs of one sweep; planning takes milliseconds and kilobytes for each."""
DEEPEST = 10
"""Levels of nesting of a method's settings."""
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move the cursor, end the line, reverse the direction of text, or are not valid characters."""
_MARKUP = re.compile(r"[<>]")
MOST_CLASSES = 100_000
"""Classes of a task; the largest published one, ImageNet-21k, has 21,843."""
MOST_IMAGES = 1_000_000
"""Test images of a run, over all its splits; ImageNet has 50,000, and its four variants 140,000 more."""
_INT32, _INT64 = 2**31 - 1, 2**63 - 1


def printable(text: str, *, keep: str = "") -> str:
    r"""Text whose control characters, except those in `keep`, are written as escapes such as `\u001b`.

    Example:
        >>> printable("a\tb\n", keep="\n")
        'a\\u0009b\n'
    """
    return CONTROL.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def plain_text(text: str) -> str:
    """Text of one line without markup, since pages and comments show it; raises ValueError for other text."""
    if CONTROL.search(text):
        raise ValueError("it has a control character or a line break; write one line of printable text")
    if _MARKUP.search(text):
        raise ValueError("it has '<' or '>', which could be markup; write plain text")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable() and (control := CONTROL.search(text)):  # printable texts, which nearly all are, have none
        raise ValueError(f"control character {control[0]!r} at position {control.start()}; use printable characters")
    return text


def _moment(value: datetime) -> datetime:
    """A time with a zone; one without is that of this machine, as it always was."""
    try:
        inside = EARLIEST <= value.astimezone(UTC) < LATEST
    except (OverflowError, ValueError):
        inside = False
    if not inside:
        raise ValueError(f"the time must be between the years {EARLIEST.year} and {LATEST.year}")
    return value


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    if (n := _checked_count(values, DEEPEST)) > MOST_SETTINGS:
        raise ValueError(f"{n} settings; at most {MOST_SETTINGS} are allowed")
    return values


def _checked_count(value: object, deepest: int) -> int:
    """The number of values inside a setting; raises ValueError for one that is not allowed."""
    if deepest < 0:
        raise ValueError(f"settings are nested deeper than {DEEPEST} levels")
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise ValueError(f"a text of {len(value)} characters; at most {LONGEST_TEXT} are allowed")
        _one_line(value)
    elif isinstance(value, dict):
        for key in value:
            _checked_count(key, deepest)
        return sum([1 + _checked_count(item, deepest - 1) for item in value.values()])
    elif isinstance(value, list | tuple):
        return sum([1 + _checked_count(item, deepest - 1) for item in value])
    elif isinstance(value, float) and value != value:
        raise ValueError("a setting is not a number (NaN)")
    return 0


Name = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9_][A-Za-z0-9_.:=,+@/-]{{0,{LONGEST_NAME - 1}}}$")]
"""Name of a method, dataset, backbone or split."""
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Line = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_one_line)]
"""Text without control characters."""
ClassName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CLASS_NAME), AfterValidator(_one_line)]
Settings = Annotated[dict[str, Any], AfterValidator(_settings)]
"""Settings of a method or a recipe as plain JSON values."""
Classes = Annotated[int, Field(ge=1, le=MOST_CLASSES)]
Images = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
Count = Annotated[int, Field(ge=0, le=_INT32)]
Positive = Annotated[int, Field(ge=1, le=_INT32)]
LargeCount = Annotated[int, Field(ge=0, le=_INT64)]
Amount = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
"""Seconds, or passes through a tower; a finite number."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Moment = Annotated[datetime, AfterValidator(_moment)]
