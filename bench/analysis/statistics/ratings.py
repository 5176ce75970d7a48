"""Bradley-Terry strengths on the Elo scale, from pairwise wins over datasets, with a bootstrap interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ELO = 400 / math.log(10)
"""Elo points per unit of (natural) log odds: 400 points are odds of ten to one."""

_MOST_STEPS = 200
_LARGEST_STRENGTH = 15.0


@dataclass(frozen=True)
class Rating:
    """A method's Elo rating; the mean over methods is 1000.

    Args:
        low: lower end of the bootstrap interval over datasets, None for one dataset; `high` is the upper end.
        win_rate: share of comparisons won, 0..1; a tie counts one half.
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
    """Elo ratings from every pairwise comparison on every dataset, best first.

    Args:
        scores: `(datasets, methods)`, one name per column; larger is better, equal scores count half a win for each.
            ValueError if the table has missing values or fewer than two methods.
        generator: for the bootstrap, which resamples datasets.
        prior: wins added to both sides of each pair. Without them, a method that always wins has no finite rating.
        level: confidence level of the interval, 0..1.

    Example:
        >>> found = elo_ratings(["a", "b"], [[0.9, 0.8]], generator=np.random.default_rng(0))
        >>> [(rating.name, round(rating.elo, 1)) for rating in found]  # 1.5 wins to 0.5: 400 log10(3) = 190.8 apart
        [('a', 1095.4), ('b', 904.6)]
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
    ends: list[list[float | None]] = [[None] * k, [None] * k]
    if n > 1:
        weights = generator.multinomial(n, np.full(n, 1 / n), size=replicates)
        drawn = bradley_terry(np.einsum("bn,nij->bij", weights, outcomes), prior=prior)
        ends = (1000 + ELO * np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)).tolist()
    elo, rates = (1000 + ELO * strengths).tolist(), (wins.sum(1) / (n * (k - 1))).tolist()
    found = [Rating(*values) for values in zip(names, elo, *ends, rates, strict=True)]
    return sorted(found, key=lambda rating: (-rating.elo, rating.name))


def win_rates(scores: ArrayLike) -> NDArray[np.float64]:
    """Share of datasets on which the row's method beats the column's, `(methods, methods)`. Ties and diagonal are 1/2.

    Example:
        >>> win_rates([[0.9, 0.8], [0.7, 0.7]]).tolist()
        [[0.5, 0.75], [0.25, 0.5]]
    """
    rates: NDArray[np.float64] = _outcomes(np.asarray(scores, dtype=float)).mean(0)
    np.fill_diagonal(rates, 0.5)
    return rates


def bradley_terry(wins: ArrayLike, *, prior: float = 0.5) -> NDArray[np.float64]:
    """Maximum-likelihood strengths theta with P(i beats j) = 1 / (1 + exp(theta_j - theta_i)) and mean zero.

    `wins`, `(..., k, k)`, counts how often the row's method beat the column's; `prior` is added off the diagonal.
    Raises ValueError if the strengths do not converge, as when a method won or lost every comparison and `prior` is 0.

    Example:
        >>> (math.e ** bradley_terry([[0, 3], [1, 0]], prior=0)).round(4).tolist()  # odds 3 to 1: sqrt 3 and 1 / sqrt 3
        [1.7321, 0.5774]
    """
    table = np.asarray(wins, dtype=float)
    k = table.shape[-1]
    table = np.where(np.eye(k, dtype=bool), 0.0, table + prior)
    games, won = table + np.swapaxes(table, -1, -2), table.sum(-1)
    theta = np.zeros(table.shape[:-1])
    for _ in range(_MOST_STEPS):
        chance = 1 / (1 + np.exp(theta[..., None, :] - theta[..., :, None]))
        slope = won - (games * chance).sum(-1)
        weight = games * chance * (1 - chance)
        curvature = np.eye(k) * weight.sum(-1)[..., None] - weight + 1 / k  # 1/k fixes the mean at zero
        if np.abs(theta).max() > _LARGEST_STRENGTH:
            break
        step = np.clip(np.linalg.solve(curvature, slope[..., None])[..., 0], -1, 1)
        theta = theta + step
        theta -= theta.mean(-1, keepdims=True)
        if np.abs(step).max() < 1e-10:
            strengths: NDArray[np.float64] = theta
            return strengths
    raise ValueError("Strengths grow without bound: some method won or lost every comparison. Use a prior above 0.")


def _outcomes(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(datasets, k, k)`: 1 if the row's method scored higher, 1/2 if equal, 0 otherwise and on the diagonal."""
    difference = table[:, :, None] - table[:, None, :]
    return (np.sign(difference) + 1) / 2 * ~np.eye(table.shape[1], dtype=bool)
