"""Numbers as text."""

import re
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from bench import score_texts

points, unsigned, interval = score_texts.points, score_texts.unsigned, score_texts.points_interval
signed, signed_points, seconds = score_texts.signed, score_texts.signed_points, score_texts.seconds
UNIT = re.compile(r"(\d(?:</b>)?) (?=(?:%|±|points?|s|min|h|[MG]iB)(?!\w))")
"""The space between a number and its unit."""


def join(names: Sequence[str], last: str = "and") -> str:
    """Names as an enumeration: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def count(number: float) -> str:
    """A count with three digits and a unit: 8192 -> 8.19k."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 dataset, 3 datasets."""
    return f"{number} {plural(number, noun, noun + 's')}"


def plural(number: int, one: str, several: str) -> str:
    """The word form for a number: `is` with 1, `are` with 2."""
    return one if number == 1 else several


def or_unknown(number: float | None, text: Callable[[float], str]) -> str:
    """The text of a number, `unknown` without one."""
    return "unknown" if number is None else text(number)


def size(number: float) -> str:
    """Bytes in MiB or GiB."""
    return f"{number / 2**20:.0f} MiB" if number < 2**30 else f"{number / 2**30:.1f} GiB"


def p_value(number: float) -> str:
    """A p value with its sign: p = 0.031, p = 0.42, p < 0.001."""
    if number < 0.001:
        return "p < 0.001"
    return f"p = {number:.3f}" if number < 0.1 else f"p = {number:.2f}"


def shorten(text: str, longest: int) -> str:
    """Text of at most `longest` characters, cut with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def brief(text: str) -> str:
    """Text for a page, of at most 300 characters; the whole is in the runs, or in a file beside the page."""
    return shorten(text, 300)


def unbroken(text: str) -> str:
    """Text whose numbers stay on one line with their unit; `Markup` stays `Markup`.

    Example:
        >>> unbroken("66.0 % in 3 s").replace(chr(160), "_")
        '66.0_% in 3_s'
    """
    return type(text)(UNIT.sub("\\1\u00a0", str(text)))


def with_code(text: str) -> Markup:
    """Text with backticked parts as HTML code elements."""
    parts = (escape(part) for part in text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


FILTERS = (signed_points, counted, with_code)
"""Filters of the templates."""
