"""A paper's sweep on the included synthetic suite and backbone, so that a table can be seen without data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.errors import UsageError
from bench.sweep import DEMO_BACKBONE, RecipeChoice, SweepRequest

TEST_IMAGES, MOST_SHOTS, SEEDS = 10, 4, (1, 2)
_SUITE = {
    "imagenet": "basic", "sun397": "blur", "stanford_cars": "clutter", "caltech101": "layout", "food101": "sketch",
    "ucf101": "words", "oxford_flowers": "colours", "oxford_pets": "textures", "fgvc_aircraft": "counting",
    "dtd": "landcover", "eurosat": "angles",
}  # fmt: skip
"""The eleven datasets from low to high transfer difficulty, as the suite."""
_SHIFTS = {"imagenet_v2": 0.1, "imagenet_sketch": 0.3, "imagenet_a": 0.5, "imagenet_r": 0.4}
"""ImageNet's variants as shifts of the dataset for ImageNet, which have its classes."""
_MEDICAL = (
    "btmri", "busi", "chmnist", "covid_qu_ex", "ctkidney", "dermamnist", "kneexray", "kvasir", "lc25000", "octmnist",
    "retina",
)  # fmt: skip
"""BiomedCoOp's eleven datasets, in the order of the suite."""
_COUNTERPARTS = {name: f"spectrum_{one}:test={TEST_IMAGES}" for name, one in _SUITE.items()}
_COUNTERPARTS |= dict(zip(_MEDICAL, list(_COUNTERPARTS.values()), strict=True))
_COUNTERPARTS |= {name: f"spectrum:shift={shift}" for name, shift in _SHIFTS.items()}
_LENGTHS = (".recipe.epochs", ".recipe.steps", ".recipe.views", ".recipe.by_dataset")
_KEPT = (
    "selection", "draw", "support", "unlabelled", "allow_fewer", "class_text", "precision",
)  # fmt: skip
SYNTHETIC_STATEMENT = (
    "synthetic: the included suite and backbone, short trainings (recipe demo; custom where the paper changes it), "
    f"at most {MOST_SHOTS} shots, {len(SEEDS)} seeds and {TEST_IMAGES} test images a class; not the paper's numbers, "
    "and compared with none"
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
        "recipe": RecipeChoice.DEMO,
        **{name: getattr(request, name) for name in _KEPT},
    }
    return SweepRequest.build(**values | options)


def stand_ins(datasets: Sequence[str]) -> dict[str, str]:
    """The dataset of a paper by the synthetic one that stands for it."""
    return {_COUNTERPARTS[name]: name for name in datasets if name in _COUNTERPARTS}


def _synthetic(datasets: Sequence[str]) -> list[str]:
    """The synthetic counterparts of datasets, each once; a synthetic dataset stays as it is."""
    unknown = [name for name in datasets if name not in _COUNTERPARTS and not name.startswith("spectrum")]
    if unknown:
        raise UsageError(f"{unknown[0]!r} has no synthetic counterpart. Known: {', '.join(_COUNTERPARTS)}.")
    return list(dict.fromkeys(_COUNTERPARTS.get(name, name) for name in datasets))
