"""The complete answer of `recommend` as JSON and as text: decision, race, prior knowledge, learning curve."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from bench._util.html_tables import html_table
from bench._util.words import counted
from bench.analysis import MeanTest
from bench.extensions.recommendation.answer import Decision, Doubling, RemainingMethod
from bench.extensions.recommendation.elimination import ERROR_RATE
from bench.extensions.recommendation.folds import FoldPlan
from bench.extensions.recommendation.prior import Prior
from bench.extensions.recommendation.race import RaceResult
from bench.extensions.recommendation.request import RecommendRequest, whole_minutes
from bench.sweep import SweepRequest
from datasets_registry import has_imported_features

_MOST_NAMED = 4
"""Largest number of methods that a sentence lists."""


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
        changes = {"methods": [self.pick], "seeds": [1, 2, 3], "keep_models": "best"}
        return self.request.sweep.model_copy(update=changes)

    @property
    def keeps_model(self) -> bool:
        """Whether the tuned model can be kept; imported features have no image tower for `etl-bench predict`."""
        return not has_imported_features(self.request.sweep.backbones[0])

    @property
    def commands(self) -> list[str]:
        """The commands that train and keep the model, and that predict with it; only the first without a model."""
        sweep = self.request.sweep
        options = ["-m", self.pick, "-d", self.request.dataset, "-b", sweep.backbones[0], "--protocol", "few-shot"]
        options += ["--shots", str(self.request.shots)]
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
            "group": [standing.method for standing in decision.standings],
            "accuracy": _interval(decision.accuracy) | {"optimism_taken_off": decision.optimism},
            "dataset": self.request.dataset,
            "backbone": self.request.sweep.backbones[0],
            "shots": self.request.shots,
            "trained_shots": self.plan.shots,
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
        table = html_table("Methods that are left", self.rows())
        return "".join([_paragraph(answer), table, *map(_paragraph, rest)])

    def lines(self) -> list[str]:
        """The answer as text: the method first, then the evidence."""
        heading = "Commands that train it, keep the model, and predict:"
        if not self.keeps_model:
            heading = "Command that trains it (no model is kept, since imported features have no image tower):"
        return [*self._answer(), "", *self._evidence(), "", *self._prior(), "", heading, *self._next_steps()]

    def rows(self) -> list[dict[str, object]]:
        """A table of the remaining methods, with accuracies in per cent and differences in points."""
        rows: list[dict[str, object]] = []
        for item in self.decision.standings:
            test = item.below_leader
            rows.append(
                {
                    "method": item.method,
                    "accuracy": f"{100 * item.accuracy:.2f}",
                    "images": self.race.outcomes.images_scored(item.method),
                    "below the best": "" if test is None else f"{100 * test.mean:.2f}",
                    "95 % interval": "" if test is None else _points(test),
                    "s per training": f"{self.race.outcomes.seconds(item.method):.2f}",
                    "labels to settle": "" if test is None else _labels(item),
                }
            )
        return rows

    def _standing(self, item: RemainingMethod) -> dict[str, Any]:
        return {
            "method": item.method,
            "accuracy": item.accuracy,
            "images_scored": self.race.outcomes.images_scored(item.method),
            "below_leader": None if item.below_leader is None else _interval(item.below_leader),
            "seconds": self.race.outcomes.seconds(item.method),
            "labels_to_settle": item.labels,
            "repeats_to_settle": item.repeats,
        }

    def _answer(self) -> list[str]:
        decision, accuracy = self.decision, self.decision.accuracy
        interval = ""
        if accuracy.low is not None and accuracy.high is not None:
            interval = f" (95 % interval {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"
        images = counted(self.race.outcomes.images_scored(self.pick), "labelled image")
        lines = [f"Take {self.pick}: {100 * accuracy.mean:.1f} % expected on unseen images{interval}, from {images}."]
        if untried := list(self.race.untried):
            verb = "was" if len(untried) == 1 else "were"
            lines.append(
                f"{counted(len(untried), 'method')} {verb} not tried for lack of time: {_listed(untried)}. Repeat the "
                f"command with --budget {whole_minutes(self.race.needed)} (an estimate); finished runs are kept."
            )
        rest = [item.method for item in decision.standings if item.method != self.pick]
        if not rest:
            worse = sum(item.below_leader is not None for item in self.race.dropped)
            shown = f"The race shows {counted(worse, 'other method')} to be more than {self._margin} worse."
            lines.append(shown if worse else "It was compared with no other method.")
            return lines
        lines.append(
            f"With these labels it does not differ significantly from {_listed(rest)}. Of the methods that were "
            f"trained to the end, it is the cheapest that was at most {self._margin} below the best."
        )
        return lines

    def _evidence(self) -> list[str]:
        race, plan = self.race, self.plan
        share = f", {100 * race.share:.0f} % of the full grid's cost" if race.share else ""
        lines = [
            f"Race: {counted(race.trainings, 'run')} on {plan.images} labelled images of {plan.classes} classes "
            f"in {race.seconds:.0f} s{share}. It ended because {race.why}."
        ]
        if plan.shots < plan.wanted:
            lines.append(
                f"Each run had {plan.shots} images per class instead of {plan.wanted}, since the others are held out. "
                f"With {plan.wanted} the accuracy is probably slightly higher."
            )
        for item in race.dropped:
            test = item.below_leader
            reason = item.reason if test is None else f"{100 * test.mean:.1f} points below {item.leader}"
            after = f" after {counted(item.trainings, 'run')}" if item.trainings else ""
            lines.append(f"Out: {item.method}, {reason}{after}.")
        lines += [f"Not tried: {name}, {reason}." for name, reason in race.untried.items()]
        tried = len(self.request.sweep.methods) - len(race.untried)
        if tried > 1:
            lines.append(
                f"The chance that the race dropped the best of the {tried} methods that were tried is at most "
                f"{100 * ERROR_RATE:.0f} %."
            )
        lines.append(f"{100 * self.decision.optimism:.1f} points were subtracted for choosing the winner.")
        if self.doubling is not None:
            gain = self.doubling.gain
            lines.append(
                f"Twice the labels ({2 * self.plan.shots} per class) would add about {100 * gain.mean:+.1f} points"
                f"{f' ({_points(gain)})' if _known(gain) else ''}, if the error keeps falling at this rate."
            )
        else:
            lines.append(f"The gain from twice the labels is unknown: {self.no_doubling}.")
        return lines

    def _prior(self) -> list[str]:
        if not self.priors:
            return ["Without a race: no published or own results fit this backbone and number of shots."]
        lines = []
        for prior in self.priors:
            regrets, policy = prior.choice.regrets, prior.choice.policy
            lost = ", ".join(f"{name} {100 * regret.mean:.2f}" for name, regret in regrets.items())
            lines.append(
                f"Without a race: {prior.pick}, chosen by {policy} from {prior.source} ({len(prior.known.methods)} "
                f"methods, {len(prior.known.datasets)} datasets). Points that each rule loses on held-out datasets: "
                f"{lost or 'unknown'}."
            )
        return lines

    def _next_steps(self) -> Sequence[str]:
        return [f"  {command}" for command in self.commands]

    @property
    def _margin(self) -> str:
        return f"{100 * self.request.margin:g} points"


def _paragraph(text: str) -> str:
    return f"<p>{'<br>'.join(map(escape, text.splitlines()))}</p>"


def _interval(test: MeanTest) -> dict[str, Any]:
    return {"mean": test.mean, "low": test.low, "high": test.high}


def _known(test: MeanTest) -> bool:
    return test.low is not None and test.high is not None


def _points(test: MeanTest) -> str:
    return "" if test.low is None or test.high is None else f"{100 * test.low:+.2f} to {100 * test.high:+.2f}"


def _labels(item: RemainingMethod) -> str:
    return "over 10,000" if item.labels is None else f"{item.labels:,}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED:
        return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
