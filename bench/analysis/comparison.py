"""Comparison of two entries of one board on the same images: differences, exact tests, discordant images. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import ALL, Entry, H, Leaderboard
from bench.errors import UsageError
from bench.metrics import harmonic_mean
from bench.statistics import Interval, McNemar, MeanTest, grouped_t, holm, mcnemar, two_way_bootstrap

if TYPE_CHECKING:
    import pandas as pd

BOOTSTRAP_SEED = 20240614
"""Fixed, so that the same runs always give the same interval."""

Scores = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Accuracies (and H) of one entry: by dataset, seed and measure."""


@dataclass(frozen=True)
class SeedTest:
    """A against B with one seed on one split.

    Args:
        p_holm: p value of the exact McNemar test, adjusted over all tests of the comparison.
        only_a: images that only A classifies correctly; `only_b` likewise.
    """

    seed: int
    run_a: str
    run_b: str
    test: McNemar
    p_holm: float
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


@dataclass(frozen=True)
class PairedCell:
    """A against B on one dataset and split.

    Args:
        accuracy_a: mean over the seeds that both have, a fraction; `accuracy_b` likewise.
        difference: A minus B over seeds and images, with its 95 % interval.
    """

    dataset: str
    split: str
    accuracy_a: float
    accuracy_b: float
    difference: Interval
    seeds: tuple[SeedTest, ...]

    @property
    def flipped(self) -> tuple[int, int]:
        """Number of images that only A, and that only B classifies correctly, summed over seeds."""
        return sum(seed.test.only_a for seed in self.seeds), sum(seed.test.only_b for seed in self.seeds)


@dataclass(frozen=True)
class Comparison:
    """A against B on one board.

    Args:
        averages: mean difference over the datasets by measure (H included), tested with the spread between seeds.
        skipped: (dataset, why it cannot be compared).
    """

    a: str
    b: str
    cells: tuple[PairedCell, ...]
    averages: Mapping[str, MeanTest]
    skipped: tuple[tuple[str, str], ...]


def find_entry(board: Leaderboard, name: str) -> Entry:
    """The entry with that key, or the only entry of that method; raises UsageError if there is none, or several."""
    keys = [entry.key for entry in board.entries]
    exact = [entry for entry in board.entries if entry.key == name]
    found = exact or [entry for entry in board.entries if entry.method == name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"No entry {name!r} on this board. It has: {', '.join(keys) or 'none'}.")
    several = ", ".join(repr(entry.key) for entry in found)
    raise UsageError(f"Method {name!r} has {len(found)} entries here; name one of them in quotes: {several}.")


def seed_scores(board: Leaderboard, runs: pd.DataFrame) -> dict[str, Scores]:
    """Scores of the counted runs of every entry by dataset, seed and measure, with H per seed.

    A run without shots does not depend on the seed; it is listed under every seed of the board.
    """
    known: dict[str, dict[str, float]] = defaultdict(dict)
    for run_id, split, accuracy in runs[["run_id", "split", "accuracy"]].itertuples(index=False, name=None):
        if isinstance(split, str):
            known[run_id][split] = float(accuracy)

    def scores(run_id: str, dataset: str) -> dict[str, float]:
        found = dict(known[run_id])
        if board.setting.source:
            found = {ALL: found[board.stored_split(ALL, dataset)]}
        if H in board.measures:
            found[H] = harmonic_mean(found["base"], found["new"])
        return found

    about = _seeds_and_shots(runs)
    return {
        entry.key: {
            dataset: {
                seed: scores(run_id, dataset) for seed, run_id in _by_seed(entry, dataset, about, board.seeds).items()
            }
            for dataset in entry.cells
        }
        for entry in board.entries
    }


def paired_average(a: Scores, b: Scores, measure: str, *, datasets: Sequence[str] | None = None) -> MeanTest | None:
    """Mean difference A - B over the datasets that both have, tested with the spread between their common seeds.

    `measure` is base, new, H or all. None if A and B have no dataset (among `datasets`, if given) and seed in common.
    """
    groups = []
    for dataset in sorted(set(a) & set(b)) if datasets is None else datasets:
        seeds = sorted(set(a.get(dataset, {})) & set(b.get(dataset, {})))
        values = [a[dataset][seed][measure] - b[dataset][seed][measure] for seed in seeds]
        if values:
            groups.append(values)
    return grouped_t(groups) if groups else None


def board_average(board: Leaderboard, scores: Mapping[str, Scores], a: str, b: str, measure: str) -> MeanTest | None:
    """`paired_average` of two entries over the datasets that the board averages (all but the source)."""
    shared = [d for d in board.averaged if d in scores[a] and d in scores[b]]
    return paired_average(scores[a], scores[b], measure, datasets=shared)


def compare(board: Leaderboard, runs: pd.DataFrame, outcomes: pd.DataFrame, a: str, b: str) -> Comparison:
    """Compare two entries of a board on the same images with the same seeds.

    `a` and `b` are entry keys, or methods with one entry; the outcomes are at least those of their runs. Raises
    UsageError if an entry is not on the board, or both are the same.
    """
    first, second = find_entry(board, a), find_entry(board, b)
    if first.key == second.key:
        raise UsageError(f"{a!r} and {b!r} are the same entry, {first.key!r}; name two different ones.")
    about = _seeds_and_shots(runs)
    by_run = {
        (str(run_id), str(split)): {name: part[name].to_numpy() for name in ("image", "label", "predicted")}
        for (run_id, split), part in outcomes.groupby(["run_id", "split"], observed=True)
    }
    found: list[tuple[str, str, list[_Pair]]] = []
    skipped: list[tuple[str, str]] = []
    for dataset in board.datasets:
        runs_a, runs_b = (
            _by_seed(entry, dataset, about, board.seeds) if dataset in entry.cells else {} for entry in (first, second)
        )
        seeds = _common_seeds(runs_a, runs_b, about)
        if not seeds:
            skipped.append((dataset, "no common seed"))
            continue
        shared = [(seed, runs_a[seed], runs_b[seed]) for seed in seeds]
        for split in board.splits:
            stored = board.stored_split(split, dataset)
            pairs = [
                _pair(seed, run_a, run_b, by_run.get((run_a, stored)), by_run.get((run_b, stored)))
                for seed, run_a, run_b in shared
            ]
            kept = [pair for pair in pairs if pair is not None]
            if len(kept) < len(pairs) or len({len(pair.correct_a) for pair in kept}) > 1:
                skipped.append((dataset, f"{split}: the two were not scored on the same images"))
            elif kept:
                found.append((dataset, split, kept))
    p_values = holm([pair.test.p_holm for _, _, pairs in found for pair in pairs])
    adjusted = iter(p_values.tolist())
    cells = tuple(_cell(dataset, split, pairs, [next(adjusted) for _ in pairs]) for dataset, split, pairs in found)
    scores = seed_scores(board, runs)
    averages = {m: board_average(board, scores, first.key, second.key, m) for m in board.measures}
    tested = {measure: test for measure, test in averages.items() if test is not None}
    return Comparison(first.key, second.key, cells, tested, tuple(skipped))


_Outcomes = Mapping[str, NDArray[Any]]
"""Image names, labels and predictions of a run on one split."""


@dataclass(frozen=True)
class _Pair:
    """A test that is not yet adjusted, and whether A and B classify each image correctly."""

    test: SeedTest
    correct_a: NDArray[np.bool_]
    correct_b: NDArray[np.bool_]


def _seeds_and_shots(runs: pd.DataFrame) -> dict[str, tuple[int, int]]:
    columns = (runs["seed"].astype(int), runs["shots"].astype(int))
    return dict(zip(runs["run_id"], zip(*columns, strict=True), strict=True))


def _by_seed(entry: Entry, dataset: str, about: Mapping[str, tuple[int, int]], seeds: Sequence[int]) -> dict[int, str]:
    """The entry's run of each seed; a run without shots counts for every seed."""
    found: dict[int, str] = {}
    for run_id in entry.cells[dataset].run_ids:
        seed, shots = about[run_id]
        found |= dict.fromkeys(seeds if shots == 0 else [seed], run_id)
    return found


def _common_seeds(a: Mapping[int, str], b: Mapping[int, str], about: Mapping[str, tuple[int, int]]) -> list[int]:
    """Seeds that both have; only one of them if neither entry depends on the seed, since repeats add no evidence."""
    seeds = sorted(set(a) & set(b))
    if seeds and all(about[run_id][1] == 0 for run_id in (*a.values(), *b.values())):
        return seeds[:1]
    return seeds


def _pair(seed: int, run_a: str, run_b: str, a: _Outcomes | None, b: _Outcomes | None) -> _Pair | None:
    """Outcomes of both runs on the same images in the same order; None if images or labels differ."""
    if a is None or b is None:
        return None
    if not np.array_equal(a["image"], b["image"]):
        a, b = _by_image(a), _by_image(b)
    if any(not np.array_equal(a[name], b[name]) for name in ("image", "label")):
        return None
    a_correct, b_correct = (columns["label"] == columns["predicted"] for columns in (a, b))
    images, test = a["image"], mcnemar(a_correct, b_correct)
    only_a, only_b = tuple(images[a_correct & ~b_correct]), tuple(images[b_correct & ~a_correct])
    return _Pair(SeedTest(seed, run_a, run_b, test, test.p, only_a, only_b), a_correct, b_correct)


def _by_image(columns: _Outcomes) -> _Outcomes:
    order = np.argsort(columns["image"].astype(str), kind="stable")
    return {name: values[order] for name, values in columns.items()}


def _cell(dataset: str, split: str, pairs: Sequence[_Pair], adjusted: Sequence[float]) -> PairedCell:
    correct_a = np.stack([pair.correct_a for pair in pairs]).astype(float)
    correct_b = np.stack([pair.correct_b for pair in pairs]).astype(float)
    interval = two_way_bootstrap(correct_a - correct_b, generator=np.random.default_rng(BOOTSTRAP_SEED))
    seeds = tuple(replace(pair.test, p_holm=p) for pair, p in zip(pairs, adjusted, strict=True))
    return PairedCell(dataset, split, float(correct_a.mean()), float(correct_b.mean()), interval, seeds)
