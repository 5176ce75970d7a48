"""The store of hidden states: what the untouched image tower gives before a block, kept on disk where that pays.

A method that changes the tower from block k on only runs the blocks from k; what is before them comes from here, with
the addresses of `bench.experiment.features.feature_blocks` in a folder per block. A hidden state is large (197 tokens
of 768 numbers are 0.6 MB a view on ViT-B/16), so that other rules hold than for features:

- Kept are views that are asked for again: the centre views of evaluation (by every seed, setting and method that
  starts at this block) and training views that a recipe cycles. A fresh view an epoch goes through the blocks at once.
- There must be room: what would exceed `limit` bytes of hidden states in the cache folder is computed and not kept.
- Block 0 is not kept, since embedding an image costs less than reading it.
- Values stay in float32, so that nothing is rounded. Shards are mapped into memory, not read into it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bench.experiment.features.budget import Budget
from bench.experiment.features.feature_blocks import block_addresses, mark_used, pack_block, read_block, write_block
from bench.experiment.features.image_features import ENCODE_BATCH, padded
from methods import Backbone, image_hidden_states

Pixels = Callable[[Sequence[int]], Tensor]
"""Positions in a list of addresses -> their preprocessed images `(n, 3, h, w)`."""

_UNWRITABLE = (
    "The cache of hidden states {folder} cannot be written ({reason}); free space, give another --cache, "
    "or keep none of them with ETL_BENCH_HIDDEN_LIMIT=0."
)


class HiddenStates:
    """Hidden states of one backbone before one block.

    Args:
        backbone: the untouched tower.
        first: the block that runs next, at least 1.
        folder: cache folder shared by all backbones, or None to keep nothing.
        limit: bytes that all hidden states in the cache folder may take.
        precision: arithmetic of the tower, part of the address.
        budget: told of what is written.
    """

    def __init__(
        self,
        backbone: Backbone,
        first: int,
        folder: Path | None = None,
        limit: int = 0,
        precision: str = "fp32",
        *,
        budget: Budget | None = None,
    ) -> None:
        self.backbone, self.first, self.limit, self._budget = backbone, first, limit, budget
        self._root = None if folder is None else folder / "features"
        self.folder = None if self._root is None else self._root / f"{backbone.digest}-{precision}-hidden{first}"
        self._on_disk: dict[bytes, Path] = {}
        self._seen: set[str] = set()
        self._mapped: dict[bytes, Tensor] = {}
        self._held: int | None = None

    def get(self, addresses: Sequence[bytes], pixels: Pixels) -> Tensor:
        """Hidden states in the order of `addresses`, `(n, tokens, width)`, on the backbone's device.

        Bits are the same whether they come from disk or not.

        Args:
            addresses: see `bench.experiment.features.feature_blocks.address`; not more than fit into memory at once.
            pixels: asked only for what is nowhere kept.
        """
        computed = self._compute_missing(addresses, pixels)
        return torch.stack([self._mapped[a] if a in self._mapped else computed[a] for a in addresses]).to(
            self.backbone.device
        )

    def fill(self, addresses: Sequence[bytes], pixels: Pixels) -> None:
        """Keep what is not kept yet, as far as there is room."""
        for start in range(0, len(addresses), ENCODE_BATCH):
            places = range(start, min(start + ENCODE_BATCH, len(addresses)))
            if not self._fits(len(places)):
                return
            self._compute_missing([addresses[i] for i in places], _of(places, pixels))

    def _compute_missing(self, addresses: Sequence[bytes], pixels: Pixels) -> dict[bytes, Tensor]:
        """What is nowhere kept, by address; of that, what fits is kept from now on."""
        missing = self._missing(addresses)
        if missing and self.folder is not None:
            self._find([addresses[i] for i in missing])
            missing = self._missing(addresses)
        computed: dict[bytes, Tensor] = {}
        for start in range(0, len(missing), ENCODE_BATCH):
            chunk = missing[start : start + ENCODE_BATCH]
            states, fresh = self._encode(pixels(chunk)), [addresses[i] for i in chunk]
            if self._fits(len(chunk)):
                self._write(fresh, states)
            computed.update(zip(fresh, states, strict=True))
        return computed

    def _missing(self, addresses: Sequence[bytes]) -> list[int]:
        first = {a: i for i, a in reversed(list(enumerate(addresses))) if a not in self._mapped}
        return sorted(first.values())

    def _encode(self, pixels: Tensor) -> Tensor:
        """In passes of one size, so that an image's bits do not depend on its neighbours."""
        n, backbone = len(pixels), self.backbone
        states = backbone.image_hidden(padded(pixels).to(backbone.device), self.first)[:n]
        backbone.passes.image -= Fraction(self.first, backbone.vision_depth) * (ENCODE_BATCH - n)  # padding is no image
        return states.float().cpu()

    @cached_property
    def _row_bytes(self) -> int:
        """What one image takes, told by an embedded image."""
        b = self.backbone
        empty = image_hidden_states(b.image_tower, torch.zeros(1, 3, b.image_size, b.image_size, device=b.device), 0)
        return empty.numel() * 4

    def _fits(self, n: int) -> bool:
        """Whether hidden states of n more images stay within the limit."""
        if self._root is None:
            return False
        if self._held is None:
            self._held = self._bytes_kept()
        return self._held + n * self._row_bytes <= self.limit

    def _bytes_kept(self) -> int:
        """What all hidden states take on disk; asked once, then counted, since a folder of many shards is slow to read.

        Several processes, or stores of several blocks, may so exceed it together by what they write at the same time.
        """
        held = 0
        for path in self._root.glob("*-hidden*/*.safetensors") if self._root else ():
            with contextlib.suppress(FileNotFoundError):  # another process makes room
                held += path.stat().st_size
        return held

    def _find(self, addresses: Sequence[bytes]) -> None:
        """Map the shards that hold these addresses, each verified once; damaged ones are left out."""
        assert self.folder is not None
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self._seen:
                self._seen.add(path.name)
                self._on_disk.update(dict.fromkeys(block_addresses(path), path))
        for path in dict.fromkeys(self._on_disk[a] for a in addresses if a in self._on_disk):
            if read_block(path) is None or not self._map(path):
                self._on_disk = {a: p for a, p in self._on_disk.items() if p != path}
                continue
            mark_used(path)

    def _map(self, path: Path) -> bool:
        """Take a shard's rows as views of the file; False if it has gone."""
        try:
            self._mapped.update(zip(block_addresses(path), load_file(path)["features"], strict=True))
        except (OSError, SafetensorError):
            return False
        return True

    def _write(self, addresses: Sequence[bytes], states: Tensor) -> None:
        assert self.folder is not None
        name = hashlib.sha256(b"".join(addresses)).hexdigest()[:32] + ".safetensors"
        self._seen.add(name)
        content = pack_block(addresses, states)
        write_block(self.folder / name, content, self._budget, unwritable=_UNWRITABLE)
        self._held = (self._held or 0) + len(content)
        self._map(self.folder / name)


def _of(places: Sequence[int], pixels: Pixels) -> Pixels:
    """Pixels of some of these places."""
    return lambda some: pixels([places[i] for i in some])
