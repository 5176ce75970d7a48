"""From axes to what a sweep has to do: `expand` makes the specs, `plan` subtracts what is on disk."""

from __future__ import annotations

from bench.sweep.axes import IMAGENET_VARIANTS, Axes, RecipeChoice
from bench.sweep.expansion import Expansion, expand
from bench.sweep.feature_reuse import SharedFeatures, shared_features
from bench.sweep.inputs import files_by_digest, local_weights, named_files, support_lists
from bench.sweep.planning import Plan, RerunPolicy, plan
from bench.sweep.rejections import Refusal

__all__ = [
    "IMAGENET_VARIANTS",
    "Axes",
    "Expansion",
    "Plan",
    "RecipeChoice",
    "Refusal",
    "RerunPolicy",
    "SharedFeatures",
    "expand",
    "files_by_digest",
    "local_weights",
    "named_files",
    "plan",
    "shared_features",
    "support_lists",
]
