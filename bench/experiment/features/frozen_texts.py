"""Features of plain texts by the untouched text tower, computed once for each list of texts.

The whole list is the address, not a single text: texts run through the tower packed side by side, and the last bit of
a feature may depend on its neighbours. So a run's numbers never depend on which other lists were asked before.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench.experiment.features.budget import Budget
from bench.experiment.features.feature_blocks import address, mark_used, pack_block, read_block, write_block

HELD = 64
"""Lists kept in memory; the least recently used go first. One of 1,000 texts and 512 numbers takes 2 MB."""


class FrozenTexts:
    """Text features of one backbone, in memory and, with a folder, on disk beside the image features.

    Args:
        digest: of the backbone.
        folder: cache folder, or None to keep features in memory only.
        precision: arithmetic of the tower, part of the address.
        budget: told of what is written.

    Raises:
        CacheError: if the folder cannot be created or written.
    """

    def __init__(
        self, digest: str, folder: Path | None, precision: str = "fp32", *, budget: Budget | None = None
    ) -> None:
        self.folder = None if folder is None else folder / "features" / f"{digest}-{precision}-text"
        self._budget = budget
        self._held: OrderedDict[str, Tensor] = OrderedDict()

    def __call__(self, texts: Sequence[str], compute: Callable[[], Tensor]) -> Tensor:
        """Features `(len(texts), dim)`, unnormalised, on the device that `compute` gives them on or on the CPU."""
        name = hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:32]
        if name not in self._held:
            self._held[name] = self._stored(name, texts, compute)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(name)
        return self._held[name].clone()

    def _stored(self, name: str, texts: Sequence[str], compute: Callable[[], Tensor]) -> Tensor:
        if self.folder is None:
            return compute()
        path = self.folder / f"{name}.safetensors"
        addresses = [address(text, f"{name}|{i}") for i, text in enumerate(texts)]
        shard = read_block(path)
        if shard is not None and set(shard) == set(addresses):
            mark_used(path)
            return torch.stack([shard[a] for a in addresses])
        features = compute()
        write_block(path, pack_block(addresses, features.cpu()), self._budget)
        return features
