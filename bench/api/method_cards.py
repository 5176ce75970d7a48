"""The card of a method, with the tensors that it learns on a backbone. Loads no torch for the package's own methods."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from bench.errors import ImpossibleCombinationError
from bench.sweep import (
    DEMO_BACKBONE,
    PROTOCOL_RULES,
    backbone_conflict,
    first_reason,
    offered_selections,
    published,
)
from datasets_registry import ClassSet, EvalProtocol, PoolRule
from methods import (
    BackboneSpec,
    CheckedSettings,
    MethodFacts,
    MethodTraits,
    formula_tests,
    official_runs,
    parity_record,
)

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


def _check_backbone(info: MethodTraits, backbone: BackboneSpec) -> None:
    if reason := backbone_conflict(info, backbone):
        raise ImpossibleCombinationError(f"{info.name} on {backbone.slug}: {reason}")


def listed(facts: MethodFacts, backbone: BackboneSpec, *, n_classes: int, shots: int) -> Learned | None:
    """The listed tensors of a method; None if they are not in the list.

    Raises ImpossibleCombinationError if the method cannot run on the backbone.
    """
    _check_backbone(facts, backbone)
    card = _list().get(facts.name)
    if (backbone.slug, n_classes, shots) != LISTED_FOR or card is None:
        return None
    return Learned(card["parameters"], {name: tuple(shape) for name, shape in card["tensors"].items()})


def measured(method: type[Method[Any]], backbone: BackboneSpec, *, n_classes: int, shots: int) -> Learned:
    """The tensors of the method, found by building it on random features. Imports torch.

    The backbone has random weights, so that nothing is downloaded. Raises ImpossibleCombinationError if the method
    cannot run on it.
    """
    _check_backbone(method.info, backbone)
    import torch

    from methods import SupportView, Teacher, TrainableMethod, load_backbone

    model = load_backbone(backbone if backbone.imported else BackboneSpec(backbone.arch, "random"))
    config = method.info.default_config(method.info.usual_protocol)
    parameters = config.parameter_count(replace(model.sizes, n_classes=n_classes, shots=shots))
    if not issubclass(method, TrainableMethod):
        return Learned(parameters, {})
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n_classes * shots, model.embed_dim, generator=generator)
    classes = ClassSet(tuple(f"class {i}" for i in range(n_classes)), "a photo of a {}.")
    teacher = Teacher(lambda x: torch.ones(len(x), 768), lambda c: torch.ones(len(c), 768), 1.0, classes)
    support = SupportView(
        classes,
        torch.arange(n_classes).repeat_interleave(shots),
        shots,
        lambda: features,
        lambda k, _: features.expand(k, -1, -1),
        teacher=lambda: teacher,
    )
    built = method(model, config, generator)
    built.prepare(support)
    return Learned(parameters, {name: tuple(p.shape) for name, p in built.trainable.named_parameters()})


def list_text(methods: Iterable[type[Method[Any]]]) -> str:
    """The content of the list: one line per method."""
    from methods import parse_backbone

    slug, n_classes, shots = LISTED_FOR
    lines = []
    for method in methods:
        learned = measured(method, parse_backbone(slug), n_classes=n_classes, shots=shots)
        facts = {"parameters": learned.parameters, "tensors": learned.tensors}
        lines.append(f"{json.dumps(method.info.name)}: {json.dumps(facts)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


@cache
def _list() -> dict[str, dict[str, Any]]:
    text = (resources.files("bench.api") / LISTED).read_text(encoding="utf-8")
    return cast(dict[str, dict[str, Any]], json.loads(text))


UNCOMPARED = "not compared: neither numbers of official code nor a test against its formula are recorded"


def method_card(
    info: MethodFacts, backbone: BackboneSpec, learned: Learned, *, n_classes: int, shots: int
) -> dict[str, object]:
    """The facts of a method, and what it learns on a backbone, as plain values; `--set` accepts the dotted keys."""
    settings = info.settled(info.usual_protocol)
    accepted = accepted_protocols(info)
    facts: dict[str, object] = {
        "protocols": [str(protocol) for protocol in accepted],
        "needs": sorted(str(need) for need in info.needs),
        "backbone": "a vision transformer" if info.vision_transformer else "any",
        "text tower": _text_tower(info),
        "vocabulary": _vocabulary(info),
        "validation images": "min(shots, 4) per class" if info.needs_validation else "none",
        "published": " ".join(filter(None, [info.venue, str(info.year or "")])) or "unpublished",
        "paper": info.paper or "none",
        "code": info.code or "none",
        "selection": _selections(info, settings),
        "measured on": f"{backbone.slug}, {n_classes} classes of {shots} shots",
        "trained tensors": learned.sizes or "none by gradient steps",
        "learned parameters": learned.parameters,
        "parameter formula": info.parameter_formula,
    }
    for key, setting in info.settings.items():
        facts[f"{info.name}.{key}"] = f"{setting.default!r}  {setting.description}".strip()
    for protocol in accepted:
        if values := info.config_by_protocol.get(protocol):
            facts[f"settings for {protocol}"] = dict(values)
    for protocol in accepted:
        if (recipe := info.recipe_for(protocol)) is not None:
            facts[f"recipe for {protocol}"] = recipe.model_dump(mode="json")
    return facts | {"notes": info.notes, "parity": _parity(info.name), "citation": info.citation}


def _text_tower(info: MethodFacts) -> str:
    """The text towers that a method runs on, in words."""
    if "text_tokens" in info.tower_use:
        return "causal, with CLIP's tokenizer"
    if "text_blocks" in info.tower_use:
        return "open_clip's own"
    return "any; fast if it is causal" if info.learns_text else "any"


def accepted_protocols(info: MethodFacts) -> list[EvalProtocol]:
    """The protocols in which a method runs with its published settings, and with a pool if it needs one."""
    pool = PoolRule("train")
    return [
        protocol
        for protocol in EvalProtocol
        if first_reason(published(info, protocol, pool=pool), PROTOCOL_RULES) is None
    ]


def _vocabulary(info: MethodFacts) -> str:
    if not info.open_vocabulary:
        return "only the training classes"
    return "any classes; with some settings only the training classes" if info.closable else "any classes"


def _selections(info: MethodFacts, settings: CheckedSettings) -> list[str]:
    """The values of `--selection` that work with these settings."""
    no_epoch = settings.epoch_selection_error is not None
    return [way for way, how in offered_selections(info).items() if not (how.by_epoch and no_epoch)]


def _parity(name: str) -> str:
    if (measured := parity_record().get(name)) is not None:
        return f"equal to the official implementation; its logits differ by at most {measured:.1e} of the largest"
    method = name.partition(":")[0]
    if (test := formula_tests().get(method)) is None:
        return UNCOMPARED
    written_out = f"tests/methods/{test} compares it with a direct implementation of the paper's formula"
    if (code := official_runs().get(method)) is not None:
        where = f"({code}; `etl-bench doctor docs parity`)"
        return f"gave the predictions of the official code on the same images {where}; {written_out}"
    return f"not compared with official code; {written_out}"
