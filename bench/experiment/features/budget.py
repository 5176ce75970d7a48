"""The size of the feature cache on disk: which files count, and which are deleted first when it grows too large."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from bench.errors import CacheError

NAME_FILE = "backbone.txt"
"""In a backbone's folder: its slug."""


def block_files(folder: Path) -> Iterator[Path]:
    """All feature blocks below a cache folder: files with a digest as their name, and no others."""
    return (folder / "features").glob(f"*-*/{'[0-9a-f]' * 32}.safetensors")


def remove(paths: Iterable[Path]) -> int:
    """Delete files and return the bytes freed; raises CacheError where a file cannot be deleted."""
    freed = 0
    for path in paths:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue  # another process deleted it first
        except OSError as error:
            raise CacheError(f"{path} cannot be deleted ({error.strerror}); check the folder's permissions.") from error
        freed += size
    return freed


def make_room(folder: Path, limit: int) -> int:
    """Delete the least recently used blocks until at most `limit` bytes are left; returns the bytes freed."""
    blocks = []
    for path in block_files(folder):
        with suppress(FileNotFoundError):  # another process deleted it first
            found = path.stat()
            blocks.append((found.st_mtime_ns, path, found.st_size))
    excess, surplus = sum(size for _, _, size in blocks) - limit, []
    for _, path, size in sorted(blocks):
        if excess > 0:
            surplus.append(path)
            excess -= size
    return remove(surplus)


class Share:
    """What one kind of blocks may take of a cache folder: `limit` bytes in its folders that match `pattern`.

    The folders are measured once and then counted, since a folder of many files is slow to list. Several processes may
    therefore exceed the limit by what they write at the same time.
    """

    def __init__(self, folder: Path, pattern: str, limit: int) -> None:
        self._folder, self._pattern, self._limit = folder, pattern, limit
        self._stored: int | None = None

    def fits(self, size: int) -> bool:
        """Whether `size` more bytes stay within the limit."""
        if self._stored is None:
            self._stored = 0
            for path in (self._folder / "features").glob(f"{self._pattern}/*.safetensors"):
                with suppress(FileNotFoundError):  # another process deleted it first
                    self._stored += path.stat().st_size
        return self._stored + size <= self._limit

    def written(self, size: int) -> None:
        """Count `size` bytes just written."""
        if self._stored is not None:
            self._stored += size


class Budget:
    """Keeps a cache folder below `limit` bytes while runs write to it.

    The folder is measured at the start and again whenever this process has written another twentieth of the limit, so
    several processes together stay near the limit without coordinating.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._written = 0
        make_room(folder, limit)

    def written(self, size: int) -> None:
        """Count `size` bytes just written; raises CacheError where surplus files cannot be deleted."""
        self._written += size
        if self._written >= self._limit // 20:
            self._written = 0
            make_room(self._folder, self._limit)
