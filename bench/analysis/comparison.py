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

from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.measures import OPEN, splits_of
from bench.analysis.noise import Pair, dataset_scores, differences, differences_on_datasets
from bench.analysis.score_array import Matched, ScoreArray
from bench.analysis.statistics.crossed import ADDED_TO_DIFFERENCES
from bench.analysis.statistics.hypothesis_tests import LEVEL, holm
from bench.analysis.statistics.intervals import Estimate, MeanTest
from bench.analysis.verdict import FEWEST_ELSEWHERE, board_verdict, found_test, over_datasets, simultaneous_tests
from bench.errors import UsageError

_Place = tuple[str, str]
"""A dataset and a split."""
_Tests = dict[str, MeanTest]
"""Tests by measure."""
_Outcomes = Mapping[str, NDArray[Any]]
"""Image names, labels and predictions of a run on one split."""


class ComparisonVerdict(StrEnum):
    """Which of two entries is better."""

    A = "A"
    B = "B"
    INCONCLUSIVE = "inconclusive"
    SAME = "with the same images right"
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
        same_answers: whether both predict the same class for each image.
    """

    seed: int
    run_a: str
    run_b: str
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    same_answers: bool


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
    """

    dataset: str
    split: str
    score_a: Estimate
    score_b: Estimate
    difference: MeanTest
    p: float | None
    seeds: tuple[SeedPair, ...]
    images: int

    @property
    def same_answers(self) -> bool:
        """Whether A and B predict the same class for each image with each seed."""
        return bool(self.seeds) and all(seed.same_answers for seed in self.seeds)

    @property
    def verdict(self) -> ComparisonVerdict:
        """Which of the two is better here, by the corrected p value."""
        if self.p is None:
            return ComparisonVerdict.UNTESTED
        if self.seeds and self.flipped == (0, 0):
            return ComparisonVerdict.SAME
        return ComparisonVerdict.of(self.difference.mean, significant=self.p <= LEVEL and self.difference.clear)

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
    matches = exact or [entry for entry in board.entries if entry.method == name]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UsageError(f"No entry {name!r} on this leaderboard. It has: {', '.join(keys) or 'none'}.")
    several = ", ".join(repr(entry.key) for entry in matches)
    raise UsageError(f"Method {name!r} has {len(matches)} entries here; give one of them in quotes: {several}.")


def compare_entries(board: Leaderboard, outcomes: pd.DataFrame, a: str, b: str, *, alone: bool = False) -> Comparison:
    """Compare two entries of a board on the same images with the same seeds.

    With `alone`, the intervals of averages are of this pair alone; otherwise they allow for all ranked methods of the
    board, or for all methods if one of the pair is unranked.
    `a` and `b` are entry keys, or methods with one entry; `outcomes` is the store's `outcomes_frame()` of their runs.
    Raises UsageError if an entry is not on the board, or both are the same.
    """
    first, second = find_entry(board, a), find_entry(board, b)
    if first.key == second.key:
        raise UsageError(f"{a!r} and {b!r} are the same entry, {first.key!r}; name two different ones.")
    pair, array = (first.key, second.key), board.array
    by_run = {
        (str(run_id), str(split)): {name: part[name].to_numpy() for name in ("image", "label", "predicted")}
        for (run_id, split), part in outcomes.groupby(["run_id", "split"], observed=True)
    }
    runs: dict[_Place, Matched] = {}
    skipped = []
    for dataset in board.datasets:
        if array.matched(*pair, dataset, board.splits[0]) is None:
            skipped.append((dataset, "no common seed"))
            continue
        for split in (*board.splits, *((OPEN,) if OPEN in board.measures else ())):
            if (matched := array.matched(*pair, dataset, split)) is not None:
                runs[dataset, split] = matched
    seeds = {place: _seed_pairs(array, pair, *place, matched, by_run) for place, matched in runs.items()}
    skipped += [
        (d, f"{split}: the runs were not scored on the same images") for (d, split), of in seeds.items() if of is None
    ]
    cells = _cells(array, pair, runs, {place: of for place, of in seeds.items() if of is not None})
    ranked = first.rankable and second.rankable
    averages, wider = (_alone if alone else _from_verdict if ranked else _beside_all)(board, *pair)
    seeded = [runs[cell.dataset, cell.split].one_seed for cell in cells if runs[cell.dataset, cell.split].seeded]
    return Comparison(*pair, cells, averages, wider, tuple(skipped), alone, bool(seeded) and all(seeded))


def _from_verdict(board: Leaderboard, a: str, b: str) -> tuple[_Tests, _Tests]:
    """The differences here and elsewhere by measure, of the board's verdicts."""
    verdicts = {measure: board_verdict(board, measure) for measure in board.measures}
    tests = {measure: verdict.on_these(a, b) for measure, verdict in verdicts.items()}
    return _tested(tests), _tested({measure: verdict.on_others(a, b) for measure, verdict in verdicts.items()})


def _alone(board: Leaderboard, a: str, b: str) -> tuple[_Tests, _Tests]:
    """The differences here and elsewhere by measure, each with its own interval."""
    tests = _tested({measure: differences(board.array, [(a, b)], measure).get((a, b)) for measure in board.measures})
    return tests, _over_datasets(board, (a, b), tests, 1)


def _beside_all(board: Leaderboard, a: str, b: str) -> tuple[_Tests, _Tests]:
    """The same for a pair with an unranked method, held together with all pairs of the board on the runs they share."""
    keys = [entry.key for entry in board.entries]
    tests = {measure: differences(board.array, combinations(keys, 2), measure) for measure in board.measures}
    widened = {measure: simultaneous_tests(of_pairs, board.baseline) for measure, of_pairs in tests.items()}
    tests_here = _tested({measure: found_test(of_pairs, a, b) for measure, of_pairs in widened.items()})
    return tests_here, _over_datasets(board, (a, b), tests_here, len(keys) - 1)


def _tested(tests: Mapping[str, MeanTest | None]) -> _Tests:
    """Without the measures that have no test."""
    return {measure: test for measure, test in tests.items() if test is not None}


def _over_datasets(board: Leaderboard, pair: Pair, measures: Collection[str], n: int) -> _Tests:
    """The differences elsewhere by measure; `n` as of `over_datasets`."""
    elsewhere = {}
    for measure in measures:
        tests = [differences(board.array, [pair], measure, [name]).get(pair) for name in board.averaged]
        gaps = [test.mean for test in tests if test is not None]
        if len(gaps) >= FEWEST_ELSEWHERE:
            elsewhere[measure] = over_datasets(np.array([gaps]), n)[0]
    return elsewhere


def _seed_pairs(
    array: ScoreArray,
    pair: Pair,
    dataset: str,
    split: str,
    runs: Matched,
    by_run: Mapping[tuple[str, str], _Outcomes],
) -> list[SeedPair] | None:
    """The pairs of runs of one cell, none if they are unpaired; None if they were not scored on the same images."""
    if not runs.images:
        return None
    stored = [array.stored.get((dataset, name), name) for name in splits_of(split)]
    pairs = []
    for place in runs.a if runs.paired else ():
        run_a, run_b = (array.run_id(key, dataset, place) for key in pair)
        a, b = (_joined(by_run, run_id, stored) for run_id in (run_a, run_b))
        if a is None or b is None:
            return None
        if not np.array_equal(a["image"], b["image"]):
            a, b = _by_image(a), _by_image(b)
        if any(not np.array_equal(a[name], b[name]) for name in ("image", "label")):
            return None
        right_a, right_b = (columns["label"] == columns["predicted"] for columns in (a, b))
        only_a, only_b = tuple(a["image"][right_a & ~right_b]), tuple(a["image"][right_b & ~right_a])
        same = np.array_equal(a["predicted"], b["predicted"])
        pairs.append(SeedPair(array.seeds[place], run_a, run_b, only_a, only_b, same))
    return pairs


def _joined(by_run: Mapping[tuple[str, str], _Outcomes], run_id: str, splits: Sequence[str]) -> _Outcomes | None:
    """The outcomes of a run on some splits, one after another; None if it lacks one."""
    parts = [by_run.get((run_id, split)) for split in splits]
    outcomes = [part for part in parts if part is not None]
    if len(outcomes) < len(parts):
        return None
    return {name: np.concatenate([part[name] for part in outcomes]) for name in outcomes[0]}


def _by_image(columns: _Outcomes) -> _Outcomes:
    order = np.argsort(columns["image"].astype(str), kind="stable")
    return {name: values[order] for name, values in columns.items()}


def _cells(
    array: ScoreArray,
    pair: Pair,
    runs: Mapping[_Place, Matched],
    seeds: Mapping[_Place, Sequence[SeedPair]],
) -> tuple[PairedCell, ...]:
    """The cells in the given order; the datasets of a split are tested together."""
    cells: dict[_Place, PairedCell] = {}
    for split in dict.fromkeys(split for _, split in seeds):
        names = [name for name, of in seeds if of == split]
        tests = differences_on_datasets(array, *pair, split, names, added=ADDED_TO_DIFFERENCES)
        adjusted = iter(holm([test.p for test in tests.values() if test.p is not None]).tolist())
        scores = [
            dataset_scores(array, key, split, {name: getattr(runs[name, split], side) for name in names})
            for side, key in zip("ab", pair, strict=True)
        ]
        for name, test in tests.items():
            cells[name, split] = PairedCell(
                name,
                split,
                scores[0][name],
                scores[1][name],
                difference=test.within(),
                p=None if test.p is None else next(adjusted),
                seeds=tuple(seeds[name, split]),
                images=array.n_images(pair[0], name, split),
            )
    return tuple(cells[place] for place in seeds)
