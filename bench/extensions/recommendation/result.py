"""The answer of `recommend` as text and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any

from bench import score_texts
from bench._util.words import counted
from bench.analysis import BASELINE, MeanTest
from bench.extensions.recommendation.folds import FoldPlan
from bench.extensions.recommendation.request import FinalTraining, RecommendRequest
from bench.spec import ALL_SHOTS, shots_value
from bench.sweep import SweepRequest
from bench.table import Table
from datasets_registry import has_imported_features, some

ERROR_RATE = 0.05
"""Largest probability with which a race drops the best method."""


class RaceVerdict(StrEnum):
    """What a race says of a method beside the leader."""

    LEADER = "highest"
    WORSE = "worse"
    EQUAL = "equal within the margin"
    OPEN = "not shown to be worse"


@dataclass(frozen=True)
class Standing:
    """A method at the end of a race.

    Args:
        below_leader: the leader's accuracy minus its own, on the same images and in the repetitions that both were
            trained in, with an interval that allows for all methods and repetitions; None for the leader.
        seconds: median of a training with the shared features that it needs; None if it is unknown.
    """

    method: str
    below_leader: MeanTest | None
    verdict: RaceVerdict
    trainings: int
    seconds: float | None


@dataclass(frozen=True)
class Recommendation:
    """The recommended method, its accuracy on held-out images, and the race that it is based on.

    Args:
        pick: the cheapest method that was not dropped and whose observed loss against the leader is within the margin.
        accuracy: of the pick on held-out images, with a 95 % interval that allows for the choice among the methods.
        standings: all compared methods, the leader first. All are compared on the same `images` images.
        untried: methods for which there was no time, with the reason; nothing is known against them.
        failed: methods of which a training failed, with the error.
        why: why the race ended, in words.
        seconds: wall clock of the race.
    """

    request: RecommendRequest
    plan: FoldPlan
    pick: str
    accuracy: MeanTest
    standings: tuple[Standing, ...]
    images: int
    untried: Mapping[str, str]
    failed: Mapping[str, str]
    why: str
    seconds: float

    @property
    def leader(self) -> str:
        """The method with the highest accuracy."""
        return self.standings[0].method

    @property
    def trainings(self) -> int:
        """Number of trainings of the compared methods."""
        return sum(standing.trainings for standing in self.standings)

    @property
    def training_request(self) -> SweepRequest:
        """The sweep that trains the recommended method with three seeds and keeps the best model."""
        changes: dict[str, Any] = {"methods": [self.pick], "seeds": [1, 2, 3], "keep_models": "best"}
        if self.request.final is FinalTraining.ALL:
            changes["shots"] = [ALL_SHOTS]
        return self.request.sweep.model_copy(update=changes)

    @property
    def final_images(self) -> int:
        """Number of labelled images on which the recommended method is trained in the end."""
        return self.plan.training_images if self.request.final is FinalTraining.ALL else self.plan.drawn

    @property
    def keeps_model(self) -> bool:
        """Whether the tuned model can be kept; imported features have no image tower for `etl-bench predict`."""
        return not has_imported_features(self.request.sweep.backbones[0])

    @property
    def command(self) -> str:
        """The command that trains the method, and keeps the model if that can be."""
        sweep = self.request.sweep
        options = ["-m", self.pick, "-d", self.request.dataset, "-b", sweep.backbones[0], "--protocol", "few-shot"]
        options += ["--shots", str(shots_value(self.training_request.shots[0]))]
        options += ["--recipe", str(sweep.recipe)] if "recipe" in sweep.model_fields_set else []
        options += ["--data-root", str(sweep.data_root)] if sweep.data_root else []
        options += [part for text in sweep.overrides for part in ("--set", text)]
        options += ["--allow-fewer"] if sweep.allow_fewer else []
        options += ["--keep-models", "best"] if self.keeps_model else []
        options += ["--runs", str(sweep.runs)]
        return shlex.join(["etl-bench", "run", *options])

    def to_json(self) -> dict[str, Any]:
        """All numbers as plain values; accuracies and differences are fractions."""
        return {
            "pick": self.pick,
            "accuracy": _interval(self.accuracy),
            "chance": 1 / self.plan.classes,
            "dataset": self.request.dataset,
            "backbone": self.request.sweep.backbones[0],
            "shots": self.request.shots,
            "trained_shots": self.plan.shots,
            "final": self.request.final.value,
            "final_images": self.final_images,
            "training_images": self.plan.training_images,
            "labelled_images": len(self.plan.images),
            "images_scored": self.images,
            "margin": self.request.margin,
            "standings": [
                {
                    "method": standing.method,
                    "below_leader": None if standing.below_leader is None else _interval(standing.below_leader),
                    "verdict": standing.verdict.value,
                    "trainings": standing.trainings,
                    "seconds": standing.seconds,
                }
                for standing in self.standings
            ],
            "untried": dict(self.untried),
            "failed": dict(self.failed),
            "race": {
                "ended": self.why,
                "seconds": self.seconds,
                "budget_seconds": self.request.budget,
                "trainings": self.trainings,
                "error_rate": ERROR_RATE,
            },
            "commands": [self.command],
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        paragraphs = [f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in str(self).split("\n\n")]
        return "".join([paragraphs[0], Table(self.rows(), title="Methods of the race").html(), *paragraphs[1:]])

    def lines(self) -> list[str]:
        """The answer as text: the method first, then how the race went and what to do next."""
        used, available = self.final_images, self.plan.training_images
        heading = []
        if used < available and self.pick != BASELINE:
            heading.append(f"{used} of {available} labelled images are used; --final all trains on all.")
        if self.keeps_model:
            heading.append("Command that trains it and keeps the model:")
        else:
            heading.append("Command that trains it (no model is kept, since imported features have no image tower):")
        return [*self._answer(), "", *self._course(), "", *heading, f"  {self.command}"]

    def rows(self) -> list[dict[str, object]]:
        """A table of the methods that were compared on the same images, with differences in points."""
        return [
            {
                "method": standing.method,
                "below the best": "" if test is None else score_texts.decimal(100 * test.mean, 1),
                "95 % interval": "" if test is None else score_texts.points_interval(test.low, test.high),
                "verdict": standing.verdict.value,
                "trainings": standing.trainings,
                "training": "unknown" if standing.seconds is None else score_texts.seconds(standing.seconds),
            }
            for standing in self.standings
            for test in [standing.below_leader]
        ]

    def _answer(self) -> Iterator[str]:
        accuracy = self.accuracy
        choice = f", which allows for the choice among {n} methods" if (n := len(self.standings)) > 1 else ""
        ends = (
            ""
            if accuracy.low is None
            else f" (95 % interval {_percent(accuracy.low)} to {_percent(accuracy.high)}{choice})"
        )
        yield (
            f"Take {self.pick}: it is right on {_percent(accuracy.mean)} % of {self.images} held-out labelled "
            f"images{ends}; chance is {_percent(1 / self.plan.classes)} %."
        )
        if self.pick != self.leader:
            margin = f"{100 * self.request.margin:g} points"
            yield f"It is the cheapest method that is at most {margin} below {self.leader}, the best one."
        if len(self.standings) == 1:
            yield "It was compared with no other method."
        elif self.leader == BASELINE:
            yield "It is not shown that adapting pays: no method had a higher accuracy than zero-shot CLIP."
        for standing in self.standings:
            if standing.method == BASELINE and (test := standing.below_leader) is not None:
                finding = (
                    "Adapting pays" if test.low is not None and test.low > 0 else "It is not shown that adapting pays"
                )
                points = f"{100 * test.mean:.1f} points ({score_texts.points_interval(test.low, test.high)})"
                yield f"{finding}: zero-shot CLIP is {points} below {self.leader}."
        if self.untried:
            yield (
                f"Not tried for lack of time: {some(list(self.untried))}. Repeat the command with a larger --budget; "
                "finished trainings are kept."
            )

    def _course(self) -> Iterator[str]:
        plan = self.plan
        yield (
            f"The race made {counted(self.trainings, 'training')} with {counted(plan.shots, 'image')} of each class "
            f"in {self.seconds:.0f} s. It ended because {self.why}."
        )
        if plan.shots < self.request.shots:
            yield f"Trainings have {plan.shots} instead of {self.request.shots} images, since the others are held out."
        for method, error in self.failed.items():
            yield f"{method} failed: {error}"
        if len(self.standings) > 1:
            yield (
                f"Intervals allow for all {len(self.standings)} methods and for repeated comparisons: the chance that "
                f"the best method left the race is at most {100 * ERROR_RATE:.0f} %."
            )


def verdict_of(test: MeanTest | None, margin: float) -> RaceVerdict:
    """What the interval of a method's distance to the leader says.

    Example:
        >>> str(verdict_of(MeanTest(0.02, 3, 1, low=-0.01, high=0.05), margin=0.005))
        'not shown to be worse'
        >>> str(verdict_of(MeanTest(0.02, 3, 1, low=0.0003, high=0.04), margin=0.005))  # printed as 0.0
        'not shown to be worse'
    """
    if test is None:
        return RaceVerdict.LEADER
    if test.clear and test.mean > 0:
        return RaceVerdict.WORSE
    return RaceVerdict.EQUAL if test.high is not None and test.high <= margin else RaceVerdict.OPEN


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f}"


def _interval(test: MeanTest) -> dict[str, Any]:
    return {"mean": test.mean, "low": test.low, "high": test.high}
