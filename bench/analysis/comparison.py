"""Comparison of two entries of one board on the same images: differences and discordant images. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.board_intervals import with_interval
from bench.analysis.leaderboard import HARMONIC, OPEN, Entry, Leaderboard
from bench.analysis.paired_average import board_average, common_seeds, image_tables, over_datasets
from bench.analysis.scores_by_seed import SeedScore, seed_scores
from bench.analysis.statistics.intervals import Estimate, Interval, MeanTest, two_way_bootstrap
from bench.analysis.statistics.score_intervals import in_groups
from bench.errors import UsageError

BOOTSTRAP_SEED = 20240614
"""Seed of the bootstrap, fixed so that the same runs always give the same interval."""


class ComparisonVerdict(StrEnum):
    """Which of two entries is better."""

    A = "A"
    B = "B"
    INCONCLUSIVE = "inconclusive"
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
        score_a: accuracy of A over the common seeds, a fraction, with its interval; `score_b` likewise.
        difference: A minus B over seeds and images, with its 95 % interval.
        seeded: whether A or B depends on the seed.
    """

    dataset: str
    split: str
    score_a: Estimate
    score_b: Estimate
    difference: Interval
    seeds: tuple[SeedPair, ...]
    seeded: bool

    @property
    def verdict(self) -> ComparisonVerdict:
        """Which of the two is better here; unknown with one seed, unless neither depends on it."""
        if (self.seeded and len(self.seeds) < 2) or not self.difference.standard_error:
            return ComparisonVerdict.UNTESTED
        return ComparisonVerdict.of(self.difference.mean, significant=self.difference.excludes())

    @property
    def flipped(self) -> tuple[int, int]:
        """Numbers of images that only A and only B classifies correctly, summed over seeds."""
        return sum(len(seed.only_a) for seed in self.seeds), sum(len(seed.only_b) for seed in self.seeds)


@dataclass(frozen=True)
class Comparison:
    """A against B on one board.

    Args:
        averages: mean difference over these datasets by measure (including H), tested with the noise of seeds and test
            images. There is no test with one dataset or one seed, or without any spread.
        other_datasets: the same means with the 95 % interval over datasets, which covers other datasets of this kind.
        skipped: pairs of dataset and the reason why it cannot be compared.
    """

    a: str
    b: str
    cells: tuple[PairedCell, ...]
    averages: Mapping[str, MeanTest]
    other_datasets: Mapping[str, Estimate]
    skipped: tuple[tuple[str, str], ...]

    def verdict(self, measure: str) -> ComparisonVerdict:
        """Which of the two is better on average, on these datasets."""
        test = self.averages[measure]
        return (
            ComparisonVerdict.UNTESTED
            if test.p is None
            else ComparisonVerdict.of(test.mean, significant=test.p <= 0.05)
        )


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


def compare_entries(board: Leaderboard, runs: pd.DataFrame, outcomes: pd.DataFrame, a: str, b: str) -> Comparison:
    """Compare two entries of a board on the same images with the same seeds.

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
        shared = common_seeds(of_a, of_b)
        if not shared:
            skipped.append((dataset, "no common seed"))
            continue
        seeded = any(score.seeded for score in (*of_a.values(), *of_b.values()))
        for split in (*board.splits, *((OPEN,) if OPEN in board.measures else ())):
            stored = HARMONIC.get(split) or (board.stored_split(split, dataset),)
            runs_of = {seed: (of_a[seed], of_b[seed]) for seed in shared}
            if split == OPEN:
                runs_of = {seed: both for seed, both in runs_of.items() if all(OPEN in score for score in both)}
            pairs = [
                _pair(
                    seed,
                    (a.run_id, b.run_id),
                    _joined(by_run, a.run_id, stored),
                    _joined(by_run, b.run_id, stored),
                    None if split == OPEN else a.groups.get(split, b.groups.get(split)),
                )
                for seed, (a, b) in runs_of.items()
            ]
            kept = [pair for pair in pairs if pair is not None]
            if len(kept) < len(pairs) or any(not np.array_equal(pair.images, kept[0].images) for pair in kept):
                skipped.append((dataset, f"{split}: the runs were not scored on the same images"))
            elif kept:
                found.append(_Tested(dataset, split, kept, list(runs_of.values()), seeded))
    averages = {m: board_average(board, scores, first.key, second.key, m) for m in board.measures}
    tested = {measure: test for measure, test in averages.items() if test is not None}
    wider = {measure: over_datasets(board, scores, first.key, second.key, measure) for measure in tested}
    return Comparison(first.key, second.key, tuple(map(_cell, found)), tested, wider, tuple(skipped))


_Outcomes = Mapping[str, NDArray[Any]]
"""Image names, labels and predictions of a run on one split."""


@dataclass(frozen=True)
class _Pair:
    """The runs of one seed, the images sorted by name, and whether A and B classify each correctly."""

    seed: SeedPair
    images: NDArray[Any]
    correct_a: NDArray[np.bool_]
    correct_b: NDArray[np.bool_]
    groups: NDArray[np.int32] | None


@dataclass(frozen=True)
class _Tested:
    """The pairs of runs of one cell, with their scores."""

    dataset: str
    split: str
    pairs: Sequence[_Pair]
    scores: Sequence[tuple[SeedScore, SeedScore]]
    seeded: bool


def _joined(by_run: Mapping[tuple[str, str], _Outcomes], run_id: str, splits: Sequence[str]) -> _Outcomes | None:
    """The outcomes of a run on some splits, one after another; None if it lacks one."""
    parts = [by_run.get((run_id, split)) for split in splits]
    if len(parts) == 1:
        return parts[0]
    known = [part for part in parts if part is not None]
    return {name: np.concatenate([part[name] for part in known]) for name in known[0]} if None not in parts else None


def _pair(
    seed: int,
    run_ids: tuple[str, str],
    a: _Outcomes | None,
    b: _Outcomes | None,
    groups: NDArray[np.int32] | None,
) -> _Pair | None:
    """Outcomes of both runs on the same images; None if images or labels differ.

    `groups` are in the order of the images' names.
    """
    if a is None or b is None:
        return None
    if not np.array_equal(a["image"], b["image"]):
        a, b = _by_image(a), _by_image(b)
    if any(not np.array_equal(a[name], b[name]) for name in ("image", "label")):
        return None
    a_correct, b_correct = (columns["label"] == columns["predicted"] for columns in (a, b))
    images = a["image"]
    only_a, only_b = tuple(images[a_correct & ~b_correct]), tuple(images[b_correct & ~a_correct])
    order = _order(images)
    return _Pair(SeedPair(seed, *run_ids, only_a, only_b), images[order], a_correct[order], b_correct[order], groups)


def _by_image(columns: _Outcomes) -> _Outcomes:
    order = _order(columns["image"])
    return {name: values[order] for name, values in columns.items()}


def _order(images: NDArray[Any]) -> NDArray[np.intp]:
    return np.argsort(images.astype(str), kind="stable")


def _cell(tested: _Tested) -> PairedCell:
    correct_a = np.stack([pair.correct_a for pair in tested.pairs]).astype(float)
    correct_b = np.stack([pair.correct_b for pair in tested.pairs]).astype(float)
    means = [float(correct_a.mean()), float(correct_b.mean())]
    table = in_groups(correct_a - correct_b, tested.pairs[0].groups)
    if tested.split == OPEN:
        means = [float(np.mean([both[i][OPEN] for both in tested.scores])) for i in (0, 1)]
        table = _stratified([part for _, part in image_tables(tested.scores, OPEN)], means[0] - means[1])
    score_a, score_b = (
        with_interval(Estimate(mean, len(tested.scores)), [[both[i] for both in tested.scores]], tested.split)
        for i, mean in enumerate(means)
    )
    interval = two_way_bootstrap(table, generator=np.random.default_rng(BOOTSTRAP_SEED))
    seeds = tuple(pair.seed for pair in tested.pairs)
    return PairedCell(tested.dataset, tested.split, score_a, score_b, interval, seeds, tested.seeded)


def _stratified(tables: Sequence[NDArray[np.float64]], mean: float) -> NDArray[np.float64]:
    """One table `(seeds, images)` with that mean, whose noise is that of the sum of the means of the tables.

    The images of all tables are resampled together, so each table is centred, and weighted by its share of the images.
    """
    n_images = sum(table.shape[1] for table in tables)
    return np.concatenate([(table - table.mean()) * n_images / table.shape[1] for table in tables], axis=1) + mean
