"""Two entries of one leaderboard, image by image: differences with intervals, exact tests, flipped images. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import ALL, Entry, H, Leaderboard
from bench.errors import UsageError
from bench.metrics import harmonic_mean
from bench.statistics import (
    Interval,
    McNemar,
    MeanTest,
    grouped_t,
    holm,
    mcnemar,
    two_way_bootstrap,
)

if TYPE_CHECKING:
    import pandas as pd

BOOTSTRAP_SEED = 20240614
"""Resampling is part of the result: the same runs give the same interval."""

Scores = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Accuracies (and H) of one entry: by dataset, seed and measure."""


@dataclass(frozen=True)
class SeedTest:
    """A against B with one seed on one split.

    Args:
        test: exact McNemar test.
        p_holm: its p value, adjusted within all tests of the comparison.
        only_a: images that A alone gets right.
        only_b: images that B alone gets right.
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
        accuracy_a: mean over the seeds that both have.
        accuracy_b: the same of B.
        difference: A minus B over seeds and images, with its 95 % interval.
        seeds: one test per seed.
    """

    dataset: str
    split: str
    accuracy_a: float
    accuracy_b: float
    difference: Interval
    seeds: tuple[SeedTest, ...]

    @property
    def flipped(self) -> tuple[int, int]:
        """Images that A alone, and that B alone gets right, summed over seeds."""
        return sum(seed.test.only_a for seed in self.seeds), sum(seed.test.only_b for seed in self.seeds)


@dataclass(frozen=True)
class Comparison:
    """A against B on one board.

    Args:
        cells: by dataset and split.
        averages: mean difference over the datasets by measure, H among them, tested with the spread between seeds.
        skipped: dataset and why it cannot be paired.
    """

    a: str
    b: str
    cells: tuple[PairedCell, ...]
    averages: Mapping[str, MeanTest]
    skipped: tuple[tuple[str, str], ...]


def find_entry(board: Leaderboard, name: str) -> Entry:
    """The entry with that key, or the only entry of that method.

    Raises:
        UsageError: no such entry, or several of that method.
    """
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
    """Scores of every entry's counted runs by dataset, seed and measure, H computed per seed.

    A run without shots stands for all seeds of the board; it is listed under each.

    Args:
        board: made from the same runs.
        runs: the store's `runs_frame()`.
    """
    known: dict[str, dict[str, float]] = defaultdict(dict)
    about: dict[str, tuple[int, int]] = {}
    columns = ["run_id", "seed", "shots", "split", "accuracy"]
    for run_id, seed, shots, split, accuracy in runs[columns].itertuples(index=False, name=None):
        about[run_id] = (int(seed), int(shots))
        if isinstance(split, str):
            known[run_id][split] = float(accuracy)
    found: dict[str, Scores] = {}
    for entry in board.entries:
        by_dataset: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
        for dataset, cell in entry.cells.items():
            for run_id in cell.run_ids:
                seed, shots = about[run_id]
                scores = dict(known[run_id])
                if board.setting.source:
                    scores = {ALL: scores[_stored_split(board, dataset, ALL)]}
                if H in board.measures:
                    scores[H] = harmonic_mean(scores["base"], scores["new"])
                for place in board.seeds if shots == 0 else (seed,):
                    by_dataset[dataset][place] = scores
        found[entry.key] = by_dataset
    return found


def _stored_split(board: Leaderboard, dataset: str, split: str) -> str:
    """What a run calls that split: a transfer run scores each target under the target's name."""
    return dataset if board.setting.source and dataset != board.setting.source else split


def paired_average(a: Scores, b: Scores, measure: str, *, datasets: Sequence[str] | None = None) -> MeanTest | None:
    """Mean difference A - B over the datasets that both have, tested with the spread between their common seeds.

    Args:
        a: scores of A; see `seed_scores`.
        b: scores of B.
        measure: base, new, H or all.
        datasets: only these; None for all common ones.

    Returns:
        None where nothing is common.
    """
    groups = []
    for dataset in sorted(set(a) & set(b)) if datasets is None else datasets:
        seeds = sorted(set(a.get(dataset, {})) & set(b.get(dataset, {})))
        values = [a[dataset][seed][measure] - b[dataset][seed][measure] for seed in seeds]
        if values:
            groups.append(values)
    return grouped_t(groups) if groups else None


def board_average(board: Leaderboard, scores: Mapping[str, Scores], a: str, b: str, measure: str) -> MeanTest | None:
    """`paired_average` of two entries over the datasets that the board averages: all but the source."""
    shared = [d for d in board.averaged if d in scores[a] and d in scores[b]]
    return paired_average(scores[a], scores[b], measure, datasets=shared)


def compare(board: Leaderboard, runs: pd.DataFrame, outcomes: pd.DataFrame, a: str, b: str) -> Comparison:
    """Compare two entries of a board on the same images with the same seeds.

    Args:
        board: made from the same runs.
        runs: the store's `runs_frame()`.
        outcomes: the store's `outcomes_frame` of at least the two entries' runs.
        a: entry key, or a method with one entry.
        b: the other.

    Raises:
        UsageError: an entry that is not on the board, or the same one twice.
    """
    first, second = find_entry(board, a), find_entry(board, b)
    if first.key == second.key:
        raise UsageError(f"{a!r} and {b!r} are the same entry, {first.key!r}; name two different ones.")
    about = {
        str(run_id): (int(seed), int(shots))
        for run_id, seed, shots in runs[["run_id", "seed", "shots"]].itertuples(index=False, name=None)
    }
    by_run = {
        (str(run_id), str(split)): part
        for (run_id, split), part in outcomes.groupby(["run_id", "split"], observed=True)
    }
    splits = [measure for measure in board.measures if measure != H]
    found: list[tuple[str, str, list[_Pair]]] = []
    skipped: list[tuple[str, str]] = []
    for dataset in board.datasets:
        runs_a, runs_b = (
            _by_seed(entry, dataset, about, board.seeds) if dataset in entry.cells else {} for entry in (first, second)
        )
        seeds = _common_seeds(runs_a, runs_b, about)
        if not seeds:
            skipped.append((dataset, "no seed that both have"))
            continue
        for split in splits:
            stored = _stored_split(board, dataset, split)
            pairs = [
                _pair(
                    seed,
                    runs_a[seed],
                    runs_b[seed],
                    by_run.get((runs_a[seed], stored)),
                    by_run.get((runs_b[seed], stored)),
                )
                for seed in seeds
            ]
            kept = [pair for pair in pairs if pair is not None]
            if len(kept) < len(pairs) or len({len(pair.images) for pair in kept}) > 1:
                skipped.append((dataset, f"{split}: the two were not scored on the same images"))
            elif kept:
                found.append((dataset, split, kept))
    p_values = holm([pair.test.p for _, _, pairs in found for pair in pairs])
    adjusted = iter(p_values.tolist())
    cells = tuple(_cell(dataset, split, pairs, [next(adjusted) for _ in pairs]) for dataset, split, pairs in found)
    scores = seed_scores(board, runs)
    averages = {m: board_average(board, scores, first.key, second.key, m) for m in board.measures}
    return Comparison(
        first.key,
        second.key,
        cells,
        {measure: test for measure, test in averages.items() if test is not None},
        tuple(skipped),
    )


@dataclass(frozen=True)
class _Pair:
    seed: int
    run_a: str
    run_b: str
    images: tuple[str, ...]
    right_a: NDArray[np.bool_]
    right_b: NDArray[np.bool_]
    test: McNemar


def _by_seed(entry: Entry, dataset: str, about: Mapping[str, tuple[int, int]], seeds: Sequence[int]) -> dict[int, str]:
    """The entry's run of each seed; a run without shots stands for all of them."""
    found: dict[int, str] = {}
    for run_id in entry.cells[dataset].run_ids:
        seed, shots = about[run_id]
        found |= dict.fromkeys(seeds if shots == 0 else [seed], run_id)
    return found


def _common_seeds(a: Mapping[int, str], b: Mapping[int, str], about: Mapping[str, tuple[int, int]]) -> list[int]:
    """Seeds that both have; one of them where neither depends on the seed, since repeating it would be no evidence."""
    seeds = sorted(set(a) & set(b))
    if seeds and all(about[run_id][1] == 0 for run_id in (*a.values(), *b.values())):
        return seeds[:1]
    return seeds


def _pair(seed: int, run_a: str, run_b: str, a: pd.DataFrame | None, b: pd.DataFrame | None) -> _Pair | None:
    """Both runs' outcomes on the same images in the same order; None where images or labels differ."""
    columns_a, columns_b = _columns(a), _columns(b)
    if columns_a is None or columns_b is None:
        return None
    if not np.array_equal(columns_a["image"], columns_b["image"]):
        columns_a, columns_b = _by_image(columns_a), _by_image(columns_b)
    if any(not np.array_equal(columns_a[name], columns_b[name]) for name in ("image", "label")):
        return None
    right_a, right_b = (columns["label"] == columns["predicted"] for columns in (columns_a, columns_b))
    return _Pair(seed, run_a, run_b, tuple(columns_a["image"]), right_a, right_b, mcnemar(right_a, right_b))


def _columns(frame: pd.DataFrame | None) -> dict[str, NDArray[Any]] | None:
    if frame is None or frame.empty:
        return None
    return {name: frame[name].to_numpy() for name in ("image", "label", "predicted")}


def _by_image(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    order = np.argsort(columns["image"].astype(str), kind="stable")
    return {name: values[order] for name, values in columns.items()}


def _cell(dataset: str, split: str, pairs: Sequence[_Pair], adjusted: Sequence[float]) -> PairedCell:
    right_a = np.stack([pair.right_a for pair in pairs]).astype(float)
    right_b = np.stack([pair.right_b for pair in pairs]).astype(float)
    interval = two_way_bootstrap(right_a - right_b, generator=np.random.default_rng(BOOTSTRAP_SEED))
    seeds = tuple(
        SeedTest(
            pair.seed,
            pair.run_a,
            pair.run_b,
            pair.test,
            p,
            tuple(image for image, a, b in zip(pair.images, pair.right_a, pair.right_b, strict=True) if a and not b),
            tuple(image for image, a, b in zip(pair.images, pair.right_a, pair.right_b, strict=True) if b and not a),
        )
        for pair, p in zip(pairs, adjusted, strict=True)
    )
    return PairedCell(dataset, split, float(right_a.mean()), float(right_b.mean()), interval, seeds)
