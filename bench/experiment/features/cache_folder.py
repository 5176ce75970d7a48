"""The feature cache as a folder: its content and integrity, and which files are deleted when it grows too large.

The cache only saves time. Anything in it may be deleted at any moment; missing features are computed again.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.errors import CacheError, UsageError

NAME_FILE = "backbone.txt"
"""In a backbone's folder: its slug."""
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class BackboneCache:
    """Features of one backbone: folder name, slug (empty if unknown), number of files and their total size.

    The name is made of digest, arithmetic, and the kind of features unless they are image features. Pixels belong to
    an image size and a preprocessing instead of a backbone.
    """

    name: str
    slug: str
    blocks: int
    bytes: int

    @property
    def precision(self) -> str:
        """Precision of the tower."""
        return self._arithmetic.partition(".")[0]

    @property
    def device(self) -> str:
        """What computed them: `cpu`, `cpu4` for four threads, `mps`, or `cuda90` for CUDA's capability 9.0."""
        return self._arithmetic.partition(".")[2] or "cpu"

    @property
    def _arithmetic(self) -> str:
        return self.name.split("-")[1] if "-" in self.name else ""

    @property
    def kind(self) -> str:
        """What it holds: `image`, `text` or `pooled` features, `hidden` states before a block, or `pixels`."""
        return self.name.split("-")[2] if self.name.count("-") > 1 else "image"


def parse_size(text: str) -> int:
    """A size in bytes from text such as `500M`, `20G` or `1024`; raises UsageError for anything else.

    Example:
        >>> parse_size("1.5K")
        1536
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), flags=re.IGNORECASE)
    if not match:
        raise UsageError(f"Size {text!r} is not understood; write a number of bytes, or one such as 500M or 20G.")
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])


def cache_info(folder: Path) -> list[BackboneCache]:
    """The content of the cache, by backbone and kind."""
    root = folder / "features"
    if not root.is_dir():
        return []
    folders = sorted(p for p in root.iterdir() if p.is_dir())
    slugs, caches = {}, []
    for place in folders:
        with suppress(OSError):  # an older cache has no such file
            if slug := (place / NAME_FILE).read_text(encoding="utf-8").strip():
                slugs[_digest(place)] = slug
    for place in folders:
        sizes = [path.stat().st_size for path in place.glob("*.safetensors")]
        caches.append(BackboneCache(place.name, slugs.get(_digest(place), ""), len(sizes), sum(sizes)))
    return caches


def _digest(place: Path) -> str:
    return place.name.partition("-")[0]


def clear_cache(folder: Path, backbone: str | None = None) -> int:
    """Delete all features, or those of the backbones whose folder begins with `backbone`; returns the bytes freed.

    Raises CacheError if no folder begins with `backbone`, or a file cannot be deleted.
    """
    if backbone is not None and not any(place.name.startswith(backbone) for place in cache_info(folder)):
        names = ", ".join(place.name for place in cache_info(folder)) or "nothing"
        raise CacheError(f"The cache holds no backbone that begins with {backbone!r}; it holds {names}.")
    return remove([p for p in block_files(folder) if backbone is None or p.parent.name.startswith(backbone)])


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
            stat = path.stat()
            blocks.append((stat.st_mtime_ns, path, stat.st_size))
    excess, surplus = sum(size for _, _, size in blocks) - limit, []
    for _, path, size in sorted(blocks):
        if excess > 0:
            surplus.append(path)
            excess -= size
    return remove(surplus)


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
