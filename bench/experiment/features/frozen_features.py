"""Frozen features: each image view and each list of texts goes through the frozen towers once."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench._util.prefetch import prefetch
from bench.experiment.accelerator import copied_back, synchronize
from bench.experiment.features.cache_folder import Budget
from bench.experiment.features.feature_blocks import (
    BlockFolder,
    address,
    mark_used,
    missing,
    name_folder,
    read_block,
    write_block,
)
from bench.experiment.run_cost import charge, set_apart
from methods import Backbone, image_hidden_states

ENCODE_BATCH = 32
"""Images of a pass on the CPU, and the fewest elsewhere."""
_MOST_ON_GPU = 256
_RESNET_ON_GPU = 128
_BYTES_ON_GPU = 2**29
"""What the widest activations of a pass may take on a GPU: four times the width for each token, in fp32."""


def images_per_pass(backbone: Backbone) -> int:
    """Images of one pass, by the backbone and the kind of its device alone, never by the memory that is free.

    A GPU computes small passes of a fast tower in less time than it takes to start them. On CUDA a pass therefore has
    the largest power of two of images that fits `_BYTES_ON_GPU`: 128 for ViT-B/16, 256 for ViT-B/32, 64 for ViT-L/14.
    """
    if backbone.device.type != "cuda":
        return ENCODE_BATCH
    tower, size = backbone.image_tower, backbone.image_size
    if not tower.transformer:
        return _RESNET_ON_GPU
    with torch.no_grad():
        tokens = image_hidden_states(tower, torch.zeros(1, 3, size, size, device=backbone.device), 0).shape[1]
    return fitting_pass(tokens, tower.width)


def fitting_pass(tokens: int, width: int) -> int:
    """Images of one pass on a GPU through a tower with that many tokens and that width.

    Example:
        >>> fitting_pass(197, 768), fitting_pass(50, 768), fitting_pass(577, 1024)
        (128, 256, 32)
    """
    fitting = max(1, _BYTES_ON_GPU // (tokens * 4 * width * 4))
    return min(_MOST_ON_GPU, max(ENCODE_BATCH, 1 << fitting.bit_length() - 1))


def pass_arithmetic(backbone: Backbone) -> str:
    """What decides the bits of a feature beside weights and pixels: `Backbone.arithmetic`, and the size of passes.

    The size follows after `x` where it is not that of the CPU, such as `fp32.cuda90x128`.
    """
    size = images_per_pass(backbone)
    return backbone.arithmetic + (f"x{size}" if size != ENCODE_BATCH else "")


def encode_padded(
    backbone: Backbone, pixels: Tensor, tower: Callable[[Tensor], Tensor], share: Fraction, size: int
) -> Tensor:
    """What `tower`, that share of the image tower, gives for at most `size` images; float32, on the tower's device.

    The pass is padded with zeros to its full size. Padding does not count as images.
    """
    padding = pixels.new_zeros(size - len(pixels), *pixels.shape[1:])
    with torch.no_grad():
        encoded = tower(torch.cat([pixels, padding]).to(backbone.device))[: len(pixels)]
    backbone.passes.image -= share * len(padding)
    return encoded.float()


class FeatureStore:
    """Frozen features of one backbone, in memory and, with a folder, on disk.

    Args:
        folder: cache folder shared by all backbones; None keeps features in memory only. Raises CacheError if it cannot
            be created or written.
        project: False stores what the tower projects to features instead (`pooled`), in a separate folder.
    """

    def __init__(
        self,
        backbone: Backbone,
        folder: Path | None,
        *,
        project: bool = True,
        budget: Budget | None = None,
    ) -> None:
        self.backbone = backbone
        self.project = project
        self._root = folder
        self._budget = budget
        kind = pass_arithmetic(backbone) + ("" if project else "-pooled")
        self.folder = None if folder is None else folder / "features" / f"{backbone.digest}-{kind}"
        self._blocks = None if self.folder is None else BlockFolder(self.folder, budget)
        self._kind = f"{backbone.digest}-{kind}"
        self._rows: dict[bytes, Tensor] = {}
        self._nanoseconds: dict[bytes, float] = {}
        if self.folder is not None:
            name_folder(self.folder, backbone.slug)

    def unprojected(self) -> FeatureStore:
        """The store of what the same tower projects to these features, in the same cache folder."""
        return FeatureStore(self.backbone, self._root, project=False, budget=self._budget)

    def holds(self, addresses: Sequence[bytes]) -> bool:
        """Whether all of these features are in memory."""
        return all(a in self._rows for a in addresses)

    def get(self, addresses: Sequence[bytes], pixels: Callable[[Sequence[int]], Tensor]) -> Tensor:
        """Features in the order of `addresses`, `(n, dim)`, unnormalised; the run in progress is charged for them.

        `pixels` returns the preprocessed images at some positions of `addresses`, `(len(positions), 3, h, w)`; it is
        called only for features that are not stored.
        """
        self.fill(addresses, pixels)
        charge(self._kind, {a: self._nanoseconds[a] for a in addresses}, images=Fraction(1))
        return torch.stack([self._rows[a] for a in addresses])

    def fill(self, addresses: Sequence[bytes], pixels: Callable[[Sequence[int]], Tensor]) -> None:
        """Read or compute features, so that `get` finds them in memory."""
        if self.holds(addresses):
            return
        synchronize(self.backbone.device)  # what the device still does is the run's own work
        with set_apart():
            if absent := self._absent(addresses):
                fresh = [addresses[i] for i in absent]
                with nullcontext() if self._blocks is None else self._blocks.alone(fresh):
                    # another process may have computed them meanwhile
                    self._compute(addresses, self._absent(addresses), pixels)

    def forget(self, addresses: Sequence[bytes]) -> None:
        """Free the memory of these features. A store with a folder reads them from disk again, others compute them."""
        for a in addresses:
            self._rows.pop(a, None)
            self._nanoseconds.pop(a, None)

    def _absent(self, addresses: Sequence[bytes]) -> list[int]:
        """Positions of the addresses that are neither in memory nor on disk; what is on disk is read."""
        absent = missing(addresses, self._rows)
        if absent and self._blocks is not None:
            for block in self._blocks.read([addresses[i] for i in absent]):
                self._rows.update(block.rows)
                self._nanoseconds.update(dict.fromkeys(block.rows, block.nanoseconds))
            absent = missing(addresses, self._rows)
        return absent

    def _compute(
        self, addresses: Sequence[bytes], absent: Sequence[int], pixels: Callable[[Sequence[int]], Tensor]
    ) -> None:
        """Compute and store the features at some positions of `addresses`."""
        if not absent:
            return
        size, start = images_per_pass(self.backbone), time.perf_counter_ns()
        chunks = [absent[i : i + size] for i in range(0, len(absent), size)]
        tower = partial(self.backbone.encode_image, project=self.project)
        passes = (encode_padded(self.backbone, some, tower, Fraction(1), size) for some in prefetch(chunks, pixels))
        computed = torch.cat(list(copied_back(passes)))
        fresh = [addresses[i] for i in absent]
        nanoseconds = (time.perf_counter_ns() - start) // len(fresh)
        self._rows.update(zip(fresh, computed, strict=True))
        self._nanoseconds.update(dict.fromkeys(fresh, nanoseconds))
        if self._blocks is not None:
            self._blocks.add(fresh, computed, nanoseconds)


MAX_LISTS = 64
"""Lists in memory; the least recently used is dropped first. A list of 1,000 texts and 512 numbers takes 2 MB."""


class FrozenTexts:
    """Text features of the backbone with that digest, in memory and, with a cache folder, on disk.

    The arithmetic of the tower (`Backbone.arithmetic`) is part of the address.
    """

    def __init__(
        self, digest: str, folder: Path | None, arithmetic: str = "fp32", *, budget: Budget | None = None
    ) -> None:
        self._kind = f"{digest}-{arithmetic}-text"
        self.folder = None if folder is None else folder / "features" / self._kind
        self._budget = budget
        self._lists: OrderedDict[str, tuple[Tensor, float]] = OrderedDict()

    def __call__(self, texts: Sequence[str], compute: Callable[[], Tensor]) -> Tensor:
        """Features `(len(texts), dim)`, unnormalised, on the device of `compute`'s result or on the CPU.

        The run in progress is charged for them.
        """
        name = hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:32]
        if name not in self._lists:
            with set_apart():
                self._lists[name] = self._load_or_compute(name, texts, compute)
            while len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
        self._lists.move_to_end(name)
        features, nanoseconds = self._lists[name]
        charge(self._kind, {bytes.fromhex(name): nanoseconds * len(texts)}, texts=Fraction(len(texts)))
        return features.clone()

    def _load_or_compute(self, name: str, texts: Sequence[str], compute: Callable[[], Tensor]) -> tuple[Tensor, float]:
        """The features, and what computing each of them took."""
        if self.folder is None:
            return _measured(compute)
        path = self.folder / f"{name}.safetensors"
        addresses = [address(text, f"{name}|{i}") for i, text in enumerate(texts)]
        block = read_block(path)
        if block is not None and set(block.rows) == set(addresses):
            mark_used(path)
            return torch.stack([block.rows[a] for a in addresses]), block.nanoseconds
        features, nanoseconds = _measured(compute)
        write_block(path, addresses, features.cpu(), nanoseconds, self._budget)
        return features, nanoseconds


def _measured(compute: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """The rows of `compute()`, and the nanoseconds that each of them took."""
    start = time.perf_counter_ns()
    rows = compute()
    synchronize(rows.device)
    return rows, (time.perf_counter_ns() - start) // max(len(rows), 1)
