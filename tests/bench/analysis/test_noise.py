"""What averages are worth: noise with known parts, and equality in practice."""

import numpy as np
import pytest
from scipy import stats as reference

from bench.analysis import equivalence_probability, seed_share
from bench.analysis.statistics import grouped_t


def test_equivalence_is_the_mass_of_students_t_inside_the_margin():
    test = grouped_t([[0.01, 0.02, 0.0], [0.0, 0.01, -0.01]])
    inside = reference.t(test.df, test.mean, test.standard_error)
    assert equivalence_probability(test, 0.02) == pytest.approx(inside.cdf(0.02) - inside.cdf(-0.02))
    assert equivalence_probability(grouped_t([[0.5]])) is None


def test_the_share_of_the_seeds_is_that_of_the_simulated_variance():
    """Tables with effects of seed and image: 0.05^2 / 6 of the seeds, 0.5^2 / 400 of the images."""
    generator = np.random.default_rng(3)

    def drawn():
        parts = 0.05 * generator.normal(size=(6, 1)), 0.5 * generator.normal(size=(1, 400))
        table = parts[0] + parts[1]
        return grouped_t([table.mean(1).tolist()], [[table]])

    assert np.mean([seed_share(drawn()) for _ in range(300)]) == pytest.approx(0.40, abs=0.05)
    assert seed_share(grouped_t([[0.1]], [[np.arange(4)[None] % 2]])) is None
