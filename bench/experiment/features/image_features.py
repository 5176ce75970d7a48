"""The content-addressed store of frozen features: each image view goes through the untouched tower once.

A feature's address is (backbone digest, precision, image digest, view key). On disk a folder per backbone holds
immutable shards, each a safetensors file named by the digest of the addresses in it and carrying a checksum of its
values. Writers never touch an existing shard (temporary file, fsync, rename), so any number of processes may share a
folder. A torn or altered shard is left out and its features are computed again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench._util.atomic_write import write_atomically
from bench._util.prefetch import prefetch
from bench.errors import CacheError
from bench.experiment.features.budget import Budget
from bench.experiment.features.feature_blocks import (
    NAME_FILE,
    block_addresses,
    mark_used,
    pack_block,
    read_block,
    write_block,
)
from methods import Backbone

ENCODE_BATCH = 32
"""Images per pass. Always this many, the last ones padded, so that a feature's bits do not depend on its neighbours."""


def padded(pixels: Tensor) -> Tensor:
    """The images, filled up with empty ones to `ENCODE_BATCH`."""
    return torch.cat([pixels, pixels.new_zeros(ENCODE_BATCH - len(pixels), *pixels.shape[1:])])


class FeatureStore:
    """Frozen features of one backbone, in memory and, with a folder, on disk.

    Args:
        backbone: the untouched tower.
        folder: cache folder shared by all backbones, or None to keep features in memory only.
        precision: arithmetic of the tower, part of the address.
        project: False keeps what the tower projects to features instead (`Needs.POOLED`), in a folder of its own.
        budget: told of what is written, if the folder is to stay below a size.

    Raises:
        CacheError: if the folder cannot be created or written.
    """

    def __init__(
        self,
        backbone: Backbone,
        folder: Path | None,
        precision: str = "fp32",
        *,
        project: bool = True,
        budget: Budget | None = None,
    ) -> None:
        self.backbone = backbone
        self.project = project
        self.precision = precision
        self._root = folder
        self._budget = budget
        kind = precision if project else f"{precision}-pooled"
        self.folder = None if folder is None else folder / "features" / f"{backbone.digest}-{kind}"
        self._rows: dict[bytes, Tensor] = {}
        self._on_disk: dict[bytes, Path] = {}
        self._seen: set[str] = set()
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                _name_folder(self.folder, backbone.slug)
            except OSError as error:
                raise CacheError(
                    f"The feature cache {self.folder} cannot be created ({error.strerror}); give another --cache."
                ) from error

    def unprojected(self) -> FeatureStore:
        """The store of what the same tower projects to these features, in the same cache folder."""
        return FeatureStore(self.backbone, self._root, self.precision, project=False, budget=self._budget)

    def get(self, addresses: Sequence[bytes], pixels: Callable[[Sequence[int]], Tensor]) -> Tensor:
        """Features in the order of `addresses`, `(n, dim)`, unnormalised.

        Args:
            addresses: see `address`.
            pixels: gives the preprocessed images of some positions in `addresses`, `(len(positions), 3, h, w)`; asked
                only for what is nowhere stored.
        """
        missing = self._missing(addresses)
        if missing and self.folder is not None:
            self._index_new_blocks()
            self._read([addresses[i] for i in missing])
            missing = self._missing(addresses)
        if missing:
            computed = torch.cat([self._encode(some) for some in prefetch(_chunks(missing, ENCODE_BATCH), pixels)])
            fresh = [addresses[i] for i in missing]
            self._rows.update(zip(fresh, computed, strict=True))
            if self.folder is not None:
                self._write_block(fresh, computed)
        return torch.stack([self._rows[a] for a in addresses])

    def _missing(self, addresses: Sequence[bytes]) -> list[int]:
        first: dict[bytes, int] = {}
        for i, a in enumerate(addresses):
            if a not in self._rows:
                first.setdefault(a, i)
        return list(first.values())

    def _encode(self, pixels: Tensor) -> Tensor:
        n = len(pixels)
        with torch.no_grad():
            features = self.backbone.encode_image(padded(pixels).to(self.backbone.device), project=self.project)[:n]
        self.backbone.passes.image -= ENCODE_BATCH - n  # padding is no image
        return features.float().cpu()

    def _index_new_blocks(self) -> None:
        """Learn which addresses lie in shards that were not there before; values are read when they are wanted."""
        assert self.folder is not None
        with os.scandir(self.folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(".safetensors"))
        for name in names:
            if name not in self._seen:
                self._seen.add(name)
                path = self.folder / name
                self._on_disk.update(dict.fromkeys(block_addresses(path), path))

    def _read(self, addresses: Sequence[bytes]) -> None:
        """Take the shards that hold these addresses into memory, each verified and marked as used."""
        for path in dict.fromkeys(self._on_disk[a] for a in addresses if a in self._on_disk):
            shard = read_block(path)
            if shard is None:
                self._on_disk = {a: p for a, p in self._on_disk.items() if p != path}
                continue
            self._rows.update(shard)
            mark_used(path)

    def _write_block(self, addresses: Sequence[bytes], features: Tensor) -> None:
        assert self.folder is not None
        name = hashlib.sha256(b"".join(addresses)).hexdigest()[:32] + ".safetensors"
        self._seen.add(name)
        write_block(self.folder / name, pack_block(addresses, features), self._budget)


def _name_folder(folder: Path, slug: str) -> None:
    """Say in the folder, whose name is a digest, which backbone it is for people."""
    if not (folder / NAME_FILE).exists():
        write_atomically(folder / NAME_FILE, f"{slug}\n".encode())


def _chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]
