"""Training steps and evaluations on a randomly initialised ViT-B/16: of this benchmark and of the plain one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import torch
from _measure import Side
from plain import PlainBackbone, without_memory
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import METHODS, Backbone, BackboneSpec, Batch, MethodConfig, Needs, SupportView, load_backbone
from methods.coop import CoOpConfig

NAMES = [line.strip() for line in (Path(__file__).parent / "class_names.txt").read_text().splitlines() if line.strip()]
ALL = frozenset(get_args(Needs))
GENERIC = "a photo of a {}."


COOP16 = CoOpConfig(n_ctx=16)


def class_set(n: int) -> ClassSet:
    """n distinct class names: ImageNet-like words, then numbered ones."""
    names = [NAMES[i % len(NAMES)] + ("" if i < len(NAMES) else f" {i // len(NAMES)}") for i in range(n)]
    return ClassSet(tuple(names), GENERIC)


def backbones() -> tuple[Backbone, Backbone]:
    ours = load_backbone(BackboneSpec("ViT-B-16", "random"))
    return ours, PlainBackbone(ours.spec, ours.model)


def make_method(name: str, backbone: Backbone, n_classes: int, config: MethodConfig | None = None) -> Any:
    cls = METHODS.get(name)
    config = config or cls.info.default_config(EvalProtocol.BASE_TO_NEW)
    method = cls(backbone, config, torch.Generator().manual_seed(0))
    classes = class_set(n_classes)
    labels = torch.arange(n_classes)
    features = torch.randn(n_classes, backbone.embed_dim, generator=torch.Generator().manual_seed(1))
    method.prepare(SupportView(classes, labels, 1, lambda: features, lambda k, _: features.expand(k, -1, -1)))
    return method


def batch_of(n: int, n_classes: int, *, frozen: Callable[[Tensor], Tensor] | None = None) -> Batch:
    """Random images and labels; features are computed by `frozen`, or available as from a warm store."""
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randn(n, 3, 224, 224, generator=generator)
    features = torch.randn(n, 512, generator=generator)
    labels = torch.randint(0, n_classes, (n,), generator=generator)

    def encode() -> Tensor:
        if frozen is None:
            return features
        with torch.no_grad():
            frozen(pixels)
        return features

    return Batch(labels, features=encode, pixels=lambda: pixels, needs=ALL)


def step(method: Any, make_batch: Callable[[], Batch]) -> Side:
    """One training step without the update."""

    def run() -> list[Tensor]:
        method.trainable.zero_grad(set_to_none=True)
        method.backward(make_batch())
        return [p.grad for p in method.trainable.parameters() if p.grad is not None]

    return Side(run)


def pair(
    name: str, n_classes: int, batch: int, *, warm: bool = True, config: MethodConfig | None = None
) -> tuple[Side, Side]:
    """The same step of a method by this benchmark and by the plain one; `warm`: our features come from the store."""
    ours, plain = backbones()
    data = batch_of(batch, n_classes)
    method, slow = make_method(name, ours, n_classes, config), make_method(name, plain, n_classes, config)
    fresh = {} if warm else {"frozen": plain.encode_image}
    plain_data = data if warm else batch_of(batch, n_classes, **fresh)

    def again() -> Batch:
        plain_data._values.clear()
        return plain_data

    return step(method, lambda: data), step(without_memory(slow) if name == "apex" else slow, again)


def apex_evaluation() -> tuple[Side, Side]:
    """APEX on new classes, 4 batches of 8 images: texts once and one prompted pass, against everything per batch."""
    ours, plain = backbones()
    fast, slow = make_method("apex", ours, 50), without_memory(make_method("apex", plain, 50))
    new = ClassSet(tuple(f"{name} new" for name in class_set(50).names), GENERIC)
    batches = [batch_of(8, 50) for _ in range(4)]
    plain_batches = [batch_of(8, 50, frozen=plain.encode_image) for _ in range(4)]

    def run_ours() -> list[Tensor]:
        with torch.no_grad():
            classify = fast.classifier(new)
            return [classify(batch) for batch in batches]

    def run_plain() -> list[Tensor]:
        with torch.no_grad():
            for batch in plain_batches:
                batch._values.clear()
            return [slow.classifier(new)(batch) for batch in plain_batches]

    return Side(run_ours), Side(run_plain)


def kept(backbone: Backbone, data: Batch) -> Batch:
    """The same images with available hidden states, as from a warm store."""
    with torch.no_grad():
        states = cache(lambda first: backbone.image_hidden(data.pixels, first))
    labels = data.labels
    return Batch(labels, features=lambda: data.features, pixels=lambda: data.pixels, hidden=states, needs=ALL)


def computed(backbone: Backbone, data: Batch) -> Batch:
    """The same images with hidden states that are computed at every request."""

    def states(first: int) -> Tensor:
        with torch.no_grad():
            return backbone.image_hidden(data.pixels, first)

    features = data.features
    return Batch(data.labels, features=lambda: features, pixels=lambda: data.pixels, hidden=states, needs=ALL)


def step_after_frozen_blocks(name: str, n_classes: int, batch: int) -> tuple[Side, Side]:
    """A step of a method that changes only late blocks: from stored hidden states, and through all blocks."""
    ours, plain = backbones()
    data = batch_of(batch, n_classes)
    warm = kept(ours, data)
    method, slow = make_method(name, ours, n_classes), make_method(name, plain, n_classes)
    return step(method, lambda: warm), step(slow, lambda: computed(plain, data))


def evaluation_after_frozen_blocks(name: str, n_classes: int, batch: int) -> tuple[Side, Side]:
    """One evaluation batch of a method that changes only late blocks, as in `step_after_frozen_blocks`."""
    ours, plain = backbones()
    data = batch_of(batch, n_classes)
    warm = kept(ours, data)
    method, slow = make_method(name, ours, n_classes), make_method(name, plain, n_classes)

    def side(chosen: Any, make_batch: Callable[[], Batch]) -> Side:
        def run() -> list[Tensor]:
            with torch.no_grad():
                return [chosen.classifier(class_set(n_classes))(make_batch())]

        return Side(run)

    return side(method, lambda: warm), side(slow, lambda: computed(plain, data))
