"""Pareto front of accuracy against cost, and the probability that an entry is on it. Pure."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.metrics.scores import MetricInputError
from bench.analysis.scores_by_seed import Scores
from bench.analysis.statistics.intervals import REPLICATES, Estimate

FRONT_SEED = 20240
"""Seed of the bootstrap of a board, so that the same runs give the same probabilities."""


def pareto_front(cost: ArrayLike, score: ArrayLike) -> NDArray[np.bool_]:
    """Whether each entry is on the front, `(m,)` or `(replicates, m)`.

    An entry is on the front if no other entry costs at most as much and scores at least as high, with one of the two
    strictly better. Entries that are equal in both are on the front together.

    Args:
        cost: `(m,)`, lower is better.
        score: `(m,)`, or `(replicates, m)` for one front per row; higher is better. MetricInputError if the shapes do
            not fit, or a value is not finite.

    Example:
        >>> pareto_front([1, 2, 3], [0.5, 0.7, 0.6]).tolist()
        [True, True, False]
    """
    costs, scores = np.asarray(cost, dtype=float), np.asarray(score, dtype=float)
    if costs.ndim != 1 or scores.ndim not in (1, 2) or scores.shape[-1] != len(costs):
        raise MetricInputError(
            f"Costs of shape {costs.shape} and scores of shape {scores.shape} do not fit; give (m,) and (m,) or (r, m)."
        )
    if not (np.isfinite(costs).all() and np.isfinite(scores).all()):
        raise MetricInputError("A cost or score is not a finite number; leave such entries out.")
    front = np.empty(scores.shape, dtype=bool)
    for i in range(len(costs)):
        own = scores[..., i, None]
        dominated = ((costs <= costs[i]) & (scores > own)) | ((costs < costs[i]) & (scores >= own))
        front[..., i] = ~dominated.any(axis=-1)
    return front


def front_probability(
    cost: ArrayLike, scores: ArrayLike, *, generator: np.random.Generator, replicates: int = REPLICATES
) -> NDArray[np.float64]:
    """Probability of being on the front, `(m,)`, over resampled datasets and seeds. Costs are fixed.

    Datasets are resampled with replacement, the same for all entries. Seeds are not resampled: three seeds have only
    ten different resamples and too small a spread. Their contribution is drawn from Student's t with S - 1 degrees of
    freedom along the residuals of the seeds, with the same draw for all entries of a dataset. So methods stay paired by
    their support set, and so do base and new accuracy of a run.

    Args:
        scores: `(m, datasets, seeds)`, or `(m, datasets, seeds, 2)` for base and new accuracy, with the harmonic mean
            of the two resampled averages as score. MetricInputError as in `pareto_front`.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim == 3:
        table = table[..., None]
    if table.ndim != 4 or not table.size or table.shape[3] > 2:
        raise MetricInputError(f"Scores of shape {table.shape} do not fit; give (m, datasets, seeds) or one more of 2.")
    averages = _resampled(table, generator, replicates)
    means = averages[..., 0]
    if table.shape[3] == 2:
        total = averages.sum(axis=2)
        means = np.divide(2 * averages.prod(axis=2), total, out=np.zeros_like(total), where=total > 0)
    shares: NDArray[np.float64] = pareto_front(cost, means).mean(axis=0)
    return shares


def _resampled(table: NDArray[np.float64], generator: np.random.Generator, replicates: int) -> NDArray[np.float64]:
    """Averages over resampled datasets and seeds, `(replicates, m, k)`."""
    _, n_datasets, n_seeds, _ = table.shape
    by_dataset = table.mean(axis=2)
    weights = generator.multinomial(n_datasets, np.full(n_datasets, 1 / n_datasets), size=replicates) / n_datasets
    averages: NDArray[np.float64] = np.einsum("rd,mdk->rmk", weights, by_dataset)
    if n_seeds > 1:
        residuals = (table - by_dataset[:, :, None]) / math.sqrt(n_seeds * (n_seeds - 1))
        normal = generator.standard_normal((replicates, n_datasets, n_seeds))
        chi = np.sqrt(generator.chisquare(n_seeds - 1, size=(replicates, n_datasets)) / (n_seeds - 1))
        averages = averages + np.einsum("rd,rds,mdsk->rmk", weights, normal / chi[:, :, None], residuals, optimize=True)
    return averages


@dataclass(frozen=True)
class CostPoint:
    """The measure that orders the board for one entry, and its costs.

    Args:
        costs: mean per run with shared features, by axis: `train_seconds` or `test_seconds`, `memory`, `parameters`,
            `passes`. An axis whose value is unknown is left out.
        front: whether the entry is on the Pareto front of an axis; empty for incomplete entries and oracles.
        probability: bootstrap probability of being on it, likewise.
        spread: whether there are datasets or seeds to resample.
    """

    entry: str
    value: Estimate
    costs: Mapping[str, float]
    front: Mapping[str, bool]
    probability: Mapping[str, float]
    spread: bool


def cost_points(board: Leaderboard, scores: Mapping[str, Scores]) -> tuple[CostPoint, ...]:
    """Every entry with a cost; the rankable ones with their place on the Pareto front of each cost axis.

    `scores` are the `seed_scores` of the board.

    Time and memory are left out where the entries were computed on different classes of devices.
    """
    one_device = len({entry.cost.device for entry in board.entries if entry.cost}) == 1
    shown = board.measures[-1]
    values = {entry.key: entry.average(shown, board.convention) for entry in board.entries if entry.cost}
    rankable = [entry for entry in board.entries if entry.rankable and values.get(entry.key)]
    accuracies = _accuracies(rankable, board, scores) if rankable else np.zeros((0, 1, 1, 1))
    fronts: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    chances: defaultdict[str, dict[str, float]] = defaultdict(dict)
    means = [value.mean for entry in rankable if (value := values[entry.key])]
    for axis in sorted(set.intersection(*(set(_costs(entry, one_device)) for entry in rankable))) if rankable else ():
        cost = [_costs(entry, one_device)[axis] for entry in rankable]
        chance = front_probability(cost, accuracies, generator=np.random.default_rng(FRONT_SEED))
        for entry, on_front, probability in zip(rankable, pareto_front(cost, means), chance, strict=True):
            fronts[entry.key][axis] = bool(on_front)
            chances[entry.key][axis] = float(probability)
    return tuple(
        CostPoint(
            entry=entry.key,
            value=value,
            costs=_costs(entry, one_device),
            front=fronts[entry.key],
            probability=chances[entry.key],
            spread=accuracies.shape[1] * accuracies.shape[2] > 1,
        )
        for entry in board.entries
        if (value := values.get(entry.key)) is not None
    )


def _costs(entry: Entry, one_device: bool) -> dict[str, float]:
    cost = entry.cost
    assert cost is not None
    time = "test_seconds" if cost.learns_from_tests else "train_seconds"
    of_the_device = {time: cost.learning_seconds, "memory": cost.added_memory_bytes} if one_device else {}
    known: dict[str, float | None] = {"parameters": cost.parameters_high, "passes": cost.passes, **of_the_device}
    return {name: float(value) for name, value in known.items() if value is not None}


def _accuracies(entries: Sequence[Entry], board: Leaderboard, scores: Mapping[str, Scores]) -> NDArray[np.float64]:
    """Accuracies `(entries, datasets, seeds, splits)`; a run without a seed is repeated for every seed."""
    table = np.empty((len(entries), len(board.averaged), len(board.seeds), len(board.splits)))
    for i, entry in enumerate(entries):
        for j, dataset in enumerate(board.averaged):
            runs = scores[entry.key][dataset]
            table[i, j] = [[runs[seed][split] for split in board.splits] for seed in board.seeds]
    return table
