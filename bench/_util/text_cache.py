"""Texts that take seconds to make and seldom change, kept in the user's cache folder; losing them costs time only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench._util.atomic_write import write_atomically

FOLDER = "pages"
"""Folder of the texts within the cache folder."""
_DIGITS = 64


@dataclass(frozen=True)
class TextCache:
    """One file a text, `pages/NAME-KEY`, which begins with the digest of what follows.

    A file that is torn, altered or cannot be read counts as absent, and a folder that cannot be written keeps nothing:
    in each case the text is made again.

    Args:
        folder: the cache folder, None to keep nothing.
    """

    folder: Path | None = None

    def text(self, name: str, key: str, make: Callable[[], str]) -> str:
        """The text kept under that name and key, or a new one, which then replaces all others of that name.

        Args:
            name: what it is, a file name.
            key: all that the text depends on.
            make: makes it.
        """
        if self.folder is None:
            return make()
        path = self.folder / FOLDER / f"{name}-{_digest(key)[:16]}"
        found = _read(path)
        if found is None:
            found = make()
            _write(path, name, found)
        return found

    def sizes(self) -> dict[str, int]:
        """Bytes of each text that is kept, by file name."""
        if self.folder is None or not (place := self.folder / FOLDER).is_dir():
            return {}
        return {path.name: path.stat().st_size for path in sorted(place.iterdir()) if path.is_file()}

    def clear(self) -> int:
        """Delete all texts; returns how many bytes that freed."""
        found = self.sizes()
        for name in found:
            assert self.folder is not None  # there is something in it
            (self.folder / FOLDER / name).unlink(missing_ok=True)
        return sum(found.values())


def _read(path: Path) -> str | None:
    try:
        digest, text = (data := path.read_text(encoding="utf-8"))[:_DIGITS], data[_DIGITS:]
    except (OSError, UnicodeDecodeError):
        return None
    return text if digest == _digest(text) else None


def _write(path: Path, name: str, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f"{name}-*"):
            old.unlink(missing_ok=True)
        write_atomically(path, (_digest(text) + text).encode(), durable=False)
    except OSError:
        return  # a folder that cannot be written, a full disk: the next page takes a little longer, nothing else


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
