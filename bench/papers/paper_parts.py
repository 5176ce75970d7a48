"""Chosen tables and figures of a paper, with the chosen ones of their methods and datasets, also on synthetic data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Self

from bench.errors import UsageError
from bench.papers.paper_files import Paper
from bench.results import known_methods
from bench.sweep import (
    DEMO_BACKBONE,
    Plan,
    RecipeChoice,
    SweepRequest,
    outline_of,
    split_list,
    without_patterns,
)
from datasets_registry import get_dataset

SYNTHETIC = "synthetic"
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
_COUNTERPARTS = {name: f"spectrum_{stand_in}:test={TEST_IMAGES}" for name, stand_in in _SUITE.items()}
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


@dataclass(frozen=True)
class PaperPart:
    """Some tables and figures of a paper, narrowed to some of their methods and datasets.

    Args:
        methods: the chosen ones by the names of the paper, empty for all; likewise `datasets`.
        outlines: the sweeps of each table or figure, on synthetic data if requested; none if it has no chosen part.
        stands_for: the paper's dataset by the synthetic one, of each table or figure; empty on real data.
    """

    methods: Sequence[str]
    datasets: Sequence[str]
    outlines: Mapping[str, Sequence[Plan]]
    stands_for: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(
        cls,
        paper: Paper,
        names: Sequence[str],
        *,
        on: str | None = None,
        methods: str | Sequence[str] = (),
        datasets: str | Sequence[str] = (),
        seeds: str | int | Sequence[int] | None = None,
        **options: Any,
    ) -> Self:
        """Some tables and figures of a paper. On synthetic data, a stand-in means the dataset that it stands for.

        Args:
            on: `synthetic` for the included suite and backbone.
            seeds: in place of the paper's.
            options: further fields of the requests, which say how and where they are run.

        Raises UnknownNameError for an unknown name, and UsageError for one that no chosen table or figure has, or if
        none of them runs the chosen methods on the chosen datasets.
        """
        if on not in (None, SYNTHETIC):
            raise UsageError(f"--on {on!r} is unknown. Allowed: {SYNTHETIC}.")
        seed_option = {"seeds": seeds} if seeds else {}
        whole = {  # names in place of patterns
            name: [
                replace(outline, request=without_patterns(outline.request))
                for outline in paper.outlines(name, **seed_option, **({} if on else options))
            ]
            for name in names
        }
        requests = [outline.request for outlines in whole.values() for outline in outlines]
        paper_datasets = [name for request in requests for name in all_datasets(request)]
        real = {name.partition(":")[0]: real for name, real in stand_ins(paper_datasets).items()} if on else {}
        chosen_datasets = [real.get(name.partition(":")[0], name) for name in _checked(datasets, get_dataset)]
        chosen = _checked(methods, known_methods().get)
        where = f"{paper.name} {names[0]}" if len(names) == 1 else paper.name
        place = f"{where} has no" if len(names) == 1 else f"{where} has no table or figure with the"
        _refuse_others(f"{place} method", chosen, [name for request in requests for name in request.methods])
        _refuse_others(f"{place} dataset", chosen_datasets, paper_datasets)
        part = {name: _narrowed(outlines, chosen, chosen_datasets) for name, outlines in whole.items()}
        if not any(part.values()):
            raise UsageError(
                f"{where} does not run these methods on these datasets; leave out --methods or --datasets."
            )
        if not on:
            return cls(chosen, chosen_datasets, part, {})
        how = {"device": "cpu"} | options | seed_option
        synthetic = {
            name: [outline_of(synthetic_form(outline.request, **how), unchecked=True) for outline in outlines]
            for name, outlines in part.items()
        }
        stands_for = {
            name: stand_ins([dataset for outline in outlines for dataset in all_datasets(outline.request)])
            for name, outlines in whole.items()
        }
        return cls(chosen, chosen_datasets, synthetic, stands_for)


def all_datasets(request: SweepRequest) -> list[str]:
    """The datasets and targets of a request."""
    return [*request.datasets, *request.targets]


def _checked(texts: str | Sequence[str], look_up: Any) -> list[str]:
    """The given names, after `look_up`, which raises UnknownNameError for an unknown one."""
    names = split_list([texts] if isinstance(texts, str) else texts)
    for name in names:
        look_up(name)
    return names


def _refuse_others(problem: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    for name in names:
        if name not in allowed:
            raise UsageError(f"{problem} {name!r}. Allowed: {', '.join(dict.fromkeys(allowed))}.")


def _narrowed(outlines: Sequence[Plan], methods: Sequence[str], datasets: Sequence[str]) -> list[Plan]:
    """The outlines with only these methods and datasets, all if there are none; those that have none are left out."""
    requests = []
    for request in (outline.request for outline in outlines):
        place = "targets" if request.targets else "datasets"
        values = {"methods": [name for name in request.methods if name in methods or not methods]}
        values[place] = [name for name in getattr(request, place) if name in datasets or not datasets]
        if not all(values.values()):
            continue
        if methods:
            values["overrides"] = [
                text
                for text in request.overrides
                if any(fnmatchcase(name, text.partition(".")[0]) for name in values["methods"])
            ]
        requests.append(request.model_copy(update=values))
    return [outline_of(request, unchecked=True) for request in requests] if methods or datasets else list(outlines)


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
    return {_COUNTERPARTS[name]: name for name in dict.fromkeys(datasets) if name in _COUNTERPARTS}


def _synthetic(datasets: Sequence[str]) -> list[str]:
    """The synthetic counterparts of datasets, each once; a synthetic dataset stays as it is."""
    unknown = [name for name in datasets if name not in _COUNTERPARTS and not name.startswith("spectrum")]
    if unknown:
        raise UsageError(f"{unknown[0]!r} has no synthetic counterpart. Known: {', '.join(_COUNTERPARTS)}.")
    return list(dict.fromkeys(_COUNTERPARTS.get(name, name) for name in datasets))
