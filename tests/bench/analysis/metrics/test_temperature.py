"""The temperature: against a grid, on simulated logits with a known one, and where the images say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from bench.analysis.metrics.scores import fit_temperature, nll


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_simulated_logits_is_found(true: float) -> None:
    generator = np.random.default_rng(0)
    honest = generator.normal(size=(4000, 5)) * 2
    labels = np.array([generator.choice(5, p=p) for p in softmax(honest, axis=1)])
    assert fit_temperature(honest * true, labels) == pytest.approx(true, rel=0.06)


def test_it_minimises_the_likelihood_on_a_grid() -> None:
    generator = np.random.default_rng(1)
    logits, labels = generator.normal(size=(300, 4)) * 6, generator.integers(0, 4, 300)
    grid = np.exp(np.linspace(-3, 6, 901))
    cost = [300 * nll(logits / t, labels) + 0.5 * np.log(t) ** 2 for t in grid]
    assert fit_temperature(logits, labels) == pytest.approx(grid[int(np.argmin(cost))], rel=0.02)


def test_a_few_images_that_are_all_right_do_not_make_it_vanish() -> None:
    assert 0.2 < fit_temperature(np.eye(3) * 4, [0, 1, 2]) < 1
