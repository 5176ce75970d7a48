"""A table of cheap entries that one test checks, instead of one test for each entry."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def for_each(
    names: str | tuple[str, ...], entries: Iterable[Any], ids: Callable[[Any], object] = repr
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Like `pytest.mark.parametrize` with one case for all entries. A failure says for which of them it occurs.

    The entries share the fixtures of the test, so use it where they leave nothing behind.

    Args:
        names: Arguments of the test, separated by commas or as a tuple.
        entries: A value for each name; with one name, the value itself.
        ids: What a failure prints for an entry.
    """
    keys = names.replace(" ", "").split(",") if isinstance(names, str) else list(names)
    table = [tuple(entry) if len(keys) > 1 else (entry,) for entry in entries]
    assert table, "a table without an entry checks nothing"

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def all_entries(*args: Any, **fixtures: Any) -> None:
            failed: dict[str, BaseException] = {}
            for entry in table:
                try:
                    test(*args, **fixtures, **dict(zip(keys, entry, strict=True)))
                except (Exception, pytest.fail.Exception) as error:
                    failed[str(ids(entry if len(keys) > 1 else entry[0]))] = error
            if failed:
                first = next(iter(failed.values()))
                first.add_note(f"Fails for {len(failed)} of {len(table)}: {', '.join(failed)}")
                raise first

        signature = inspect.signature(test)
        left = [one for name, one in signature.parameters.items() if name not in keys]
        all_entries.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return all_entries

    return decorated
