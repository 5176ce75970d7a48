"""Simulations with known truth: coverage and level of tests of means."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from bench.analysis.statistics import crossed, mean_tests, products


def test_grouped_t_covers_and_keeps_its_level():
    """Eleven datasets, three seeds, noise that differs fourfold between datasets; differences vary, their mean is 0."""
    draw = np.random.default_rng(1)
    true = draw.normal(0, 0.05, 11)
    true -= true.mean()
    tables = true[:, None] + draw.normal(size=(2500, 11, 3)) * np.geomspace(0.005, 0.02, 11)[:, None]
    found = mean_tests([crossed(tables[:, dataset], [], range(2500)) for dataset in range(11)])
    assert 0.93 <= np.mean([test.low <= 0 <= test.high for test in found]) <= 0.97
    assert np.mean([test.p <= 0.05 for test in found]) <= 0.06


@pytest.mark.parametrize(
    ("datasets", "seeds", "seed_effect", "noise"), [(2, 2, 0.1, 0.5), (3, 2, 0.0, 0.8), (2, 2, 0.0, 0.0)]
)
def test_the_average_over_datasets_covers_other_seeds_and_images(datasets, seeds, seed_effect, noise):
    """Two methods on the same images, two class halves a dataset. Without noise both are deterministic."""
    draw = np.random.default_rng(8)
    own, images, repeats = 0.7, 100, 700
    scale = math.sqrt(1 + own**2 + seed_effect**2 + noise**2)
    truth = float(ndtr(0.6 / scale) - ndtr(0.5 / scale))

    def outcomes() -> np.ndarray:
        """Half of A's minus B's outcomes of each image: (repeats, seeds, images)."""
        shared = draw.normal(size=(repeats, 1, images))
        right = []
        for shift in (0.6, 0.5):
            latent = shift + shared + own * draw.normal(size=shared.shape)
            latent = latent + seed_effect * draw.normal(size=(repeats, seeds, 1))
            right.append((latent + noise * draw.normal(size=(repeats, seeds, images)) > 0).astype(float))
        return (right[0] - right[1]) / 2

    tables = [(outcomes(), outcomes()) for _ in range(datasets)]
    covered = []
    for i in range(repeats):
        halves = [[half[i] for half in table] for table in tables]
        sums = [sum(half.mean(1) for half in pair) for pair in halves]
        sets = [[(products(half[None]), np.ones(1)) for half in pair] for pair in halves]
        (found,) = mean_tests([crossed([values], of, [0]) for values, of in zip(sums, sets, strict=True)])
        covered.append(found.low <= truth <= found.high)
    error = math.sqrt(0.95 * 0.05 / repeats)
    assert 0.94 - 2 * error <= np.mean(covered) <= 0.96 + 2 * error
