"""The feature cache as a folder: its content, its integrity, and deleting from it.

The cache only saves time. Anything in it may be deleted at any moment; missing features are computed again.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import CacheError, UsageError
from bench.experiment.features.budget import NAME_FILE, block_files, remove

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
        """The kind of device that computed them: `cpu`, `mps`, or such as `cuda90` for CUDA's capability 9.0."""
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
    slugs = {_digest(place): slug for place in folders if (slug := _slug(place))}
    found = []
    for place in folders:
        sizes = [path.stat().st_size for path in place.glob("*.safetensors")]
        found.append(BackboneCache(place.name, slugs.get(_digest(place), ""), len(sizes), sum(sizes)))
    return found


def _digest(place: Path) -> str:
    return place.name.partition("-")[0]


def _slug(place: Path) -> str:
    try:
        return (place / NAME_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return ""  # an older cache has no such file


def damaged_files(folder: Path) -> list[Path]:
    """Damaged blocks; reads every byte of the cache."""
    from bench.experiment.features.feature_blocks import read_block  # imports torch

    return [path for path in block_files(folder) if read_block(path) is None]


def clear_cache(folder: Path, backbone: str | None = None) -> int:
    """Delete all features, or those of the backbones whose folder begins with `backbone`; returns the bytes freed.

    Raises CacheError if no folder begins with `backbone`, or a file cannot be deleted.
    """
    if backbone is not None and not any(place.name.startswith(backbone) for place in cache_info(folder)):
        known = ", ".join(place.name for place in cache_info(folder)) or "nothing"
        raise CacheError(f"The cache holds no backbone that begins with {backbone!r}; it holds {known}.")
    return remove([p for p in block_files(folder) if backbone is None or p.parent.name.startswith(backbone)])
