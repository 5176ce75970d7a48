"""Comparison of two entries of one board on the same images: differences and discordant images. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.all_pairs import board_averages
from bench.analysis.board_intervals import dataset_estimates
from bench.analysis.leaderboard import HARMONIC, OPEN, Entry, Leaderboard
from bench.analysis.paired_average import Matched, board_average, dataset_means, group_of_runs, matched_runs
from bench.analysis.scores_by_seed import Scores, SeedScore, seed_scores
from bench.analysis.statistics.hypothesis_tests import LEVEL, holm
from bench.analysis.statistics.intervals import ADDED_TO_DIFFERENCES, Estimate, Group, MeanTest, separate_tests
from bench.analysis.verdict import FEWEST_ELSEWHERE, board_verdict, found_test, over_datasets, simultaneous_tests
from bench.errors import UsageError


class ComparisonVerdict(StrEnum):
    """Which of two entries is better."""

    A = "A"
    B = "B"
    INCONCLUSIVE = "inconclusive"
    SAME = "right on the same images"
    UNTESTED = "not tested"

    @classmethod
    def of(cls, difference: float, *, significant: bool) -> ComparisonVerdict:
        """The verdict of a test of A minus B."""
        return cls.INCONCLUSIVE if not significant else cls.A if difference > 0 else cls.B


@dataclass(frozen=True)
class SeedPair:
    """A against B with one seed on one split.

    Args:
        only_a: images that only A classifies correctly; `only_b` likewise.
    """

    seed: int
    run_a: str
    run_b: str
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


@dataclass(frozen=True)
class PairedCell:
    """A against B on one dataset and split.

    The open score counts as a split, of all test images among all names; its accuracy is the harmonic mean.

    Args:
        score_a: accuracy of A over the seeds that are compared, a fraction, with its interval; `score_b` likewise.
        difference: A minus B, tested over seeds and images; its interval is that of this dataset alone.
        p: the p value of the difference, corrected for all datasets of the split (Holm); None if it is not tested. With
            one seed, it is about these images, with this one training.
        seeds: the pairs of runs; empty without common seeds, where the difference is not paired.
        images: number of test images.
        same_answers: whether A and B predict the same class for each image with each seed.
    """

    dataset: str
    split: str
    score_a: Estimate
    score_b: Estimate
    difference: MeanTest
    p: float | None
    seeds: tuple[SeedPair, ...]
    images: int
    same_answers: bool

    @property
    def verdict(self) -> ComparisonVerdict:
        """Which of the two is better here, by the corrected p value."""
        if self.p is None:
            return ComparisonVerdict.UNTESTED
        if self.seeds and self.flipped == (0, 0):
            return ComparisonVerdict.SAME
        return ComparisonVerdict.of(self.difference.mean, significant=self.p <= LEVEL)

    @property
    def flipped(self) -> tuple[int, int]:
        """Numbers of images that only A and only B classifies correctly, summed over seeds."""
        return sum(len(seed.only_a) for seed in self.seeds), sum(len(seed.only_b) for seed in self.seeds)


@dataclass(frozen=True)
class Comparison:
    """A against B on one board.

    Args:
        averages: mean difference over these datasets by measure (including H), tested with the noise of seeds and test
            images; their intervals hold together with those of other pairs, see `compare_entries`.
        other_datasets: the same means over datasets like these; without measures of too few datasets.
        alone: whether the intervals of averages are of this pair alone, which was chosen beforehand.
        one_training: whether some method was trained, and once on each dataset.
        skipped: pairs of dataset and the reason why it cannot be compared.
    """

    a: str
    b: str
    cells: tuple[PairedCell, ...]
    averages: Mapping[str, MeanTest]
    other_datasets: Mapping[str, MeanTest]
    skipped: tuple[tuple[str, str], ...]
    alone: bool = False
    one_training: bool = False

    def verdict(self, measure: str) -> ComparisonVerdict:
        """Which of the two is better on average, on these datasets."""
        test = self.averages[measure]
        if test.p is None:
            return ComparisonVerdict.SAME if test.mean == 0 else ComparisonVerdict.UNTESTED
        return ComparisonVerdict.of(test.mean, significant=test.clear)


def find_entry(board: Leaderboard, name: str) -> Entry:
    """The entry with that key, or the only entry of that method; raises UsageError if there is none, or several."""
    keys = [entry.key for entry in board.entries]
    exact = [entry for entry in board.entries if entry.key == name]
    found = exact or [entry for entry in board.entries if entry.method == name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"No entry {name!r} on this leaderboard. It has: {', '.join(keys) or 'none'}.")
    several = ", ".join(repr(entry.key) for entry in found)
    raise UsageError(f"Method {name!r} has {len(found)} entries here; give one of them in quotes: {several}.")


def compare_entries(
    board: Leaderboard, runs: pd.DataFrame, outcomes: pd.DataFrame, a: str, b: str, *, alone: bool = False
) -> Comparison:
    """Compare two entries of a board on the same images with the same seeds.

    With `alone`, the intervals of averages are of this pair alone; otherwise they allow for all ranked methods of the
    board, or for all methods if one of the pair is unranked.
    `runs` is the store's `runs_frame(outcomes=True)`. `a` and `b` are entry keys, or methods with one entry; `outcomes`
    includes their runs. Raises UsageError if an entry is not on the board, or both are the same.
    """
    first, second = find_entry(board, a), find_entry(board, b)
    if first.key == second.key:
        raise UsageError(f"{a!r} and {b!r} are the same entry, {first.key!r}; name two different ones.")
    scores = seed_scores(board, runs)
    by_run = {
        (str(run_id), str(split)): {name: part[name].to_numpy() for name in ("image", "label", "predicted")}
        for (run_id, split), part in outcomes.groupby(["run_id", "split"], observed=True)
    }
    found: list[_Tested] = []
    skipped: list[tuple[str, str]] = []
    for dataset in board.datasets:
        of_a, of_b = (scores[entry.key].get(dataset, {}) for entry in (first, second))
        if matched_runs(of_a, of_b, board.splits[0]) is None:
            skipped.append((dataset, "no common seed"))
            continue
        for split in (*board.splits, *((OPEN,) if OPEN in board.measures else ())):
            if (matched := matched_runs(of_a, of_b, split)) is None:
                continue
            stored = HARMONIC.get(split) or (board.stored_split(split, dataset),)
            if (cell := _tested(dataset, split, matched, by_run, stored)) is None:
                skipped.append((dataset, f"{split}: the runs were not scored on the same images"))
            else:
                found.append(cell)
    pair = first.key, second.key
    ranked = first.rankable and second.rankable
    averages, wider = (_alone if alone else _from_verdict if ranked else _beside_all)(board, scores, *pair)
    seeded = [tested.runs.one_training for tested in found if tested.runs.seeded]
    once = bool(seeded) and all(seeded)
    return Comparison(*pair, _cells(found), averages, wider, tuple(skipped), alone, once)


_Tests = dict[str, MeanTest]


def _from_verdict(board: Leaderboard, scores: Mapping[str, Scores], a: str, b: str) -> tuple[_Tests, _Tests]:
    """The differences here and elsewhere by measure, of the board's verdicts."""
    found = {measure: board_verdict(board, scores, measure) for measure in board.measures}
    here = {measure: test for measure, one in found.items() if (test := one.on_these(a, b)) is not None}
    elsewhere = {measure: test for measure, one in found.items() if (test := one.on_others(a, b)) is not None}
    return here, elsewhere


def _alone(board: Leaderboard, scores: Mapping[str, Scores], a: str, b: str) -> tuple[_Tests, _Tests]:
    """The differences here and elsewhere by measure, each with its own interval."""
    found = {measure: board_average(board, scores, a, b, measure) for measure in board.measures}
    here = {measure: test for measure, test in found.items() if test is not None}
    return here, _over_datasets(board, scores, (a, b), here, 1)


def _beside_all(board: Leaderboard, scores: Mapping[str, Scores], a: str, b: str) -> tuple[_Tests, _Tests]:
    """The same for a pair with an unranked method, held together with all pairs of the board on the runs they share."""
    keys = [entry.key for entry in board.entries]
    here = {}
    for measure in board.measures:
        tests = board_averages(board, scores, combinations(keys, 2), measure)
        if (test := found_test(simultaneous_tests(tests, board.baseline), a, b)) is not None:
            here[measure] = test
    return here, _over_datasets(board, scores, (a, b), here, len(keys) - 1)


def _over_datasets(
    board: Leaderboard, scores: Mapping[str, Scores], pair: tuple[str, str], measures: Collection[str], n: int
) -> _Tests:
    """The differences elsewhere by measure; `n` as of `over_datasets`."""
    means = {measure: dataset_means(board, scores, *pair, measure) for measure in measures}
    return {m: over_datasets(gaps[None], n)[0] for m, gaps in means.items() if len(gaps) >= FEWEST_ELSEWHERE}


_Outcomes = Mapping[str, NDArray[Any]]
"""Image names, labels and predictions of a run on one split."""


@dataclass(frozen=True)
class _Pair:
    """The runs of one seed, the images sorted by name, and whether both predict the same class for each of them."""

    seed: SeedPair
    images: NDArray[Any]
    same_answers: bool


@dataclass(frozen=True)
class _Tested:
    """The runs of one cell, their difference, their pairs (none if they are unpaired), and the number of images."""

    dataset: str
    split: str
    runs: Matched
    group: Group
    pairs: Sequence[_Pair]
    images: int


def _tested(
    dataset: str,
    split: str,
    runs: Matched,
    by_run: Mapping[tuple[str, str], _Outcomes],
    stored: Sequence[str],
) -> _Tested | None:
    """The runs of a cell; None if they were not scored on the same images."""
    outcomes_a, outcomes_b = ([_joined(by_run, run.run_id, stored) for run in side] for side in (runs.a, runs.b))
    group, first = group_of_runs(runs, split, ADDED_TO_DIFFERENCES), outcomes_a[0]
    if first is None or not group.images:
        return None
    names = [(a.run_id, b.run_id) for a, b in zip(runs.a, runs.b, strict=False)]
    found = [_pair(*one) for one in zip(runs.seeds, names, outcomes_a, outcomes_b, strict=False)]
    pairs = [pair for pair in found if pair is not None]
    if len(pairs) < len(found) or any(not np.array_equal(pair.images, pairs[0].images) for pair in pairs):
        return None
    return _Tested(dataset, split, runs, group, pairs, len(first["image"]))


def _joined(by_run: Mapping[tuple[str, str], _Outcomes], run_id: str, splits: Sequence[str]) -> _Outcomes | None:
    """The outcomes of a run on some splits, one after another; None if it lacks one."""
    parts = [by_run.get((run_id, split)) for split in splits]
    if len(parts) == 1:
        return parts[0]
    known = [part for part in parts if part is not None]
    return {name: np.concatenate([part[name] for part in known]) for name in known[0]} if None not in parts else None


def _pair(seed: int, run_ids: tuple[str, str], a: _Outcomes | None, b: _Outcomes | None) -> _Pair | None:
    """Outcomes of both runs on the same images; None if images or labels differ."""
    if a is None or b is None:
        return None
    if not np.array_equal(a["image"], b["image"]):
        a, b = _by_image(a), _by_image(b)
    if any(not np.array_equal(a[name], b[name]) for name in ("image", "label")):
        return None
    a_correct, b_correct = (columns["label"] == columns["predicted"] for columns in (a, b))
    images = a["image"]
    only_a, only_b = tuple(images[a_correct & ~b_correct]), tuple(images[b_correct & ~a_correct])
    same = np.array_equal(a["predicted"], b["predicted"])
    return _Pair(SeedPair(seed, *run_ids, only_a, only_b), images[_order(images)], same)


def _by_image(columns: _Outcomes) -> _Outcomes:
    order = _order(columns["image"])
    return {name: values[order] for name, values in columns.items()}


def _order(images: NDArray[Any]) -> NDArray[np.intp]:
    return np.argsort(images.astype(str), kind="stable")


def _cells(found: Sequence[_Tested]) -> tuple[PairedCell, ...]:
    """The cells in the given order; the datasets of a split are tested together."""
    cells: dict[tuple[str, str], PairedCell] = {}
    for split in dict.fromkeys(tested.split for tested in found):
        of_split = [tested for tested in found if tested.split == split]
        cells |= {(tested.dataset, split): cell for tested, cell in zip(of_split, _of_split(of_split), strict=True)}
    return tuple(cells[tested.dataset, tested.split] for tested in found)


def _of_split(found: Sequence[_Tested]) -> list[PairedCell]:
    tests = separate_tests([tested.group for tested in found])
    corrected = _corrected(tests)
    scores_a, scores_b = (_scores(found, side) for side in ("a", "b"))
    return [
        PairedCell(
            tested.dataset,
            tested.split,
            scores_a[tested.dataset],
            scores_b[tested.dataset],
            difference=test.within(),
            p=p,
            seeds=tuple(pair.seed for pair in tested.pairs),
            images=tested.images,
            same_answers=bool(tested.pairs) and all(pair.same_answers for pair in tested.pairs),
        )
        for tested, test, p in zip(found, tests, corrected, strict=True)
    ]


def _corrected(tests: Sequence[MeanTest | None]) -> list[float | None]:
    """The p values of the given tests after Holm's correction."""
    known = [None if test is None else test.p for test in tests]
    adjusted = iter(holm([p for p in known if p is not None]).tolist())
    return [None if p is None else next(adjusted) for p in known]


def _scores(found: Sequence[_Tested], side: str) -> dict[str, Estimate]:
    """The score of `a` or `b` over the compared seeds on each dataset, without an interval if it is unknown."""
    split = found[0].split
    runs: dict[str, Sequence[SeedScore]] = {tested.dataset: getattr(tested.runs, side) for tested in found}
    means = {dataset: Estimate(float(np.mean([run[split] for run in of])), len(of)) for dataset, of in runs.items()}
    return means | dataset_estimates(runs, split)
