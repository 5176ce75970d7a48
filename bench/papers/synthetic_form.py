"""A paper's sweep on the included synthetic suite and backbone, so that a table can be seen without data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.errors import UsageError
from bench.sweep import DEMO_BACKBONE, RecipeChoice, SweepRequest

TEST_IMAGES, MOST_SHOTS, SEEDS = 10, 4, (1, 2)
_SUITE = {
    "imagenet": "_basic:", "sun397": "_blur:", "stanford_cars": "_clutter:", "caltech101": "_layout:",
    "food101": "_sketch:", "ucf101": "_words:", "oxford_flowers": "_colours:", "oxford_pets": "_textures:",
    "fgvc_aircraft": "_counting:", "dtd": "_landcover:", "eurosat": "_angles:", "imagenet_v2": ":shift=0.1,",
    "imagenet_sketch": ":shift=0.3,", "imagenet_a": ":shift=0.5,", "imagenet_r": ":shift=0.4,",
}  # fmt: skip
"""The eleven datasets from low to high transfer difficulty, as the suite, and ImageNet's variants as shifts."""
_LENGTHS = (".recipe.epochs", ".recipe.steps", ".recipe.views")
SYNTHETIC_STATEMENT = (
    f"synthetic: the included suite and backbone, short trainings (recipe demo), at most {MOST_SHOTS} shots, "
    f"{len(SEEDS)} seeds and {TEST_IMAGES} test images a class; not the paper's numbers, and compared with none"
)
"""What differs from the paper."""


def synthetic_form(request: SweepRequest, **options: Any) -> SweepRequest:
    """The same methods, settings and protocol on synthetic datasets; `options` say how and where it is run.

    Lengths of training are those of the recipe `demo`, so settings of them are left out. UsageError for a dataset
    without a synthetic counterpart.
    """
    shots = sorted({min(shots, MOST_SHOTS) for shots in request.shots})
    values: dict[str, Any] = {
        "methods": request.methods,
        "datasets": _synthetic(request.datasets),
        "backbones": [DEMO_BACKBONE],
        "protocol": request.protocol,
        "shots": shots,
        "seeds": list(SEEDS[: len(request.seeds)]),
        "targets": _synthetic(request.targets),
        "overrides": [text for text in request.overrides if not text.startswith(_LENGTHS, max(text.find("."), 0))],
        "selection": request.selection,
        "recipe": RecipeChoice.DEMO,
        "keep_branches": request.keep_branches,
        "curve": request.curve,
    }
    return SweepRequest.build(**values | options)


def _synthetic(datasets: Sequence[str]) -> list[str]:
    """The synthetic counterparts of datasets, each once."""
    unknown = [name for name in datasets if name not in _SUITE and not name.startswith("spectrum")]
    if unknown:
        raise UsageError(f"{unknown[0]!r} has no synthetic counterpart. Known: {', '.join(_SUITE)}.")
    names = [name if name.startswith("spectrum") else f"spectrum{_SUITE[name]}test={TEST_IMAGES}" for name in datasets]
    return list(dict.fromkeys(names))
