"""The backbone of a feature pack: no towers, and the features of the class texts that the pack has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.extensions.packs.contents import PackedTower, PackError, text_list
from methods import Backbone, BackboneSizes, parse_backbone


class PackedBackbone(Backbone):
    """What methods on features read of a backbone: its class texts, its scale and its width.

    Args:
        texts: the features of a list of texts by its name.
    """

    def __init__(self, tower: PackedTower, texts: Callable[[str], NDArray[np.float32]], device: str) -> None:
        self._tower, self._device = tower, torch.device(device)

        def stored(listed: Sequence[str], _compute: Callable[[], Tensor]) -> Tensor:
            return torch.from_numpy(texts(text_list(listed)).copy())

        super().__init__(parse_backbone(tower.slug), SimpleNamespace(), text_memory=stored)
        self.logit_scale, self.logit_bias = tower.logit_scale, tower.logit_bias

    def __post_init__(self) -> None:
        no_tower: Any = SimpleNamespace(width=0, depth=0, transformer=False, blocks=(), context_length=0)
        self.image_tower = self.text_tower = no_tower
        self.image_size = 0
        self.sizes = BackboneSizes(self._tower.dim, 0, 0, 0, 0, 0)

    @property
    def device(self) -> torch.device:
        """Where features are moved."""
        return self._device

    @property
    def digest(self) -> str:
        """The stated digest of the weights that computed the features."""
        return self._tower.digest

    def encode_image(self, *_: object, **__: object) -> NoReturn:
        """Raises PackError."""
        raise PackError(f"The feature pack of {self.slug} has no towers; use a method that needs features only.")

    encode_prompts = tokenized = encode_image
