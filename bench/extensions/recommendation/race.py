"""The race: methods are trained fold by fold, cheap methods first, until one is left or the budget is used up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench._util.words import counted
from bench.analysis import BASELINE, MeanTest, grouped_seeds_needed
from bench.errors import RunTimeoutError, UsageError
from bench.extensions.recommendation.elimination import Look, going_on, look, planned_looks, planned_trainings
from bench.extensions.recommendation.folds import FoldPlan, RaceOutcomes
from bench.extensions.recommendation.request import RecommendRequest, whole_minutes
from bench.results import RACE, Shard, Shards
from bench.sweep import SweepLog, SweepRequest, carry_out, make_plan
from datasets_registry import EvalProtocol, held_out

TOO_LITTLE = 5.0
"""Smallest budget in seconds for a method whose cost is unknown: loading the weights alone takes as long."""
USUAL_SECONDS = 1.0
"""Of a run on stored features, to estimate a budget if no cost is known."""
SHORTEST_RUN = 0.5
"""Seconds that must be left for any run."""
NO_TIME = "the budget was used up before"
UNKNOWN_SHARE = 0.25
"""Share of the remaining budget that a method's first run may take, so that a slow method leaves time for others."""


@dataclass(frozen=True)
class Dropped:
    """A method that left the race.

    Args:
        below_leader: the leader's accuracy minus its own when it was dropped; None if it failed.
        reason: why it left, in words.
    """

    method: str
    leader: str | None
    below_leader: MeanTest | None
    trainings: int
    reason: str


@dataclass(frozen=True)
class RaceResult:
    """How a race ended.

    Args:
        left: methods that were tried and not dropped, cheapest first.
        untried: methods for which there was no time, with the reason; nothing is known against them.
        needed: a budget in seconds that would probably do for all candidates.
        last: the comparison of the methods of `left` at the end; None if fewer than two were scored.
        why: why the race ended, in words.
        seconds: wall clock of the race.
        share: the cost as a share of training every candidate on every fold; None if unknown.
    """

    outcomes: RaceOutcomes
    left: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    untried: Mapping[str, str]
    needed: float
    last: Look | None
    why: str
    seconds: float
    share: float | None
    trainings: int


class Race:
    """Carries out the runs of one race and decides after each look which methods stay.

    Args:
        costs: seconds of one run by method, from earlier runs; they determine the order of the methods.
        say: receives one line for every decision.
    """

    def __init__(
        self,
        request: RecommendRequest,
        plan: FoldPlan,
        outcomes: RaceOutcomes,
        costs: dict[str, float],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.request, self.plan, self.outcomes, self.say = request, plan, outcomes, say
        self._costs, self._clock = costs, clock
        self._begin = clock()
        self.left = list(request.sweep.methods)
        self.active = list(self.left)
        self.dropped: list[Dropped] = []
        self.untried: dict[str, str] = {}
        self.last: Look | None = None
        self._tests = 1

    def run(self) -> RaceResult:
        """Carry out the race. Raises UsageError before the first training if the budget does not cover one method.

        A race that ends between two planned looks makes a last one, which is counted among them.
        """
        self.check_budget()
        looks = planned_looks(self.plan.per_repeat, self.plan.repeats)
        self._tests = (len(looks) + 1) * max(len(self.left) - 1, 1)
        why, looked = "all planned runs are done", False
        for done, fold in enumerate(self.plan.folds, 1):
            finished, looked = self._train(fold), False
            if not finished or not self.active:
                why = "no method was left to train" if finished else "the budget is used up"
                break
            if done in looks:
                looked = True
                self._look()
                self._rest(done)
                if ended := self._reason_to_end(done):
                    why = ended
                    break
        if not looked:
            self._look()
        return self._result(why)

    def check_budget(self) -> None:
        """Raise UsageError if the budget is too small for the cheapest method on every fold of one repetition.

        A method without a known cost may be the cheapest; it needs at least `TOO_LITTLE`.
        """
        needed = min(
            self._costs[name] * self.plan.per_repeat if name in self._costs else TOO_LITTLE for name in self.left
        )
        if self.request.budget < needed:
            raise UsageError(
                f"--budget {self.request.budget:.0f}s is too small for one method: {self.plan.per_repeat} runs of "
                f"the cheapest take about {needed:.0f} s. Give at least {whole_minutes(needed)}."
            )

    @property
    def needed(self) -> float:
        """Estimated seconds for all candidates on one repetition, from known costs; the loading of weights included."""
        methods = self.request.sweep.methods
        known = [cost for name in methods if (cost := self.cost(name))]
        unknown = float(np.median(known)) if known else USUAL_SECONDS
        mean = sum(self.cost(name) or unknown for name in methods) / len(methods)
        return TOO_LITTLE + mean * planned_trainings(len(methods), self.plan.per_repeat)

    def train(self, method: str, fold: held_out.Fold, shots: int) -> str | None:
        """One additional run, for a learning curve. Returns its id; None if there is no time left or it failed."""
        return self._carry_out([method], fold, shots).get(method) if self._fits(method) else None

    @property
    def remaining(self) -> float:
        """Remaining seconds of the budget."""
        return self.request.budget - (self._clock() - self._begin)

    def cost(self, method: str) -> float:
        """Seconds of one run, measured in this race or in earlier runs; 0 if unknown."""
        return self.outcomes.seconds(method) or self._costs.get(method, 0.0)

    def _order(self, method: str) -> tuple[int, float, str]:
        """Sort key, cheap methods first: unknown ones without training, measured ones, others by published length.

        Zero-shot is the very first: its run encodes images that all methods need.
        """
        from methods import get_method  # imports torch, which a refusal does not need

        if method == BASELINE:
            return -1, 0.0, method
        if cost := self.cost(method):
            return 1, cost, method
        recipe = get_method(method).info.recipe_for(EvalProtocol.FEW_SHOT)
        return (0, 0.0, method) if recipe is None else (2, recipe.steps or recipe.epochs, method)

    def _train(self, fold: held_out.Fold) -> bool:
        """Train every remaining method on one fold, cheapest first; False if the budget ended it."""
        waiting = sorted(self.active, key=self._order)
        known = [name for name in waiting if self.outcomes.trainings(name)]
        if known == waiting and sum(map(self.cost, waiting)) < self.remaining / 2:
            self._count(self._carry_out(waiting, fold, self.plan.shots), fold)
            return True
        for name in waiting:
            if self._fits(name):
                self._count(self._carry_out([name], fold, self.plan.shots), fold)
            elif self.outcomes.trainings(name) or self.remaining <= 0:
                return False
            else:
                least = f"a run takes about {self.cost(name):.0f} s, and less was left"
                self._leave_untried(name, least if self.cost(name) > SHORTEST_RUN else NO_TIME)
        return True

    def _time_limit(self, methods: Sequence[str]) -> float:
        """Seconds that a run may take: the remaining budget, or a share of it for an unknown cost before others.

        Zero-shot has the whole budget, because the encoding of images serves all methods.
        """
        untried = [name for name in self.active if name != BASELINE and not self.outcomes.trainings(name)]
        alone = len(methods) == 1 and methods[0] in untried and not self.cost(methods[0]) and len(untried) > 1
        return self.remaining * UNKNOWN_SHARE if alone else self.remaining

    def _fits(self, method: str) -> bool:
        return self.remaining > max(self.cost(method), SHORTEST_RUN)

    def _carry_out(self, methods: Sequence[str], fold: held_out.Fold, shots: int) -> dict[str, str]:
        """Run methods on a fold and return the run ids by method. Finished runs are not repeated."""
        here = race_request(self.request.sweep, methods, [fold], shots)
        here = here.model_copy(update={"timeout": max(self._time_limit(methods), 1.0)})
        made = replace(make_plan(here, SweepLog()), difficulties=())  # a difficulty is measured on test images
        outcome = carry_out(made, here, SweepLog(), database=False)
        if outcome.summary.interrupted:
            raise KeyboardInterrupt
        return {spec.method: spec.run_id for spec in made.specs}

    def _count(self, run_ids: dict[str, str], fold: held_out.Fold) -> None:
        for method, shard in read_runs(self.request, run_ids):
            self.outcomes.add(method, fold, shard)
            if method not in self.outcomes.failed:
                continue
            if shard.record.error is not None and shard.record.error.kind == RunTimeoutError.__name__:
                self._leave_untried(method, "a run takes longer than the time that was left for it")
            else:
                reason = f"it failed: {self.outcomes.failed[method].rstrip('.')}"
                self._drop(Dropped(method, None, None, self.outcomes.trainings(method), reason))

    def _look(self) -> None:
        """Compare the methods that are left, on what they have scored, and drop those that are shown to be worse."""
        tables = self.outcomes.tables(self.left)
        self.last = None
        if len(tables) < 2:
            return
        margin, active = self.request.margin, [name for name in self.active if name in tables]
        folds, groups = self.outcomes.folds, self.outcomes.groups
        self.last = found = look(tables, folds, margin=margin, tests=self._tests, active=active, groups=groups)
        for name in found.dropped:
            test = found.below_leader[name]
            reason = f"more than {100 * margin:g} points worse than {found.leader}"
            self._drop(Dropped(name, found.leader, test, self.outcomes.trainings(name), reason))

    def _rest(self, done: int) -> None:
        """Stop methods that are far behind after a fold of the first repetition; zero-shot is free and goes on."""
        if self.last is None or done > self.plan.per_repeat:
            return
        by_cost = sorted(self.active, key=lambda name: (self.cost(name), name))
        entered = len(self.request.sweep.methods)
        goes_on = going_on(self.last, by_cost, margin=self.request.margin, methods=entered, folds=done)
        if behind := [name for name in self.active if name not in (*goes_on, BASELINE)]:
            self.active = [name for name in self.active if name not in behind]
            self.say(f"after {done} folds {self.last.leader} leads; stopped early: {', '.join(behind)}")

    def _leave_untried(self, method: str, reason: str) -> None:
        """Leave a method out for lack of time, unless it has finished runs: then no time is left for any method."""
        if not self.outcomes.trainings(method):
            self.left.remove(method)
            self.active.remove(method)
            self.untried[method] = reason
            self.say(f"{method} is not tried: {reason}")

    def _drop(self, item: Dropped) -> None:
        self.left.remove(item.method)
        self.active = [name for name in self.active if name != item.method]
        self.dropped.append(item)
        test = item.below_leader
        loss = "" if test is None else f" ({100 * test.mean:.1f} points below {item.leader})"
        self.say(f"{item.method} is out: {item.reason}{loss}; {counted(len(self.left), 'method')} left")

    def _reason_to_end(self, done: int) -> str | None:
        """Why the race ends after that many folds; None if it continues."""
        if len(self.active) == 1:
            return "no other method was left to train"
        if self.last is None or done % self.plan.per_repeat:
            return None
        if not [name for name in self.last.open if name in self.active]:
            return "all remaining methods are equal within the margin"
        if done > self.plan.per_repeat and not self._repeats_may_help(done // self.plan.per_repeat):
            return "more repetitions cannot separate the remaining methods, but more labels could"
        return None

    def _repeats_may_help(self, repeats: int) -> bool:
        """Whether the remaining repetitions could decide some inconclusive pair at the observed difference."""
        assert self.last is not None
        margin = self.request.margin
        for name in (name for name in self.last.open if name in self.active):
            test = self.last.below_leader[name]
            shifted = replace(test, mean=abs(test.mean) - margin)
            needed = grouped_seeds_needed(shifted)
            if needed is not None and needed <= self.plan.repeats > repeats:
                return True
        return False

    def _result(self, why: str) -> RaceResult:
        outcomes = self.outcomes

        def by_cost(name: str) -> tuple[float, str]:
            return outcomes.learning_seconds(name) or self.cost(name), name  # as in the table of the answer

        entered = [name for name in self.request.sweep.methods if outcomes.trainings(name)]
        rest = [name for name in self.left if name not in entered]
        untried = self.untried | dict.fromkeys(rest, NO_TIME)
        whole = sum(outcomes.seconds(name) for name in entered) * len(self.plan.folds)
        spent = sum(outcomes.seconds(name) * outcomes.trainings(name) for name in entered)
        return RaceResult(
            outcomes=outcomes,
            left=tuple(sorted((name for name in self.left if name in entered), key=by_cost)),
            dropped=tuple(self.dropped),
            untried=untried,
            needed=max(self.needed, 2 * self.request.budget) if untried else self.needed,
            last=self.last,
            why=why,
            seconds=self._clock() - self._begin,
            share=spent / whole if whole else None,
            trainings=sum(outcomes.trainings(name) for name in entered),
        )


def race_request(
    sweep: SweepRequest, methods: Sequence[str], folds: Iterable[held_out.Fold], shots: int
) -> SweepRequest:
    """The sweep of methods on folds of one repetition, in the race's folder."""
    named = list(folds)
    changes = {
        "methods": list(methods),
        "shots": [shots],
        "seeds": [named[0].repeat],
        "folds": [str(fold) for fold in named],
        "runs": sweep.runs / RACE,
    }
    return sweep.model_copy(update=changes)


def read_runs(request: RecommendRequest, run_ids: dict[str, str]) -> Iterator[tuple[str, Shard]]:
    """The finished runs of a race by method."""
    shards = Shards(request.race_runs)
    for method, run_id in run_ids.items():
        if (shard := shards.read(run_id)) is not None:
            yield method, shard
