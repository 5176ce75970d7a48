"""The feature cache as a folder: what is in it, whether it is whole, and making room.

The cache only ever saves time. Anything in it may be deleted at any moment; what is missing is computed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import CacheError, UsageError
from bench.experiment.features.feature_blocks import NAME_FILE, read_shard

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class BackboneCache:
    """Features of one backbone.

    Args:
        name: of the folder: digest, precision, and what is kept if it is not image features.
        slug: the backbone's name, empty where the folder does not say it.
        shards: how many files.
        bytes: how large they are together.
    """

    name: str
    slug: str
    shards: int
    bytes: int

    @property
    def precision(self) -> str:
        """Arithmetic of the tower."""
        return self.name.split("-")[1] if "-" in self.name else ""

    @property
    def kind(self) -> str:
        """What is kept: features of images, of texts, what an image tower projects to them, or its hidden states."""
        return self.name.split("-")[2] if self.name.count("-") > 1 else "image"


def parse_size(text: str) -> int:
    """`500M`, `20G` or plain bytes as a number of bytes; raises UsageError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), flags=re.IGNORECASE)
    if not match:
        raise UsageError(f"Size {text!r} is not understood; write a number of bytes, or one such as 500M or 20G.")
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])


def info(folder: Path) -> list[BackboneCache]:
    """What the cache holds, by backbone."""
    root = folder / "features"
    if not root.is_dir():
        return []
    places = sorted(p for p in root.iterdir() if p.is_dir())
    slugs = {_digest(place): slug for place in places if (slug := _slug(place))}
    found = []
    for place in places:
        sizes = [path.stat().st_size for path in place.glob("*.safetensors")]
        found.append(BackboneCache(place.name, slugs.get(_digest(place), ""), len(sizes), sum(sizes)))
    return found


def _digest(place: Path) -> str:
    return place.name.partition("-")[0]


def _slug(place: Path) -> str:
    try:
        return (place / NAME_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return ""  # a folder from before it was named, or just being removed


def damaged(folder: Path) -> list[Path]:
    """Shards that are torn or altered; every byte of the cache is read."""
    return [path for path in _shards(folder) if read_shard(path) is None]


def remove(paths: list[Path]) -> int:
    """Delete shards; returns the bytes freed. Raises CacheError for a folder that cannot be written."""
    freed = 0
    for path in paths:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue  # another process was quicker
        except OSError as error:
            raise CacheError(f"{path} cannot be deleted ({error.strerror}); check the folder's permissions.") from error
        freed += size
    return freed


def clear(folder: Path, backbone: str | None = None) -> int:
    """Delete all features, or those of one backbone (a folder's name or its beginning); returns the bytes freed.

    Raises:
        CacheError: if no backbone's folder begins like that.
    """
    if backbone is not None and not any(place.name.startswith(backbone) for place in info(folder)):
        known = ", ".join(place.name for place in info(folder)) or "nothing"
        raise CacheError(f"The cache holds no backbone that begins with {backbone!r}; it holds {known}.")
    return remove([p for p in _shards(folder) if backbone is None or p.parent.name.startswith(backbone)])


def make_room(folder: Path, limit: int) -> int:
    """Delete the least recently used shards until at most `limit` bytes are left; returns the bytes freed."""
    shards = []
    for path in _shards(folder):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        shards.append((found.st_mtime_ns, path, found.st_size))
    excess = sum(size for _, _, size in shards) - limit
    leaving = []
    for _, path, size in sorted(shards):
        if excess <= 0:
            break
        leaving.append(path)
        excess -= size
    return remove(leaving)


class Budget:
    """Keeps a cache folder below a size while runs write to it.

    The folder is looked at now and whenever this process has written another twentieth of the limit, so that several
    processes together stay near it without watching one another.

    Args:
        folder: cache folder.
        limit: bytes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._since = 0
        make_room(folder, limit)

    def written(self, size: int) -> None:
        """Count `size` bytes just written; raises CacheError where what is too much cannot be deleted."""
        self._since += size
        if self._since >= self._limit // 20:
            self._since = 0
            make_room(self._folder, self._limit)


def _shards(folder: Path) -> Iterator[Path]:
    return (folder / "features").glob("*/*.safetensors")
