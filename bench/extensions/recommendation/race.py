"""The race: candidates are trained on every fold, and those that are shown to be worse leave after each repetition.

In a repetition, four folds of the labelled images are held out in turn, so that every method scores every image once.
Methods are compared by the paired test of the leaderboard, on the same images and trainings. The best method is dropped
with a probability of at most `ERROR_RATE` in the whole race: each test has the level `ERROR_RATE / (repetitions *
opponents)` (Bonferroni). All intervals have this level, so no interval contradicts a decision.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench._util.words import counted
from bench.analysis import BASELINE, MeanTest
from bench.errors import RunTimeoutError
from bench.extensions.recommendation.fold_comparison import fold_tests
from bench.extensions.recommendation.folds import FOLDS, FoldPlan
from bench.extensions.recommendation.request import RecommendRequest
from bench.extensions.recommendation.result import ERROR_RATE, Recommendation, Standing, verdict_of
from bench.record import RunStatus
from bench.results import RACE, Shards
from bench.sweep import SweepLog, SweepRequest, carry_out, make_plan
from datasets_registry import EvalProtocol, held_out

Tables = Mapping[str, NDArray[np.float64]]
"""By method, whether each image is classified correctly, `(repeats, images)`; a row is NaN after a method left."""


class Race:
    """Carries out the trainings of one race, and decides after each repetition which methods go on.

    Args:
        say: receives one line for every decision.

    Attributes:
        correct: by method, whether each image is classified correctly, `(repeats, images)`; NaN where it was not
            scored.
        fold_of: the fold in which each image is held out, `(repeats, images)`; 0 where no training has scored it.
        own_seconds: by method, of preparation and training, one value per training.
        seconds: the same with the shared features that the training needs; None where that is unknown.
    """

    def __init__(
        self,
        request: RecommendRequest,
        plan: FoldPlan,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.request, self.plan, self.say, self._clock = request, plan, say, clock
        self._begin = clock()
        self.left = list(request.sweep.methods)
        self.untried: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self._level = ERROR_RATE / (len(plan.folds) // FOLDS) / max(len(self.left) - 1, 1)
        """Probability with which one end of an interval errs."""
        self.correct: dict[str, NDArray[np.float64]] = {}
        self.fold_of = np.zeros((len(request.repeats), len(plan.images)), dtype=np.int64)
        self.own_seconds: dict[str, list[float]] = {}
        self.seconds: dict[str, list[float | None]] = {}
        self._column = {key: place for place, key in enumerate(plan.images)}

    @property
    def remaining(self) -> float:
        """Remaining seconds of the budget."""
        return self.request.budget - (self._clock() - self._begin)

    def run(self) -> Recommendation | None:
        """Carry out the race; None if the budget does not cover two folds of any method."""
        complete, why = 0, "all planned repetitions are done"
        for fold in self.plan.folds:
            if not self._train_fold(fold, complete):
                why = "the budget is used up"
                break
            complete += 1
            if complete % FOLDS == 0 and (decided := self._look(complete)):
                why = decided
                break
        return self._result(complete, why) if complete > 1 and self.left else None

    def _train_fold(self, fold: held_out.Fold, complete: int) -> bool:
        """Train all methods that are left on a fold; False if the time does not do. A repetition is begun whole."""
        if not complete:
            self._first_fold(fold)
            return bool(self.left)
        needed = sum(map(self._cost, self.left)) * (1 if complete % FOLDS else FOLDS)
        return needed <= self.remaining and not self._train(self.left, fold, self.remaining) and bool(self.left)

    def _first_fold(self, fold: held_out.Fold) -> None:
        """Train each method once, and keep those for which there is time for a whole repetition, the cheapest first.

        A training may take a quarter of the remaining time; that of zero-shot may take all of it, because it encodes
        the images for all methods.
        """
        for name in sorted(self.left, key=_length):
            remaining = self.remaining
            if remaining <= 0:
                self.untried[name] = "the budget was used up before"
            elif self._train([name], fold, remaining if name == BASELINE else remaining / FOLDS):
                self.untried[name] = "a training takes longer than a quarter of the time that was left"
        spare = self.remaining
        for name in sorted((name for name in self.left if name not in self.untried), key=self._cost):
            spare -= (FOLDS - 1) * self._cost(name)
            if spare < 0:
                self.untried[name] = f"{FOLDS} trainings take {FOLDS * self._cost(name):.0f} s"
        self.left = [name for name in self.left if name not in self.untried]

    def _train(self, methods: Sequence[str], fold: held_out.Fold, limit: float) -> list[str]:
        """Train methods on a fold; finished trainings are not repeated. Returns those that exceeded the time limit."""
        request = race_request(self.request.sweep, methods, fold, self.plan.shots)
        request = request.model_copy(update={"timeout": max(limit, 1.0)})
        plan = replace(make_plan(request, SweepLog()), difficulties=())  # a difficulty is measured on test images
        if carry_out(plan, SweepLog()).summary.interrupted:
            raise KeyboardInterrupt
        shards, too_slow = Shards(request.runs), []
        for spec in plan.specs:
            shard = shards.read(spec.run_id)
            error = None if shard is None else shard.record.error
            if shard is None or (error is not None and error.kind == RunTimeoutError.__name__):
                too_slow.append(spec.method)
                continue
            if shard.record.status is RunStatus.FAILED:
                self.failed[spec.method] = " ".join((error.message if error else "failed").split())
                self._leave(spec.method, f"it failed: {self.failed[spec.method].rstrip('.')}")
                continue
            cost = shard.record.cost
            (predictions,) = shard.predictions
            self.score(
                spec.method,
                fold,
                predictions.images,
                predictions.label == predictions.predicted,
                0.0 if cost is None else cost.prepare_seconds + cost.train_seconds,
                0.0 if cost is None else cost.learning_seconds,
            )
        return too_slow

    def score(
        self,
        method: str,
        fold: held_out.Fold,
        images: Sequence[str],
        correct: NDArray[np.bool_],
        own_seconds: float,
        seconds: float | None = None,
    ) -> None:
        """Add one training: whether it classifies each image of the held-out fold correctly, and its seconds."""
        row, columns = self.request.repeats.index(fold.repeat), [self._column[key] for key in images]
        self.correct.setdefault(method, np.full(self.fold_of.shape, np.nan))[row, columns] = correct
        self.fold_of[row, columns] = fold.index
        self.own_seconds.setdefault(method, []).append(own_seconds)
        self.seconds.setdefault(method, []).append(seconds)

    def _cost(self, method: str) -> float:
        """Median of the own seconds of a training."""
        return float(np.median(self.own_seconds[method]))

    def _look(self, complete: int) -> str | None:
        """Drop the methods that are shown to be worse by more than the margin; why the race ends, if it does."""
        leader, tests = self._against_leader(complete, self.left)
        margin = self.request.margin
        for name, test in tests.items():
            if test.low is not None and test.low >= margin and name != BASELINE:  # zero-shot costs nothing
                points = f"{100 * test.mean:.1f} points below {leader}"
                self._leave(name, f"it is more than {100 * margin:g} points worse ({points})")
        undecided = [test for test in tests.values() if not _decided(test, margin, test.standard_error)]
        if not undecided:
            return "every other method is shown to be worse, or equal within the margin"
        if complete > FOLDS and not any(_decided(test, margin, test.image_error) for test in undecided):
            return "more repetitions cannot separate the remaining methods, but more labels could"
        return None

    def _tables(self, complete: int, methods: Sequence[str]) -> tuple[Tables, NDArray[np.int64], NDArray[np.bool_]]:
        """Tables of the whole repetitions, or of the complete folds of the first one; folds; which images they have."""
        rows, scored = max(1, complete // FOLDS), self.fold_of[0] > 0
        if complete < FOLDS:
            scored = scored & (self.fold_of[0] <= complete)
        tables = {name: self.correct[name][:rows, scored] for name in methods}
        return tables, self.fold_of[:rows, scored], scored

    def _against_leader(self, complete: int, methods: Sequence[str]) -> tuple[str, dict[str, MeanTest]]:
        """The best of the methods that are left, and its accuracy minus that of each method, nearest first."""
        tables, folds, scored = self._tables(complete, methods)
        groups = None if self.plan.groups is None else self.plan.groups[scored]
        leader = max(self.left, key=lambda name: float(tables[name].mean()))
        differences = {name: tables[leader] - table for name, table in tables.items() if name != leader}
        tests = fold_tests(list(differences.values()), folds, groups, level=1 - 2 * self._level)
        below = dict(zip(differences, tests, strict=True))
        return leader, dict(sorted(below.items(), key=lambda item: item[1].mean))

    def _leave(self, method: str, reason: str) -> None:
        self.left = [name for name in self.left if name != method]
        self.say(f"{method} is out, {reason}; {counted(len(self.left), 'method')} left")

    def _result(self, complete: int, why: str) -> Recommendation:
        margin = self.request.margin
        compared = [name for name in self.correct if name not in self.untried and name not in self.failed]
        leader, tests = self._against_leader(complete, compared)
        close = [name for name in self.left if name == leader or tests[name].mean <= margin]
        pick = min(close, key=self._cost)
        tables, folds, scored = self._tables(complete, self.left)
        groups = None if self.plan.groups is None else self.plan.groups[scored]
        level = 1 - ERROR_RATE / len(compared)
        accuracies = fold_tests(list(tables.values()), folds, groups, added=2.0, level=level)
        accuracy = dict(zip(tables, accuracies, strict=True))[pick].within(0.0, 1.0)
        standings = []
        for name, test in [(leader, None), *tests.items()]:
            seconds = self.seconds[name]
            median = None if None in seconds else float(np.median(np.array(seconds, dtype=float)))
            bounded = None if test is None else test.within()
            standings.append(Standing(name, bounded, verdict_of(test, margin), len(seconds), median))
        return Recommendation(
            self.request,
            self.plan,
            pick,
            accuracy,
            tuple(standings),
            int(scored.sum()),
            self.untried,
            self.failed,
            why,
            self._clock() - self._begin,
        )


def _decided(test: MeanTest, margin: float, error: float | None) -> bool:
    """Whether an interval with this standard error would lie above the margin, or below it."""
    if test.high is None or test.standard_error is None or error is None:
        return False
    reach = (test.high - test.mean) * error / test.standard_error
    return test.mean - reach >= margin or test.mean + reach <= margin


def _length(method: str) -> tuple[int, float, str]:
    """Sort key before anything is measured: zero-shot, methods without training, others by their published length."""
    from methods import get_method  # imports torch, which a refusal does not need

    if method == BASELINE:
        return -1, 0.0, method
    recipe = get_method(method).info.recipe_for(EvalProtocol.FEW_SHOT)
    return (0, 0.0, method) if recipe is None else (1, recipe.steps or recipe.epochs, method)


def race_request(sweep: SweepRequest, methods: Sequence[str], fold: held_out.Fold, shots: int) -> SweepRequest:
    """The sweep of methods on a fold, in the race's folder."""
    changes = {"methods": list(methods), "shots": [shots], "seeds": [fold.repeat], "folds": [str(fold)]}
    return sweep.model_copy(update=changes | {"runs": sweep.runs / RACE})
