"""A cache of texts in files, each made again if it is damaged."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.results.files import sha256, write_atomically

TEXTS_FOLDER = "pages"
"""Folder of the texts inside the cache folder."""
_DIGITS = 64
_NAMED = f"*-{'[0-9a-f]' * 16}"
"""Pattern of the names of texts."""


@dataclass(frozen=True)
class TextCache:
    """Each text is a file `pages/NAME-KEY` that begins with the digest of the rest.

    The text is created again if its file is damaged or unreadable, or if the folder cannot be written. Without a cache
    folder nothing is cached.
    """

    folder: Path | None = None

    def text(self, name: str, key: str, make: Callable[[], str]) -> str:
        """The cached text, or that of `make`, which replaces all others of this name and depends only on `key`."""
        if self.folder is None:
            return make()
        path = self.folder / TEXTS_FOLDER / f"{name}-{sha256(key.encode())[:16]}"
        with suppress(OSError, UnicodeDecodeError):
            stored = path.read_text(encoding="utf-8")
            if stored[:_DIGITS] == sha256(stored[_DIGITS:].encode()):
                return stored[_DIGITS:]
        text = make()
        with suppress(OSError):  # a full disk or a read-only folder only costs time
            path.parent.mkdir(parents=True, exist_ok=True)
            for old in path.parent.glob(f"{name}{_NAMED.removeprefix('*')}"):
                old.unlink(missing_ok=True)
            write_atomically(path, (sha256(text.encode()) + text).encode(), durable=False)
        return text

    def sizes(self) -> dict[str, int]:
        """Size in bytes of each cached text, by file name; other files in the folder are not counted."""
        if self.folder is None:
            return {}
        return {path.name: path.stat().st_size for path in sorted((self.folder / TEXTS_FOLDER).glob(_NAMED))}

    def clear(self) -> int:
        """Delete all texts; returns the number of freed bytes."""
        sizes = self.sizes()
        for name in sizes:
            assert self.folder is not None  # it has texts
            (self.folder / TEXTS_FOLDER / name).unlink(missing_ok=True)
        return sum(sizes.values())
