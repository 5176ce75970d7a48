"""Base classes of the project's errors, in the lowest package so that every package can raise them.

Every message states what was given, what is allowed and what to do next. The command line prints it as one line.
"""

import difflib
from collections.abc import Iterable, Sequence

MOST_LISTED = 40
"""Most known names that an error lists."""

MOST_LISTED_NEAR = 12
"""Most known names that an error lists after near misses; a longer list would hide the near misses."""


class BenchError(Exception):
    """An error that this project raises deliberately; the command line shows its message without a traceback."""


class UnknownNameError(BenchError, KeyError):
    """An unregistered name. The message lists near misses or, if there are none, the known names, then the advice.

    Attributes:
        kind: what the name should be, such as `method` or `option of dataset 'spectrum_basic'`.
        name: the name that was given.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        self.kind, self.name = kind, name
        names = sorted(known)
        noun, of, owner = kind.partition(" of ")
        near = did_you_mean(name, names)
        known_names = "" if near and len(names) > MOST_LISTED_NEAR else f" Known: {some(names, MOST_LISTED) or 'none'}."
        super().__init__(f"Unknown {noun} {name!r}{of}{owner}.{near}{known_names}{advice}")

    def __str__(self) -> str:
        return str(self.args[0])


def spelling(name: str) -> str:
    """A name without capitals and punctuation; a plus sign stays, since MMRL++ is not MMRL.

    Example:
        >>> spelling("CLIP-LoRA"), spelling("clip_lora"), spelling("MMRL++")
        ('cliplora', 'cliplora', 'mmrl++')
    """
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == "+")


def did_you_mean(name: str, known: Sequence[str], *, most: int = 3) -> str:
    """A question that names the known names closest to `name`, with a space in front; empty if none is close.

    Names that are much less similar than the closest one are left out.
    """
    typed = spelling(name)
    similarity = {each: difflib.SequenceMatcher(None, spelling(each), typed).ratio() for each in known}
    best = max(similarity.values(), default=0.0)
    least = 1.0 if best == 1.0 else max(0.6, best - 0.25)
    close = sorted((each for each in known if similarity[each] >= least), key=lambda each: -similarity[each])[:most]
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def some(items: Sequence[str], most: int = 3) -> str:
    """The first few items of a list as text."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


class RegistrationError(BenchError, ValueError):
    """A malformed or duplicate registration; raised at import."""


class DataError(BenchError, ValueError):
    """Data on disk that are missing, incomplete, unreadable, or contradict the dataset or its split file."""


class MissingDataError(DataError):
    """A dataset that is not on disk, or whose data folder is not known."""


class ShotsError(BenchError, ValueError):
    """A few-shot draw that the training split cannot provide."""
