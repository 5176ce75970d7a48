"""Places in the code of a method, for messages."""

import functools
from collections.abc import Iterable

_NOT_OF_METHODS = ("/bench/", "/torch/", functools.__file__, "<frozen ")
"""Parts of the file names of code that calls methods."""


def may_be_of_method(file: str) -> bool:
    """Whether a file may be part of a method: it is neither of the harness nor of torch."""
    return not any(part in file for part in _NOT_OF_METHODS)


def author_place(frames: Iterable[tuple[str, int]], author: str) -> str:
    """The innermost line of the author's file as ` (FILE:LINE)`, or else of other code of methods; empty if none.

    Args:
        frames: file and line of each call, the innermost last.
        author: the file of the method.

    Example:
        >>> author_place([("/bench/run.py", 5), ("/lab/mine.py", 12), ("/methods/_base/batch.py", 100)], "/lab/mine.py")
        ' (/lab/mine.py:12)'
    """
    found = list(frames)
    chosen = [frame for frame in found if frame[0] == author] or [
        frame for frame in found if may_be_of_method(frame[0])
    ]
    return f" ({chosen[-1][0]}:{chosen[-1][1]})" if chosen else ""
