"""What is known about the order of methods by one measure: here, and on other datasets. Nothing else decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.far_trainings import FarTraining, far_trainings
from bench.analysis.leaderboard import Leaderboard
from bench.analysis.noise import differences
from bench.analysis.statistics.hypothesis_tests import LEVEL, rank_ranges
from bench.analysis.statistics.intervals import ROUNDING, MeanTest
from bench.analysis.statistics.power import POWER, Detectable, detectable_difference
from bench.analysis.statistics.simultaneous import Pair, dunnett_limit, dunnett_p, family_tests, lead_by_chance

FEWEST_ELSEWHERE = 6
"""Fewest datasets from which something is said about others; with fewer, one large loss is easily missed."""
FEWEST_TO_RANK = 3
"""Fewest seeds from which trained methods are ranked; two equal ones of 12 often seem different with two seeds."""
MOST_DF = 2
"""Most degrees of freedom for each seed beyond the first, on each dataset with trainings of its own.

Degrees of freedom follow the estimated variances. A few seeds are often far too close by chance, and then the many
degrees of freedom of the images count. Gains over zero-shot are limited with two seeds: of 1 to 30 equal methods on 1
to 4 datasets, whose trainings differ by 3 to 6 points, some gain was clear in up to 34 % of simulated boards without
the limit, and in up to 2 % with it. All other pairs are limited always: without, some pair of 30 equal methods was
separated on one dataset in 44 % of boards with three seeds and in 15 % with five, and with it in none.
"""


class Certainty(StrEnum):
    """What is known about a difference."""

    CLEAR = "clear"
    OPEN = "not clear"
    SAME = "the same answers"
    UNKNOWN = "not known"


class Judgement(NamedTuple):
    """What is known about the leader and its reference, and why nothing is known."""

    known: Certainty
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """Everything that is said about the order of the methods by one measure.

    *Here* means these datasets: seeds and test images vary, and with one seed test images alone. *Elsewhere* means
    datasets of this kind: the datasets vary.

    Args:
        ranked: keys of the complete methods, best first; the first one is the leader.
        baseline: key of zero-shot, if it is among them.
        averages: by key, fractions.
        here: the first method of a pair minus the second on these datasets. The intervals of all pairs with zero-shot
            hold together with 95 % probability, and those of all other pairs with 97.5 %. A single pair has its own.
        elsewhere: the same over datasets of this kind, corrected for the choice of the first method as the best of all
            (Dunnett, 2.5 % at each end). The intervals of one method hold together, and not those of all.
        n_seeds: 0 for published numbers.
        trained: whether some method depends on the seed.
        variants: number of ranked entries of the leader's method, which differ in their settings.
        by_chance: lead over zero-shot that the best of these methods would have on average if none differed from it.
        far_trainings: those that are far worse than the others of their method.
    """

    measure: str
    ranked: tuple[str, ...]
    baseline: str | None
    averages: Mapping[str, float]
    here: Mapping[Pair, MeanTest]
    elsewhere: Mapping[Pair, MeanTest]
    n_datasets: int
    n_seeds: int
    trained: bool = False
    variants: int = 1
    by_chance: float | None = None
    far_trainings: tuple[FarTraining, ...] = ()

    @property
    def one_training(self) -> bool:
        """Whether some method was trained once on each dataset."""
        return self.trained and self.n_seeds == 1

    @property
    def has_ranks(self) -> bool:
        """Whether the tests here say anything about the order of all methods."""
        return self.n_seeds >= (FEWEST_TO_RANK if self.trained else 1)

    @property
    def leader(self) -> str | None:
        """The method with the highest mean."""
        return self.ranked[0] if self.ranked else None

    @property
    def reference(self) -> str | None:
        """What the leader is compared with: zero-shot, or the next best method if zero-shot leads or is missing."""
        following = self.ranked[1:]
        return self.baseline if self.baseline in following else (following[0] if following else None)

    @property
    def others(self) -> tuple[str, ...]:
        """The ranked methods without the leader and without zero-shot."""
        return tuple(key for key in self.ranked[1:] if key != self.baseline)

    def on_these(self, a: str, b: str) -> MeanTest | None:
        """The difference A - B here."""
        return found_test(self.here, a, b)

    def on_others(self, a: str, b: str) -> MeanTest | None:
        """The difference A - B elsewhere; None with fewer datasets than `FEWEST_ELSEWHERE`."""
        return found_test(self.elsewhere, a, b)

    @cached_property
    def ranks(self) -> dict[str, str]:
        """The range of ranks of each method here; empty without `has_ranks`."""
        better = {}
        for (a, b), test in self.here.items():
            better[a, b], better[b, a] = test.clear and test.mean > 0, test.clear and test.mean < 0
        return {ranks.name: str(ranks) for ranks in rank_ranges(self.ranked, better)} if self.has_ranks else {}

    def open_here(self, key: str) -> tuple[str, ...]:
        """The methods that the tests do not separate from one method here, best first."""
        return self._open(self.here, key)

    def _open(self, differences: Mapping[Pair, MeanTest], key: str) -> tuple[str, ...]:
        tests = {other: found_test(differences, key, other) for other in self.ranked if other != key}
        return tuple(other for other, test in tests.items() if test is not None and not test.clear)

    @property
    def may_match_here(self) -> tuple[str, ...]:
        """The others that may be as good as the leader here, best first."""
        return tuple(key for key in self.open_here(self.leader or "") if key in self.others)

    @property
    def may_be_best_elsewhere(self) -> tuple[str, ...]:
        """The others that may be the best on datasets of this kind, best first."""
        return tuple(key for key in self._open(self.elsewhere, self.leader or "") if key in self.others)

    @property
    def clear_gains(self) -> tuple[str, ...]:
        """The methods that are clearly better than zero-shot here, best first."""
        gains = {key: self.on_these(key, self.baseline or "") for key in self.ranked}
        return tuple(key for key, gain in gains.items() if gain is not None and gain.clear and gain.mean > 0)

    @property
    def judgement_here(self) -> Judgement:
        """What is known about the leader and its reference here."""
        if self.leader is None or self.reference is None:
            return Judgement(Certainty.UNKNOWN, "fewer than two methods")
        if not self.n_seeds:
            return Judgement(Certainty.UNKNOWN, "one printed value for each dataset")
        return _judged(self.on_these(self.leader, self.reference), "no common test images with predictions")

    @property
    def judgement_elsewhere(self) -> Judgement:
        """What is known about the leader and its reference on datasets of this kind."""
        if self.leader is None or self.reference is None:
            return Judgement(Certainty.UNKNOWN, "fewer than two methods")
        if self.n_datasets < FEWEST_ELSEWHERE:
            return Judgement(Certainty.UNKNOWN, f"fewer than {FEWEST_ELSEWHERE} datasets")
        return _judged(self.on_others(self.leader, self.reference), "the same difference on each dataset")

    @cached_property
    def detectable(self) -> Detectable | None:
        """The true difference of the leader and its reference that these runs tell; None if it is not tested here."""
        test = self.on_these(self.leader or "", self.reference or "")
        return None if test is None else detectable_difference(test)

    def facts(self) -> dict[str, Any]:
        """The verdict as plain values; accuracies and differences are fractions."""
        lead = [find(self.leader or "", self.reference or "") for find in (self.on_these, self.on_others)]
        return {
            "measure": self.measure,
            "leader": self.leader,
            "reference": self.reference,
            "here": _facts(self.judgement_here, lead[0]),
            "elsewhere": _facts(self.judgement_elsewhere, lead[1]),
            "others": list(self.others),
            "may_match_here": list(self.may_match_here) if self.has_ranks else None,
            "may_be_best_elsewhere": list(self.may_be_best_elsewhere),
            "clear_gains": list(self.clear_gains),
            "ranks": self.ranks,
            "why_no_ranks": why_no_ranks(self),
            "datasets": self.n_datasets,
            "seeds": self.n_seeds,
            "one_training": self.one_training,
            "variants": self.variants,
            "lead_by_chance": self.by_chance,
            "detectable": None if self.detectable is None else vars(self.detectable),
            "far_trainings": [training._asdict() for training in self.far_trainings],
        }


def found_test(differences: Mapping[Pair, MeanTest], a: str, b: str) -> MeanTest | None:
    """The test of A minus B among the tests of pairs, each in one of both orders."""
    turned = differences.get((b, a))
    return differences.get((a, b)) if turned is None else turned.negated()


def _judged(test: MeanTest | None, otherwise: str) -> Judgement:
    """What a test says of the leader, whose mean H may be the lower one where H of the averages orders the methods."""
    if test is None:
        return Judgement(Certainty.UNKNOWN, otherwise)
    if test.low is None:
        same = abs(test.mean) <= ROUNDING
        return Judgement(Certainty.SAME) if same else Judgement(Certainty.UNKNOWN, otherwise)
    return Judgement(Certainty.CLEAR if test.clear and test.mean > 0 else Certainty.OPEN)


def _facts(judged: Judgement, test: MeanTest | None) -> dict[str, Any]:
    numbers = {name: getattr(test, name, None) for name in ("mean", "low", "high", "p")}
    return {"known": str(judged.known), "why": judged.why, **numbers}


def board_verdicts(board: Leaderboard) -> dict[str, Verdict]:
    """The verdict by measure on the complete entries of a board."""
    return {measure: board_verdict(board, measure) for measure in board.measures}


def board_verdict(board: Leaderboard, measure: str) -> Verdict:
    """The verdict by one measure."""
    array, of_method = board.array, {entry.key: entry.method for entry in board.entries if entry.rankable}
    means = {key: array.mean_over_datasets(key, measure, board.convention) for key in of_method}
    averages = {key: mean for key, mean in means.items() if mean is not None}
    ranked = sorted(averages, key=lambda key: -averages[key])
    rows = {key: np.array([array.mean(key, name, measure) for name in array.averaged]) for key in ranked}
    tests = differences(array, combinations(ranked, 2), measure)
    methods = [of_method[key] for key in ranked]
    return replace(
        verdict_on_rows(measure, averages, rows, board.baseline, tests),
        n_seeds=len(board.seeds),
        trained=any(array.seeded[array.rows[key]] for key in ranked),
        variants=methods.count(methods[0]) if methods else 1,
        far_trainings=far_trainings(array, ranked, measure),
    )


def verdict_on_rows(
    measure: str,
    averages: Mapping[str, float],
    rows: Mapping[str, NDArray[np.float64]],
    baseline: str | None,
    tests: Mapping[Pair, MeanTest] | None = None,
) -> Verdict:
    """The verdict on methods with a mean on each dataset.

    Args:
        averages: by method, of which only those in `rows` are ranked.
        rows: means on the datasets, `(datasets,)`, by method.
        tests: differences of pairs on these datasets; without them only the datasets are a sample, as for published
            numbers.
    """
    ranked = sorted(rows, key=lambda key: -averages[key])
    ranked_baseline = baseline if baseline in ranked else None
    tests_here = simultaneous_tests(tests or {}, ranked_baseline)
    size = len(next(iter(rows.values()), ()))
    chance = (
        None
        if ranked_baseline is None or not tests_here or len(ranked) < 2
        else lead_by_chance(tests_here, ranked_baseline)
    )
    return Verdict(
        measure=measure,
        ranked=tuple(ranked),
        baseline=ranked_baseline,
        averages={key: averages[key] for key in ranked},
        here=tests_here,
        elsewhere=_elsewhere(rows, ranked) if size >= FEWEST_ELSEWHERE else {},
        n_datasets=size,
        n_seeds=0,
        by_chance=chance,
    )


def simultaneous_tests(tests: Mapping[Pair, MeanTest], baseline: str | None) -> dict[Pair, MeanTest]:
    """The tests with simultaneous intervals: those with zero-shot together, and all others together."""
    tests = {
        pair: _limited(test) if test.smallest_group == 2 or baseline not in pair else test
        for pair, test in tests.items()
    }
    tested = {pair: test for pair, test in tests.items() if test.standard_error is not None}
    gains = {pair: test for pair, test in tested.items() if baseline in pair}
    pairs = {pair: test for pair, test in tested.items() if baseline not in pair}
    # at 5 %, some other pair of 12 methods seems different in 7 to 10 % of boards
    return {**tests, **family_tests(gains, LEVEL, baseline), **family_tests(pairs, LEVEL / 2)}


def _limited(test: MeanTest) -> MeanTest:
    """The test with at most `MOST_DF` degrees of freedom for each dataset and seed beyond the first."""
    most = MOST_DF * (test.smallest_group - 1) * (1 if test.shared_training else test.groups)
    if not most or test.standard_error is None or test.df is None or test.df <= most:
        return test
    wider = MeanTest.from_error(test.mean, test.n, test.groups, test.standard_error, most)
    return replace(test, df=most, low=wider.low, high=wider.high, p=wider.p)


def _elsewhere(rows: Mapping[str, NDArray[np.float64]], ranked: Sequence[str]) -> dict[Pair, MeanTest]:
    """The differences of all pairs over datasets, each corrected for the choice of its first method as the best."""
    pairs = list(combinations(ranked, 2))
    gaps = np.array([rows[a] - rows[b] for a, b in pairs])
    return dict(zip(pairs, over_datasets(gaps, len(ranked) - 1), strict=True)) if pairs else {}


def over_datasets(gaps: NDArray[np.float64], n: int) -> list[MeanTest]:
    """The means of differences over datasets, `(pairs, datasets)`, with their intervals; without one if nothing varies.

    Intervals are within -1..1. `n` is the number of methods with which the best was compared; 1 for a pair.
    """
    size = gaps.shape[1]
    means, errors = gaps.mean(axis=1), gaps.std(axis=1, ddof=1) / np.sqrt(size)
    t = np.divide(np.abs(means), errors, out=np.zeros_like(means), where=errors > ROUNDING)
    p, limit = np.minimum(2 * dunnett_p(t, n, size - 1), 1.0), dunnett_limit(n, size - 1)
    return [
        MeanTest(mean, size, size, error, size - 1, mean - limit * error, mean + limit * error, of_pair).within()
        if error > ROUNDING
        else MeanTest(mean, size, size)
        for mean, error, of_pair in zip(means.tolist(), errors.tolist(), p.tolist(), strict=True)
    ]


def verdict_notes(board: Leaderboard, verdict: Verdict) -> tuple[str, ...]:
    """The limits of a verdict on a board, and how to remove them."""
    notes = []
    n, n_entries = len(verdict.ranked), len(board.entries)
    if n < 2:
        which = "No method has" if n == 0 else "Only one method has"
        notes.append(f"{which} a score for every dataset and seed, so there is no comparison yet; run what is missing.")
    elif all(test.low is None for test in verdict.here.values()) and any(test.mean for test in verdict.here.values()):
        notes.append("No difference can be tested: the runs have no stored predictions of the same images.")
    elif reason := why_no_ranks(verdict):
        notes.append(reason)
    if short := n_entries - n:
        notes.append(f"{short} of {n_entries} methods have missing runs and are not ranked.")
    return tuple(notes)


def why_no_ranks(verdict: Verdict) -> str:
    """Why runs leave the ranks empty, as a sentence; empty with ranks, for one method, and for published numbers."""
    if verdict.has_ranks or not verdict.n_seeds or len(verdict.ranked) < 2:
        return ""
    few = "One seed says nothing" if verdict.n_seeds == 1 else "Two seeds say too little"
    return f"{few} about how much seeds differ, so there are no ranks: use --seeds 3."


def told_difference(detectable: Detectable | None) -> str:
    """Which true difference a test tells, and what would halve it, in a few words; empty if it is not known."""
    if detectable is None:
        return ""
    halves = [(detectable.seeds_for_half, "seeds"), (detectable.datasets_for_half, "datasets")]
    more = " or ".join(f"{n} {what}" for n, what in halves if n is not None)
    half = f"; half of it with {more}" if more else ""
    return f"{100 * detectable.difference:.1f} points are detected in {100 * POWER:.0f} % of repetitions{half}"
