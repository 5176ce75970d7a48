"""A backbone that consists of imported features: no towers, one text feature per class."""

import hashlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datasets_registry import BenchError, ClassSet, UnknownNameError, feature_bundle
from methods._backbones.backbone import Backbone
from methods._backbones.backbone_spec import BackboneSpec
from methods._base.method_info import Sizes
from methods._text.templates import GENERIC_TEMPLATE


class ImportedBackbone(Backbone):
    """Text features by dataset and class name, from all bundles of one model.

    A class has one text feature, from its dataset's bundle. It is used for the dataset's own template and for the
    generic one, the default of adapters.
    """

    def __init__(
        self, spec: BackboneSpec, bundles: Sequence[feature_bundle.FeatureBundle], device: str = "cpu"
    ) -> None:
        scales = {bundle.facts.logit_scale for bundle in bundles}
        dims = {bundle.facts.dim for bundle in bundles}
        if len(scales) > 1 or len(dims) > 1:
            raise BenchError(
                f"The bundles of {spec.slug} differ: widths {sorted(dims)}, logit scales {sorted(scales)}; "
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
        self.sizes = Sizes(self._dim, 0, 0, 0, 0, 0)

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def digest(self) -> str:
        """Digest of the bundles' text features; image features are part of each task's fingerprint."""
        sha = hashlib.sha256(repr((self._dim, self.logit_scale)).encode())
        for bundle in self._bundles:
            sha.update(bundle.text_features.tobytes())
        if self._shared_names_differ():
            sha.update(b"texts by dataset")  # older results used another dataset's texts
        return sha.hexdigest()[:32]

    def class_texts(
        self,
        classes: ClassSet,
        template: str,
        *,
        keep_underscores: bool = False,  # noqa: ARG002
    ) -> Float[Tensor, "n_cls dim"]:
        """Unnormalised text features from the bundle of `classes.dataset`, in the order of the classes.

        Raises:
            BenchError: for sentences, or for a template that is neither the dataset's nor the generic one.
            UnknownNameError: for a dataset or class without text features.
            BenchError: if the classes name no dataset, and no dataset has all of them or several have different
                features.
        """
        if classes.sentences is not None or template not in (classes.template, GENERIC_TEMPLATE):
            what = "sentences" if classes.sentences is not None else f"template {template!r}"
            raise BenchError(
                f"{self.slug} has one imported text feature per class and cannot encode the {what}; "
                "leave templates and class texts at their defaults."
            )
        bundles = [bundle for bundle in self._bundles if classes.dataset in (None, bundle.facts.name)]
        if not bundles:
            datasets = [bundle.facts.name for bundle in self._bundles]
            raise UnknownNameError(f"dataset of {self.slug}", str(classes.dataset), datasets)
        return self._stored(classes.names, bundles)

    def _stored(self, names: Sequence[str], bundles: Sequence[feature_bundle.FeatureBundle]) -> Float[Tensor, "n dim"]:
        features = {}
        for bundle in bundles:
            row = {name: i for i, name in enumerate(bundle.facts.class_names)}
            row = {name.replace("_", " "): i for name, i in row.items()} | row  # also with spaces for underscores
            if set(names) <= row.keys():
                features[bundle.facts.name] = bundle.text_features[[row[name] for name in names]]
        if not features:
            known_names = {name for bundle in bundles for name in bundle.facts.class_names}
            unknown = [name for name in names if name not in known_names]
            if unknown:
                raise UnknownNameError("class of imported text features", unknown[0], known_names)
            raise BenchError(
                f"No dataset of {self.slug} has text features of all these classes: {', '.join(names[:5])}."
            )
        first, *other_features = features.values()
        if not all(np.array_equal(first, other) for other in other_features):
            raise BenchError(
                f"{self.slug} has different text features for these classes in the datasets {', '.join(features)}; "
                "request them by the class set of one dataset (Backbone.class_texts)."
            )
        return torch.from_numpy(first).to(self._device)

    def _shared_names_differ(self) -> bool:
        """Whether two bundles have different text features for a class of the same name."""
        seen: dict[str, bytes] = {}
        return any(
            seen.setdefault(name, row.tobytes()) != row.tobytes()
            for bundle in self._bundles
            for name, row in zip(bundle.facts.class_names, bundle.text_features, strict=True)
        )

    def encode_image(self, *_: object, **__: object) -> NoReturn:
        """Raises BenchError."""
        raise BenchError(f"{self.slug} has imported features and no image tower; use a method on features.")

    def encode_prompts(self, *_: object, **__: object) -> NoReturn:
        """Raises BenchError."""
        raise BenchError(f"{self.slug} has imported features and no text tower; use one with plain class texts.")

    tokenized = encode_prompts

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Stored features of class names, with or without underscores.

        Raises UnknownNameError for other texts, and BenchError if several datasets have different features for them.
        """
        return self._stored(texts, self._bundles)
