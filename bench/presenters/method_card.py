"""The card of a method: its facts, module docstring and parity record, and its learned tensors on a backbone."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from bench.errors import ImpossibleCombinationError
from bench.sweep.compatibility import backbone_conflict, protocol_conflicts
from datasets_registry import ClassSet, EvalProtocol
from methods import (
    Backbone,
    BackboneSpec,
    Method,
    MethodConfig,
    MethodInfo,
    SupportView,
    TrainableMethod,
    formula_tests,
    load_backbone,
    parity_record,
    selection_rules,
)

UNCOMPARED = "not compared: neither numbers of official code nor a test against its formula are recorded"


@dataclass(frozen=True)
class LearnedTensor:
    """One learned tensor."""

    name: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """Number of values."""
        return int(torch.Size(self.shape).numel())


def backbone_for(info: MethodInfo, requested: BackboneSpec) -> Backbone:
    """A backbone of the requested architecture with random weights, so that nothing is downloaded.

    Raises:
        ImpossibleCombinationError: if the method cannot run on it.
    """
    if reason := backbone_conflict(info, requested):
        raise ImpossibleCombinationError(f"{info.name} on {requested.slug}: {reason}")
    return load_backbone(requested if requested.imported else BackboneSpec(requested.arch, "random"))


def learned_tensors(
    method: type[Method[Any]], backbone: Backbone, *, n_classes: int, shots: int
) -> list[LearnedTensor]:
    """The learned tensors of a method, built on random features; empty if it takes no gradient steps."""
    if not issubclass(method, TrainableMethod):
        return []
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n_classes * shots, backbone.embed_dim, generator=generator)
    support = SupportView(
        ClassSet(tuple(f"class {i}" for i in range(n_classes)), "a photo of a {}."),
        torch.arange(n_classes).repeat_interleave(shots),
        shots,
        lambda: features,
        lambda k, _: features.expand(k, -1, -1),
    )
    built = method(backbone, method.info.default_config(protocol_of(method.info)), generator)
    built.prepare(support)
    return [LearnedTensor(name, tuple(p.shape)) for name, p in built.trainable.named_parameters()]


def protocol_of(info: MethodInfo) -> EvalProtocol:
    """The protocol whose settings a card shows: base-to-new if the method supports it, else few-shot."""
    return EvalProtocol.BASE_TO_NEW if info.open_vocabulary else EvalProtocol.FEW_SHOT


def method_card(method: type[Method[Any]], backbone: BackboneSpec, *, n_classes: int, shots: int) -> dict[str, object]:
    """Everything about a method as plain values; dotted keys can be used with `--set`."""
    info = method.info
    model = backbone_for(info, backbone)
    trained = learned_tensors(method, model, n_classes=n_classes, shots=shots)
    config = info.default_config(protocol_of(info))
    accepted = accepted_protocols(info)
    facts: dict[str, object] = {
        "protocols": [str(protocol) for protocol in accepted],
        "needs": sorted(str(need) for need in info.needs),
        "backbone": "a vision transformer" if info.vision_transformer else "any",
        "vocabulary": _vocabulary(info),
        "validation images": "min(shots, 4) a class" if info.needs_validation else "none",
        "selection": _selections(info, config),
        "measured on": f"{backbone.slug}, {n_classes} classes of {shots} shots",
        "trained tensors": {t.name: f"{' x '.join(map(str, t.shape)) or 1} = {t.parameters}" for t in trained}
        or "nothing by gradient steps",
        "learned parameters": info.parameter_count(model, config, n_classes=n_classes, shots=shots),
        "parameter formula": info.parameter_formula,
    }
    for key, field in info.config.model_fields.items():
        default = repr(field.get_default(call_default_factory=True))
        facts[f"{info.name}.{key}"] = f"{default}  {field.description or ''}".strip()
    for protocol in accepted:
        if values := info.config_by_protocol.get(protocol):
            facts[f"settings for {protocol}"] = dict(values)
    for protocol in accepted:
        if (recipe := info.recipe_for(protocol)) is not None:
            facts[f"recipe for {protocol}"] = recipe.model_dump(mode="json")
    return facts | {"notes": _notes(method), "parity": _parity(info.name), "citation": info.citation}


def accepted_protocols(info: MethodInfo) -> list[EvalProtocol]:
    """The protocols in which a method runs with its published settings."""
    return [
        protocol
        for protocol in EvalProtocol
        if not any(protocol_conflicts(info, info.default_config(protocol), info.recipe_for(protocol), protocol))
    ]


def _vocabulary(info: MethodInfo) -> str:
    if not info.open_vocabulary:
        return "tied to its training classes"
    sometimes_closed = info.config.closed_vocabulary is not MethodConfig.closed_vocabulary
    return "any classes; with some settings only the training classes" if sometimes_closed else "any classes"


def _selections(info: MethodInfo, config: MethodConfig) -> list[str]:
    """The values of `--selection` that work with these settings."""
    no_epoch = config.epoch_selection_error() is not None
    return [str(way) for way, how in selection_rules(info).items() if not (how.by_epoch and no_epoch)]


def _notes(method: type[Method[Any]]) -> str:
    """Paper, official file and differences: the docstring of the method's module without its first line."""
    text = inspect.getdoc(inspect.getmodule(method)) or ""
    return text.partition("\n")[2].strip() or text


def _parity(name: str) -> str:
    method = name.partition(":")[0]
    if (measured := parity_record().get(method)) is not None:
        return f"equal to the official implementation; its logits differ by at most {measured:.1e} of the largest"
    if (test := formula_tests().get(method)) is not None:
        return f"equal to the published formula, by tests/methods/{test}; no numbers of the official code are recorded"
    return UNCOMPARED
