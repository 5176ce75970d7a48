"""Features of plain texts by the frozen text tower, computed once per list of texts.

The address is the whole list, not a single text: texts run through the tower packed side by side, so the last bit of a
feature may depend on its neighbours. A run's numbers therefore never depend on which lists were encoded before.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench.experiment.features.budget import Budget
from bench.experiment.features.feature_blocks import address, mark_used, read_block, write_block

MAX_LISTS = 64
"""Lists in memory; the least recently used is dropped first. A list of 1,000 texts and 512 numbers takes 2 MB."""


class FrozenTexts:
    """Text features of the backbone with that digest, in memory and, with a cache folder, on disk.

    The arithmetic of the tower (`Backbone.arithmetic`) is part of the address.
    """

    def __init__(
        self, digest: str, folder: Path | None, arithmetic: str = "fp32", *, budget: Budget | None = None
    ) -> None:
        self.folder = None if folder is None else folder / "features" / f"{digest}-{arithmetic}-text"
        self._budget = budget
        self._lists: OrderedDict[str, Tensor] = OrderedDict()

    def __call__(self, texts: Sequence[str], compute: Callable[[], Tensor]) -> Tensor:
        """Features `(len(texts), dim)`, unnormalised, on the device of `compute`'s result or on the CPU."""
        name = hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:32]
        if name not in self._lists:
            self._lists[name] = self._load_or_compute(name, texts, compute)
            while len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
        self._lists.move_to_end(name)
        return self._lists[name].clone()

    def _load_or_compute(self, name: str, texts: Sequence[str], compute: Callable[[], Tensor]) -> Tensor:
        if self.folder is None:
            return compute()
        path = self.folder / f"{name}.safetensors"
        addresses = [address(text, f"{name}|{i}") for i, text in enumerate(texts)]
        block = read_block(path)
        if block is not None and set(block) == set(addresses):
            mark_used(path)
            return torch.stack([block[a] for a in addresses])
        features = compute()
        write_block(path, addresses, features.cpu(), self._budget)
        return features
