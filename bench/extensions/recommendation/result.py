"""The complete answer of `recommend` as JSON and as text: decision, race, prior knowledge, learning curve."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from bench._util.html_tables import html_table
from bench.analysis import MeanTest, percent, score_texts
from bench.extensions.recommendation.answer import Decision, Doubling, RemainingMethod
from bench.extensions.recommendation.elimination import ERROR_RATE
from bench.extensions.recommendation.folds import FoldPlan
from bench.extensions.recommendation.prior import Prior
from bench.extensions.recommendation.race import RaceResult
from bench.extensions.recommendation.request import FinalTraining, RecommendRequest
from bench.spec import ALL_SHOTS, shots_value
from bench.sweep import SweepRequest
from datasets_registry import has_imported_features


@dataclass(frozen=True)
class Recommendation:
    """The recommended method, its expected accuracy, and the evidence.

    Args:
        doubling: the gain from twice the labels; if None, `no_doubling` has the reason.
    """

    request: RecommendRequest
    plan: FoldPlan
    race: RaceResult
    decision: Decision
    priors: tuple[Prior, ...]
    doubling: Doubling | None
    no_doubling: str

    @property
    def pick(self) -> str:
        """The recommended method."""
        return self.decision.pick

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
    def commands(self) -> list[str]:
        """The commands that train and keep the model, and that predict with it; only the first without a model."""
        sweep = self.request.sweep
        options = ["-m", self.pick, "-d", self.request.dataset, "-b", sweep.backbones[0], "--protocol", "few-shot"]
        options += ["--shots", str(shots_value(self.training_request.shots[0]))]
        options += ["--recipe", str(sweep.recipe)] if "recipe" in sweep.model_fields_set else []
        options += ["--data-root", str(sweep.data_root)] if sweep.data_root else []
        options += [part for text in sweep.overrides for part in ("--set", text)]
        options += ["--allow-fewer"] if sweep.allow_fewer else []
        options += ["--keep-models", "best"] if self.keeps_model else []
        options += ["--runs", str(sweep.runs)]
        train = shlex.join(["etl-bench", "run", *options])
        if not self.keeps_model:
            return [train]
        predict = ["etl-bench", "predict", self.request.dataset, "new_images/", "--out", "predictions.csv"]
        predict += ["--runs", str(sweep.runs)] if sweep.runs != Path("runs") else []
        return [train, shlex.join(predict)]

    def to_json(self) -> dict[str, Any]:
        """All numbers as plain values; accuracies and differences are fractions."""
        race, decision = self.race, self.decision
        return {
            "pick": self.pick,
            "accuracy": _interval(decision.accuracy) | {"optimism_taken_off": decision.optimism},
            "dataset": self.request.dataset,
            "backbone": self.request.sweep.backbones[0],
            "shots": self.request.shots,
            "trained_shots": self.plan.shots,
            "final": self.request.final.value,
            "final_images": self.final_images,
            "training_images": self.plan.training_images,
            "labelled_images": self.plan.images,
            "margin": self.request.margin,
            "untried": dict(race.untried),
            "images_scored": race.outcomes.images_scored(self.pick),
            "standings": [self._standing(standing) for standing in decision.standings],
            "dropped": [
                {
                    "method": item.method,
                    "reason": item.reason,
                    "leader": item.leader,
                    "below_leader": None if item.below_leader is None else _interval(item.below_leader),
                    "trainings": item.trainings,
                }
                for item in race.dropped
            ],
            "doubling": None
            if self.doubling is None
            else {"gain": _interval(self.doubling.gain), "errors": self.doubling.errors},
            "no_doubling": self.no_doubling or None,
            "priors": [
                {
                    "source": prior.source,
                    "methods": len(prior.known.methods),
                    "datasets": len(prior.known.datasets),
                    "policy": str(prior.choice.policy),
                    "pick": prior.pick,
                    "regret": {
                        str(policy): {"mean": regret.mean, "worst": regret.worst}
                        for policy, regret in prior.choice.regrets.items()
                    },
                }
                for prior in self.priors
            ],
            "race": {
                "ended": race.why,
                "seconds": race.seconds,
                "budget_seconds": self.request.budget,
                "needed_seconds": race.needed,
                "trainings": race.trainings,
                "share_of_full_grid": race.share,
                "error_rate": ERROR_RATE,
            },
            "commands": self.commands,
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        answer, *rest = str(self).split("\n\n")
        table = html_table("Methods of the race", self.rows())
        return "".join([_paragraph(answer), table, *map(_paragraph, rest)])

    def lines(self) -> list[str]:
        """The answer as text: the method first, then the evidence."""
        from bench.extensions.recommendation import sentences as say

        steps = [*say.heading(self), *(f"  {command}" for command in self.commands)]
        return [*say.answer(self), "", *say.evidence(self), "", *say.prior(self), "", *steps]

    def rows(self) -> list[dict[str, object]]:
        """A table of the methods that were compared, with accuracies in per cent and differences in points."""
        left = [(item.method, item.below_leader, item.verdict.value, item.labels) for item in self.decision.standings]
        out = [(item.method, item.below_leader, f"over {self.margin_text} worse", None) for item in self.race.dropped]
        return [self._row(*item) for item in left] + [self._row(*item) for item in out if item[1] is not None]

    def _row(self, method: str, test: MeanTest | None, verdict: str, labels: int | None) -> dict[str, object]:
        outcomes = self.race.outcomes
        taken = outcomes.learning_seconds(method)
        return {
            "method": method,
            "accuracy": percent(float(np.nanmean(outcomes.tables([method])[method]))),
            "images": outcomes.images_scored(method),
            "below the best on them": "" if test is None else score_texts.decimal(100 * test.mean, 1),
            "95 % interval": "" if test is None else score_texts.points_interval(test.low, test.high),
            "verdict": verdict,
            "training": "unknown" if taken is None else score_texts.seconds(taken),
            "labels to settle": "" if labels is None else f"{labels:,}",
        }

    @property
    def margin_text(self) -> str:
        """The margin in points, in words."""
        return f"{100 * self.request.margin:g} points"

    def _standing(self, item: RemainingMethod) -> dict[str, Any]:
        return {
            "method": item.method,
            "accuracy": item.accuracy,
            "images_scored": self.race.outcomes.images_scored(item.method),
            "trainings": self.race.outcomes.trainings(item.method),
            "below_leader": None if item.below_leader is None else _interval(item.below_leader),
            "verdict": item.verdict.value,
            "seconds": self.race.outcomes.learning_seconds(item.method),
            "own_seconds": self.race.outcomes.seconds(item.method),
            "labels_to_settle": item.labels,
        }


def _paragraph(text: str) -> str:
    return f"<p>{'<br>'.join(map(escape, text.splitlines()))}</p>"


def _interval(test: MeanTest) -> dict[str, Any]:
    return {"mean": test.mean, "low": test.low, "high": test.high}
