"""A backbone that consists of imported features: no towers, one text feature per class."""

import hashlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datasets_registry import BenchError, ClassSet, FeatureBundle, UnknownNameError
from methods._backbones.backbone import Backbone
from methods._backbones.backbone_spec import BackboneSpec


class NoTowerError(BenchError, RuntimeError):
    """A method used a tower of a backbone that has none."""


class ImportedBackbone(Backbone):
    """Text features by class name, from all bundles of one model.

    Templates are ignored: a class has the one text feature that the bundle holds for it.
    """

    def __init__(self, spec: BackboneSpec, bundles: Sequence[FeatureBundle], device: str = "cpu") -> None:
        scales = {bundle.facts.logit_scale for bundle in bundles}
        dims = {bundle.facts.dim for bundle in bundles}
        if len(scales) > 1 or len(dims) > 1:
            raise BenchError(
                f"The bundles of {spec.slug} disagree: widths {sorted(dims)}, logit scales {sorted(scales)}; "
                "import them under different backbone names."
            )
        self._bundles = list(bundles)
        self._device = torch.device(device)
        self._dim = dims.pop()
        super().__init__(spec, SimpleNamespace())
        self.logit_scale = scales.pop()

    def __post_init__(self) -> None:
        no_tower: Any = SimpleNamespace(width=0, depth=0, transformer=False, blocks=(), context_length=0)
        self.image_tower = self.text_tower = no_tower
        self.image_size = 0

    @property
    def embed_dim(self) -> int:
        return self._dim

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def digest(self) -> str:
        """Digest of the bundles' text features; image features are part of each task's fingerprint."""
        sha = hashlib.sha256(repr((self._dim, self.logit_scale)).encode())
        for bundle in self._bundles:
            sha.update(bundle.text_features.tobytes())
        return sha.hexdigest()[:32]

    def class_texts(self, classes: ClassSet, template: str) -> Float[Tensor, "n_cls dim"]:  # noqa: ARG002
        """Stored text features in the order of the classes, unnormalised; the template is ignored."""
        self.passes.text += len(classes)
        for bundle in self._bundles:
            row = {name.replace("_", " "): i for i, name in enumerate(bundle.facts.class_names)}
            row |= {name: i for i, name in enumerate(bundle.facts.class_names)}
            if all(name in row for name in classes.names):
                rows = np.stack([bundle.text_features[row[name]] for name in classes.names])
                return torch.from_numpy(rows).to(self._device)
        known = {name for bundle in self._bundles for name in bundle.facts.class_names}
        unknown = next(name for name in classes.names if name not in known)
        raise UnknownNameError("class of imported text features", unknown, known)

    def encode_image(self, *_: object, **__: object) -> NoReturn:
        """Raises NoTowerError."""
        raise NoTowerError(f"{self.slug} has imported features only, no image tower; use a method that needs features.")

    def encode_prompts(self, *_: object, **__: object) -> NoReturn:
        """Raises NoTowerError."""
        raise NoTowerError(f"{self.slug} has imported features, no text tower; use a method with plain class texts.")

    tokenized = encode_prompts

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Stored features of texts that are class names; raises UnknownNameError for other texts."""
        return self.class_texts(ClassSet(tuple(texts), "{}"), "{}")
