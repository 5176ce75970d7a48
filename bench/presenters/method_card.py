"""The card of a method: its facts, module docstring and parity record, and what it learns on a backbone."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from bench.presenters.learned_tensors import Learned, measured
from bench.sweep import offered_selections
from bench.sweep.compatibility import protocol_conflicts
from datasets_registry import EvalProtocol
from methods import BackboneSpec, MethodConfig, MethodInfo, formula_tests, parity_record

if TYPE_CHECKING:
    from methods import Method

UNCOMPARED = "not compared: neither numbers of official code nor a test against its formula are recorded"


def method_card(
    method: type[Method[Any]], backbone: BackboneSpec, *, n_classes: int, shots: int, learned: Learned | None = None
) -> dict[str, object]:
    """The facts of a method as plain values; `--set` accepts the dotted keys.

    Without `learned`, the learned tensors are measured on the backbone.
    """
    info = method.info
    learned = learned or measured(method, backbone, n_classes=n_classes, shots=shots)
    config = info.default_config(info.usual_protocol)
    accepted = accepted_protocols(info)
    facts: dict[str, object] = {
        "protocols": [str(protocol) for protocol in accepted],
        "needs": sorted(str(need) for need in info.needs),
        "backbone": "a vision transformer" if info.vision_transformer else "any",
        "vocabulary": _vocabulary(info),
        "validation images": "min(shots, 4) per class" if info.needs_validation else "none",
        "selection": _selections(info, config),
        "measured on": f"{backbone.slug}, {n_classes} classes of {shots} shots",
        "trained tensors": learned.sizes or "none by gradient steps",
        "learned parameters": learned.parameters,
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
        return "only the training classes"
    sometimes_closed = info.config.closed_vocabulary is not MethodConfig.closed_vocabulary
    return "any classes; with some settings only the training classes" if sometimes_closed else "any classes"


def _selections(info: MethodInfo, config: MethodConfig) -> list[str]:
    """The values of `--selection` that work with these settings."""
    no_epoch = config.epoch_selection_error() is not None
    return [way for way, how in offered_selections(info).items() if not (how.by_epoch and no_epoch)]


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
