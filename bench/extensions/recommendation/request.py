"""The request of `recommend`: dataset, backbone, candidates, and budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from bench.api import options as opt
from bench.errors import UsageError
from bench.sweep import DEMO_BACKBONE, SweepRequest, check_demo_backbone, parse_choice, parse_numbers, split_list
from datasets_registry import EvalProtocol, get_dataset

DEFAULT_BUDGET = "20min"
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h)?")
_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, None: 60.0, "h": 3600.0}


class FinalTraining(StrEnum):
    """The images on which the recommended method is trained in the end."""

    SHOTS = "shots"
    ALL = "all"


@dataclass(frozen=True)
class RecommendRequest:
    """A request for a recommended method on one dataset.

    Args:
        sweep: dataset, backbone, candidates, shots, and the options of `etl-bench run` for all runs of the race.
        budget: seconds that the race may take.
        margin: largest loss of accuracy that is considered irrelevant, as a fraction.
        repeats: repetitions of cross-fitting; each is also the seed of its draws.
        final: whether the recommended method is trained on that many shots in the end, or on all training images.
    """

    sweep: SweepRequest
    budget: float
    margin: float
    repeats: tuple[int, ...]
    final: FinalTraining = FinalTraining.SHOTS

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.sweep.datasets[0]

    @property
    def shots(self) -> int:
        """Number of images per class in every training of the race."""
        return self.sweep.shots[0]

    @property
    def runs(self) -> Path:
        """The runs folder; the race is in a folder inside."""
        return self.sweep.runs

    @classmethod
    def build(
        cls,
        dataset: Annotated[str, opt.Arg("A dataset, such as your own from `datasets add`.")],
        *,
        backbone: Annotated[
            str | None, opt.Opt("As arch.tag, or ARCH=FILE. Required for all but synthetic datasets.", "-b")
        ] = None,
        shots: Annotated[int, opt.Opt("Training images per class.", min=1)] = 8,
        budget: Annotated[
            str | float, opt.Opt("Time limit of the race: 20min, 90s or 2h; a plain number means minutes.")
        ] = DEFAULT_BUDGET,
        margin: Annotated[float, opt.Opt("Accuracy loss that does not matter, in percentage points.")] = 0.5,
        methods: Annotated[
            Sequence[str] | str,
            opt.Opt("Candidates beside zero-shot. Default: all methods that work on stored features.", "-m"),
        ] = (),
        seeds: Annotated[
            str | int, opt.Opt("Repetitions of cross-fitting, as a number or a list.", numbers=True)
        ] = "3",
        final: Annotated[
            str,
            opt.Opt("Train the recommended method in the end on: shots (as in --shots), or all (all training images)."),
        ] = FinalTraining.SHOTS.value,
        runs: opt.NewRuns = "runs",
        data_root: opt.DataRoot = None,
        cache: opt.Cache = None,
        device: opt.Device = "auto",
        jobs: opt.Jobs = 0,
        allow_fewer: opt.AllowFewer = False,
        recipe: Annotated[str | None, opt.Opt(field="recipe")] = None,
        overrides: Annotated[Sequence[str], opt.Opt(field="overrides")] = (),
        **options: Any,
    ) -> Self:
        """Validate the values; raises UsageError, or UnknownNameError for a dataset or method that does not exist.

        Args:
            shots: labelled images per class in every training of the race, and in the final one without `final="all"`.
            runs: the runs folder; the race's runs are in `race` inside.
            jobs: training on features is short, so by default it runs in this process.
            recipe: default: the published one; for the demo backbone `demo`.
            options: further options of `etl-bench run`.
        """
        from bench.analysis import BASELINE

        recipe = recipe or ("demo" if backbone in (None, DEMO_BACKBONE) else None)
        if len(split_list([dataset])) != 1:
            raise UsageError(f"{dataset!r} names several datasets; `recommend` takes one.")
        get_dataset(dataset)  # raises for an unknown name
        if backbone is None:
            check_demo_backbone([dataset], [], DEMO_BACKBONE)
        if not 0 < margin < 100:
            raise UsageError(f"--margin {margin} is not between 0 and 100 percentage points.")
        repeats = parse_numbers(str(seeds), "--seeds", lone_is_count=True)
        if min(repeats) < 1:
            raise UsageError(f"--seeds {seeds}: the repetitions are numbered from 1.")
        images = parse_choice(FinalTraining, final, "--final")
        candidates = split_list([methods] if isinstance(methods, str) else methods)
        sweep = SweepRequest.build(
            # zero-shot tells whether adapting pays
            methods=list(dict.fromkeys([*(candidates or feature_methods()), BASELINE])),
            datasets=[dataset],
            backbones=[backbone or DEMO_BACKBONE],
            protocol=EvalProtocol.FEW_SHOT,
            shots=[shots],
            seeds=repeats[:1],
            runs=Path(runs).expanduser(),
            data_root=data_root and Path(data_root).expanduser(),
            cache=cache and Path(cache).expanduser(),
            device=device,
            jobs=jobs,
            allow_fewer=allow_fewer,
            overrides=list(overrides),
            **({"recipe": recipe} if recipe else {}),
            **options,
        )
        if len(sweep.backbones) != 1:
            raise UsageError(f"-b {backbone} names several backbones; `recommend` takes one.")
        return cls(sweep, parse_budget(budget), margin / 100, tuple(dict.fromkeys(repeats)), images)


def parse_budget(budget: str | float) -> float:
    """Seconds of a budget; a number alone means minutes.

    Example:
        >>> parse_budget("20min"), parse_budget("90s"), parse_budget(2)
        (1200.0, 90.0, 120.0)
    """
    time = _BUDGET.fullmatch(str(budget).strip())
    if time is None or float(time[1]) == 0:
        raise UsageError(f"--budget {budget!r} is not a time; write minutes as 20min or 20, or 90s, or 2h.")
    return float(time[1]) * _SECONDS[time[2]]


def feature_methods() -> list[str]:
    """The methods that work on stored image features and frozen class texts, so that training takes seconds."""
    from bench.results import known_methods

    families = ("zero-shot", "classifier", "cache", "feature adapter")
    return [i.name for i in known_methods().infos() if i.needs == {"features"} and i.family in families]
