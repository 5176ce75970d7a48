"""What a run reads besides centre views: augmented views of its support images, and class texts. Loads no torch.

Methods follow conventions for their settings. `templates` are texts or names of lists; so are `template` and `ensemble`
of zero-shot. With `crop_scale`, a method reads as many views as `augment_epochs` or `views` says, else one. Each epoch
of a training reads the view of its recipe. The tests run all methods on features from packs that have these alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.results import known_methods
from datasets_registry import EvalProtocol
from methods import GENERIC_TEMPLATE, TEMPLATE_LISTS, Needs, Recipe, own_values

if TYPE_CHECKING:
    from bench.spec import ExperimentSpec

_NOT_FEATURES = frozenset({Needs.PIXELS, Needs.POOLED, Needs.HIDDEN, Needs.TEST_VIEWS})
OWN = "own"
"""Stands for the dataset's own template."""
Scale = tuple[float, float]


@dataclass(frozen=True)
class Reads:
    """What a run reads: number of views by crop scale, and templates, with whether names keep their underscores."""

    views: Mapping[Scale, int]
    templates: frozenset[tuple[str, bool]]


def reads_towers(method: str) -> str | None:
    """What a method reads that no pack has, with the remedy; None if it needs features only."""
    facts = known_methods().get(method)
    if facts.needs & _NOT_FEATURES or facts.learns_text or facts.tower_use or facts.vision_transformer:
        return "it reads images or uses the towers, and a feature pack has neither; run it with the images."
    if facts.needs_teacher:
        return "it learns from a tuned model, which reads images; run it with the images."
    return None


def reads_of(spec: ExperimentSpec, images: int) -> Reads:
    """What a run with that many training images reads."""
    settings = settings_of(spec)
    return Reads(_views(spec, settings, images), _templates(settings))


def settings_of(spec: ExperimentSpec) -> dict[str, Any]:
    """The settings of a run on its dataset."""
    table = spec.config.get("by_dataset", {})
    return {**spec.config, **own_values(table, spec.dataset, spec.shots)}


def reads_test_views(spec: ExperimentSpec) -> bool:
    """Whether a run shows its method views of test images."""
    return spec.protocol is EvalProtocol.TEST_TIME and bool(settings_of(spec).get("views"))


def _views(spec: ExperimentSpec, settings: Mapping[str, Any], images: int) -> dict[Scale, int]:
    found: dict[Scale, int] = {}
    if "crop_scale" in settings and spec.protocol is not EvalProtocol.TEST_TIME:
        low, high = settings["crop_scale"]
        found[low, high] = int(settings.get("augment_epochs", settings.get("views", 1)))
    if spec.recipe is not None and images:
        recipe = Recipe.model_validate(spec.recipe).for_dataset(spec.dataset)
        if recipe.augment:
            epochs, _ = recipe.epochs_and_steps(images, spec.shots)
            epochs += Needs.OTHER_VIEW in known_methods().get(spec.method).needs
            found[recipe.crop_scale] = max(found.get(recipe.crop_scale, 0), recipe.views or epochs)
    return {scale: count for scale, count in found.items() if count}


def _templates(settings: Mapping[str, Any]) -> frozenset[tuple[str, bool]]:
    named = {"none": (), **TEMPLATE_LISTS}
    entries = [OWN, GENERIC_TEMPLATE, *settings.get("templates", ())]
    entries += [settings[key] for key in ("template", "ensemble") if settings.get(key)]
    filled = {template for entry in entries for template in named.get(entry, (entry,))}
    kept = {False, bool(settings.get("keep_underscores"))}
    return frozenset((template, keep) for template in filled for keep in kept)
