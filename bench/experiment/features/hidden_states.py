"""The store of hidden states: the output of the frozen image tower before a block, on disk where that saves time.

A method that changes the tower from block k on runs only the blocks from k; their input comes from here, stored in
feature blocks in a folder per tower block. A hidden state is large (197 tokens of 768 numbers are 0.6 MB per view on
ViT-B/16), so the rules differ from those for features:

- Stores only views that will be requested again: the centre views of evaluation (by every seed, setting and method that
  starts at this block) and training views that a recipe cycles. A view that is new in every epoch is not stored.
- Stores at most `limit` bytes of hidden states in the cache folder; beyond that, or if the folder cannot be written,
  they are computed and not stored.
- Block 0 is not stored, since embedding an image costs less than reading it.
- Where nothing is stored, every run computes them, as a part of its own cost.
- Values stay in float32, so nothing is rounded. Files are memory-mapped, not read into memory.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bench.experiment.features.budget import Budget, Share
from bench.experiment.features.feature_blocks import SpareBlocks, block_addresses, missing
from bench.experiment.features.frozen_features import encode_padded, images_per_pass, pass_arithmetic
from bench.experiment.features.shared_cost import charge, set_apart
from methods import Backbone, image_hidden_states

Pixels = Callable[[Sequence[int]], Tensor]
"""Positions in a list of addresses -> their preprocessed images `(n, 3, h, w)`."""


class HiddenStates:
    """Hidden states of one backbone, with its original weights, before one block.

    Args:
        first: the block that runs next, at least 1.
        folder: cache folder shared by all backbones; None stores nothing.
        limit: bytes that all hidden states in the cache folder may take.
    """

    def __init__(
        self,
        backbone: Backbone,
        first: int,
        folder: Path | None = None,
        limit: int = 0,
        *,
        budget: Budget | None = None,
    ) -> None:
        self.backbone, self.first = backbone, first
        self._size = images_per_pass(backbone)
        self._kind = f"{backbone.digest}-{pass_arithmetic(backbone)}-hidden{first}"
        self._shared = folder is not None and limit > 0
        self._blocks: SpareBlocks | None = None
        if folder is not None:
            place = folder / "features" / self._kind
            without = "Hidden states that are not stored are computed in every run."
            self._blocks = SpareBlocks(place, budget, Share(folder, "*-hidden*", limit), without=without)
        self._mapped: dict[bytes, Tensor] = {}
        self._nanoseconds: dict[bytes, float] = {}

    def get(self, addresses: Sequence[bytes], pixels: Pixels) -> Tensor:
        """Hidden states in the order of `addresses`, `(n, tokens, width)`, on the backbone's device.

        `pixels` is called only for hidden states that are not stored. The bits are the same whether they are or not.
        """
        with set_apart() if self._shared else contextlib.nullcontext():
            computed = self._compute_missing(addresses, pixels)
        if self._shared:
            share = Fraction(self.first, self.backbone.vision_depth)
            charge(self._kind, {a: self._nanoseconds[a] for a in addresses}, images=share)
        return torch.stack([self._mapped[a] if a in self._mapped else computed[a] for a in addresses]).to(
            self.backbone.device
        )

    def fill(self, addresses: Sequence[bytes], pixels: Pixels) -> None:
        """Store what is not stored yet, as far as the limit allows."""
        for start in range(0, len(addresses), self._size):
            chunk = addresses[start : start + self._size]
            if not self._fits(len(chunk)):
                return
            with set_apart():
                self._compute_missing(chunk, pixels, start)

    def _compute_missing(self, addresses: Sequence[bytes], pixels: Pixels, start_at: int = 0) -> dict[bytes, Tensor]:
        """What is not stored, by address; what fits is stored. `pixels` counts from `start_at` before `addresses`."""
        absent = missing(addresses, self._mapped)
        if absent and self._blocks is not None:
            for path, block in self._blocks.read([addresses[i] for i in absent]):
                self._nanoseconds.update(dict.fromkeys(block.rows, block.nanoseconds))
                self._map(path)
            absent = missing(addresses, self._mapped)
        computed: dict[bytes, Tensor] = {}
        for start in range(0, len(absent), self._size):
            chunk, begin = absent[start : start + self._size], time.perf_counter_ns()
            states, fresh = self._encode(pixels([start_at + i for i in chunk])), [addresses[i] for i in chunk]
            cost = (time.perf_counter_ns() - begin) // len(chunk)
            self._nanoseconds.update(dict.fromkeys(fresh, cost))
            if self._blocks is not None and self._fits(len(chunk)):
                self._map(self._blocks.store(fresh, states, cost))
            computed.update(zip(fresh, states, strict=True))
        return computed

    def _encode(self, pixels: Tensor) -> Tensor:
        blocks = partial(self.backbone.image_hidden, first=self.first)
        share = Fraction(self.first, self.backbone.vision_depth)
        return encode_padded(self.backbone, pixels, blocks, share, self._size).cpu()

    @cached_property
    def _row_bytes(self) -> int:
        """Bytes of one image's hidden state, from embedding an empty image."""
        b = self.backbone
        empty = image_hidden_states(b.image_tower, torch.zeros(1, 3, b.image_size, b.image_size, device=b.device), 0)
        return empty.numel() * 4

    def _fits(self, n: int) -> bool:
        """Whether hidden states of `n` more images can be stored within the limit, which all tower blocks share."""
        return self._blocks is not None and self._blocks.fits(n * self._row_bytes)

    def _map(self, path: Path | None) -> None:
        """Use a block's rows as views of the file; does nothing without a file, or if it has been deleted."""
        if path is None:
            return
        with contextlib.suppress(OSError, SafetensorError):
            self._mapped.update(zip(block_addresses(path), load_file(path)["features"], strict=True))
