"""The root of the project's errors, at the lowest layer so that every package can raise it.

Every message says what was given, what is allowed and what to do next. The command line prints it as one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 40
"""How many registered names an error lists."""


class BenchError(Exception):
    """Anything this project refuses on purpose; the command line shows the message without a trace."""


class UnknownNameError(BenchError, KeyError):
    """A name that no registry holds; the message lists near misses and what is registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
        listed = ", ".join(names[:LISTED]) or "none"
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        super().__init__(f"Unknown {kind} {name!r}.{hint} Registered: {listed}{more}.")

    def __str__(self) -> str:
        return str(self.args[0])


class RegistrationError(BenchError, ValueError):
    """A malformed or duplicate registration; raised at import."""


class DataError(BenchError, ValueError):
    """A dataset on disk that is missing, incomplete, unreadable or not what its split file says."""


class ShotsError(BenchError, ValueError):
    """A few-shot draw that the training split cannot give."""
