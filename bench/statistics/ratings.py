"""Bradley-Terry strengths on the Elo scale: who wins against whom how often, with a bootstrap over datasets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ELO = 400 / math.log(10)
"""Elo points per natural unit of strength: 400 points are odds of ten to one."""

_STEPS = 200
_FARTHEST = 15.0


@dataclass(frozen=True)
class Rating:
    """A method's Elo rating; the mean over methods is 1000.

    Args:
        elo: from all datasets.
        low: lower end of the bootstrap interval over datasets, None for one dataset.
        high: upper end.
        win_rate: share of comparisons won, ties half.
    """

    name: str
    elo: float
    low: float | None
    high: float | None
    win_rate: float


def elo_ratings(
    names: Sequence[str],
    scores: ArrayLike,
    *,
    generator: np.random.Generator,
    prior: float = 0.5,
    level: float = 0.95,
    replicates: int = 1000,
) -> list[Rating]:
    """Elo ratings of methods from every pairwise comparison on every dataset, best first.

    Args:
        names: one per column.
        scores: `(datasets, methods)`, larger is better; equal scores are half a win for each.
        generator: of the bootstrap, which resamples datasets.
        prior: wins added in both directions of each pair; without them a method that always wins has no finite rating.
        level: of the interval.
        replicates: resamples.

    Raises:
        ValueError: a table that is too small or has gaps.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or table.shape[1] < 2 or table.shape[1] != len(names) or not np.isfinite(table).all():
        raise ValueError(
            f"Ratings need a full table of datasets x {len(names)} methods, at least 2, got shape {table.shape}. "
            "Leave out datasets or methods with missing runs."
        )
    n, k = table.shape
    outcomes = _outcomes(table)
    wins = outcomes.sum(0)
    strengths = bradley_terry(wins, prior=prior)
    low = high = np.full(k, np.nan)
    if n > 1:
        weights = generator.multinomial(n, np.full(n, 1 / n), size=replicates)
        drawn = bradley_terry(np.einsum("bn,nij->bij", weights, outcomes), prior=prior)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    rates = wins.sum(1) / (n * (k - 1))
    found = [
        Rating(
            names[i],
            1000 + ELO * float(strengths[i]),
            1000 + ELO * float(low[i]) if n > 1 else None,
            1000 + ELO * float(high[i]) if n > 1 else None,
            float(rates[i]),
        )
        for i in range(k)
    ]
    return sorted(found, key=lambda rating: (-rating.elo, rating.name))


def win_rates(scores: ArrayLike) -> NDArray[np.float64]:
    """`(methods, methods)`: share of datasets on which the row's method beats the column's, ties half; diagonal 1/2."""
    rates: NDArray[np.float64] = _outcomes(np.asarray(scores, dtype=float)).mean(0)
    np.fill_diagonal(rates, 0.5)
    return rates


def bradley_terry(wins: ArrayLike, *, prior: float = 0.5) -> NDArray[np.float64]:
    """Maximum-likelihood strengths theta with P(i beats j) = 1 / (1 + exp(theta_j - theta_i)), mean zero.

    Args:
        wins: `(..., k, k)`: how often the row's method beat the column's; several tables at once.
        prior: added to every off-diagonal entry.

    Raises:
        ValueError: strengths that do not converge, as where a method won or lost everything and `prior` is 0.
    """
    table = np.asarray(wins, dtype=float)
    k = table.shape[-1]
    table = np.where(np.eye(k, dtype=bool), 0.0, table + prior)
    games, won = table + np.swapaxes(table, -1, -2), table.sum(-1)
    theta = np.zeros(table.shape[:-1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(theta[..., None, :] - theta[..., :, None]))
        slope = won - (games * chance).sum(-1)
        weight = games * chance * (1 - chance)
        curvature = np.eye(k) * weight.sum(-1)[..., None] - weight + 1 / k  # 1/k holds the mean at zero
        if np.abs(theta).max() > _FARTHEST:
            break
        step = np.clip(np.linalg.solve(curvature, slope[..., None])[..., 0], -1, 1)
        theta = theta + step
        theta -= theta.mean(-1, keepdims=True)
        if np.abs(step).max() < 1e-10:
            strengths: NDArray[np.float64] = theta
            return strengths
    raise ValueError("Strengths grow without bound: some method won or lost every comparison. Use a prior above 0.")


def _outcomes(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(datasets, k, k)`: 1 where the row's method scored higher, 1/2 where equal."""
    difference = table[:, :, None] - table[:, None, :]
    return (np.sign(difference) + 1) / 2 * ~np.eye(table.shape[1], dtype=bool)
