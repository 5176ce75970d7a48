"""The content-addressed store of frozen features: each image view goes through the frozen image tower once.

A feature's address is (backbone digest, arithmetic, image digest, view key); the arithmetic is the precision and, on a
GPU, its kind and the images of a pass. On disk, a folder per backbone holds immutable blocks, each a safetensors file
that is named by the digest of its addresses and carries a checksum of its values. Existing blocks are never changed
(temporary file, fsync, rename), so any number of processes may share a folder. A damaged block is ignored and its
features are computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench._util.prefetch import prefetch
from bench.experiment.accelerator import copied_back
from bench.experiment.features.budget import Budget
from bench.experiment.features.feature_blocks import BlockFolder, missing, name_folder
from bench.experiment.features.image_passes import encode_padded, images_per_pass, pass_arithmetic
from methods import Backbone


class FeatureStore:
    """Frozen features of one backbone, in memory and, with a folder, on disk.

    Args:
        folder: cache folder shared by all backbones; None keeps features in memory only. Raises CacheError if it cannot
            be created or written.
        project: False stores what the tower projects to features instead (`Needs.POOLED`), in a separate folder.
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
        self._rows: dict[bytes, Tensor] = {}
        if self.folder is not None:
            name_folder(self.folder, backbone.slug)

    def unprojected(self) -> FeatureStore:
        """The store of what the same tower projects to these features, in the same cache folder."""
        return FeatureStore(self.backbone, self._root, project=False, budget=self._budget)

    def holds(self, addresses: Sequence[bytes]) -> bool:
        """Whether all of these features are in memory."""
        return all(a in self._rows for a in addresses)

    def get(self, addresses: Sequence[bytes], pixels: Callable[[Sequence[int]], Tensor]) -> Tensor:
        """Features in the order of `addresses`, `(n, dim)`, unnormalised.

        `pixels` returns the preprocessed images at some positions of `addresses`, `(len(positions), 3, h, w)`; it is
        called only for features that are not stored.
        """
        if absent := self._absent(addresses):
            fresh = [addresses[i] for i in absent]
            with nullcontext() if self._blocks is None else self._blocks.alone(fresh):
                # another process may have computed them meanwhile
                self._compute(addresses, self._absent(addresses), pixels)
        return torch.stack([self._rows[a] for a in addresses])

    def forget(self, addresses: Sequence[bytes]) -> None:
        """Free the memory of these features. A store with a folder reads them from disk again, others compute them."""
        for a in addresses:
            self._rows.pop(a, None)

    def _absent(self, addresses: Sequence[bytes]) -> list[int]:
        """Positions of the addresses that are neither in memory nor on disk; what is on disk is read."""
        absent = missing(addresses, self._rows)
        if absent and self._blocks is not None:
            for _, rows in self._blocks.read([addresses[i] for i in absent]):
                self._rows.update(rows)
            absent = missing(addresses, self._rows)
        return absent

    def _compute(
        self, addresses: Sequence[bytes], absent: Sequence[int], pixels: Callable[[Sequence[int]], Tensor]
    ) -> None:
        """Compute and store the features at some positions of `addresses`."""
        if not absent:
            return
        size = images_per_pass(self.backbone)
        chunks = [absent[i : i + size] for i in range(0, len(absent), size)]
        tower = partial(self.backbone.encode_image, project=self.project)
        passes = (encode_padded(self.backbone, some, tower, Fraction(1), size) for some in prefetch(chunks, pixels))
        computed = torch.cat(list(copied_back(passes)))
        fresh = [addresses[i] for i in absent]
        self._rows.update(zip(fresh, computed, strict=True))
        if self._blocks is not None:
            self._blocks.add(fresh, computed)
