"""The learned tensors of a method on a backbone. A list for the demo backbone lets cards work without torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from bench.errors import ImpossibleCombinationError
from bench.method_info.source_digest import machinery_digest, source_digest
from bench.sweep.compatibility import backbone_conflict
from bench.sweep.request import DEMO_BACKBONE
from datasets_registry import ClassSet
from methods import BackboneSpec, MethodInfo

if TYPE_CHECKING:
    from methods import Method

LISTED = "learned_tensors.json"
"""File in this folder with what the package's methods learn; `python -m tools.generate_docs` writes it."""
LISTED_FOR = (DEMO_BACKBONE, 10, 16)
"""Backbone, classes and shots of the list."""


@dataclass(frozen=True)
class Learned:
    """What a method learns.

    Args:
        parameters: number of its values, by the method's formula.
        tensors: shapes of the trained tensors by name; none for a method that takes no gradient steps.
    """

    parameters: int
    tensors: Mapping[str, tuple[int, ...]]

    @property
    def sizes(self) -> dict[str, str]:
        """Each tensor's shape and size, such as `4 x 128 = 512`."""
        shapes = {name: " x ".join(map(str, shape)) or "1" for name, shape in self.tensors.items()}
        return {name: f"{shapes[name]} = {math.prod(shape)}" for name, shape in self.tensors.items()}


def _check_backbone(info: MethodInfo, backbone: BackboneSpec) -> None:
    if reason := backbone_conflict(info, backbone):
        raise ImpossibleCombinationError(f"{info.name} on {backbone.slug}: {reason}")


def listed(method: type[Method[Any]], backbone: BackboneSpec, *, n_classes: int, shots: int) -> Learned | None:
    """The listed tensors of the method; None if it is not in the list or its code has changed since.

    Raises ImpossibleCombinationError if the method cannot run on the backbone.
    """
    _check_backbone(method.info, backbone)
    found = _list().get(method.info.name)
    if (backbone.slug, n_classes, shots) != LISTED_FOR or found is None or found["code"] != _code(method):
        return None
    return Learned(found["parameters"], {name: tuple(shape) for name, shape in found["tensors"].items()})


def measured(method: type[Method[Any]], backbone: BackboneSpec, *, n_classes: int, shots: int) -> Learned:
    """The tensors of the method, found by building it on random features. Imports torch.

    The backbone has random weights, so that nothing is downloaded. Raises ImpossibleCombinationError if the method
    cannot run on it.
    """
    _check_backbone(method.info, backbone)
    import torch

    from methods import SupportView, TrainableMethod, load_backbone

    model = load_backbone(backbone if backbone.imported else BackboneSpec(backbone.arch, "random"))
    config = method.info.default_config(method.info.usual_protocol)
    parameters = config.parameter_count(model.sizes.with_task(n_classes=n_classes, shots=shots))
    if not issubclass(method, TrainableMethod):
        return Learned(parameters, {})
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n_classes * shots, model.embed_dim, generator=generator)
    support = SupportView(
        ClassSet(tuple(f"class {i}" for i in range(n_classes)), "a photo of a {}."),
        torch.arange(n_classes).repeat_interleave(shots),
        shots,
        lambda: features,
        lambda k, _: features.expand(k, -1, -1),
    )
    built = method(model, config, generator)
    built.prepare(support)
    return Learned(parameters, {name: tuple(p.shape) for name, p in built.trainable.named_parameters()})


def list_text(methods: Iterable[type[Method[Any]]]) -> str:
    """The content of the list: one line per method, with the digest of its code."""
    from methods import parse_backbone

    slug, n_classes, shots = LISTED_FOR
    lines = []
    for method in methods:
        learned = measured(method, parse_backbone(slug), n_classes=n_classes, shots=shots)
        facts = {"code": _code(method), "parameters": learned.parameters, "tensors": learned.tensors}
        lines.append(f"{json.dumps(method.info.name)}: {json.dumps(facts)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _code(method: type[Method[Any]]) -> str:
    return hashlib.sha256(f"{source_digest(method)} {machinery_digest(method)}".encode()).hexdigest()[:12]


@cache
def _list() -> dict[str, dict[str, Any]]:
    text = (resources.files("bench.presenters") / LISTED).read_text(encoding="utf-8")
    return cast(dict[str, dict[str, Any]], json.loads(text))
