"""What averages are worth: noise with known parts, and equality in practice."""

import numpy as np
import pytest
from scipy import stats as reference

from bench.analysis import equivalence_probability, noise_of
from bench.analysis.statistics import grouped_t


def test_equivalence_is_the_mass_of_students_t_inside_the_margin():
    test = grouped_t([[0.01, 0.02, 0.0], [0.0, 0.01, -0.01]])
    inside = reference.t(test.df, test.mean, test.standard_error)
    assert equivalence_probability(test, 0.02) == pytest.approx(inside.cdf(0.02) - inside.cdf(-0.02))
    assert equivalence_probability(grouped_t([[0.5]])) is None


def test_one_more_seed_buys_what_a_design_with_one_more_has():
    """Tables with effects of seed and image: the predicted error is the mean error of designs with a seed more."""
    generator = np.random.default_rng(3)

    def drawn(seeds: int):
        parts = 0.05 * generator.normal(size=(seeds, 1)), 0.5 * generator.normal(size=(1, 400))
        table = parts[0] + parts[1] + 0.3 * generator.normal(size=(seeds, 400))
        return grouped_t([table.mean(1).tolist()], [[table]])

    predicted = [noise_of(drawn(6)).more_seeds ** 2 for _ in range(300)]
    actual = [drawn(7).standard_error ** 2 for _ in range(300)]
    assert np.mean(predicted) == pytest.approx(np.mean(actual), rel=0.1)
    noise = noise_of(drawn(6))
    assert 0 <= noise.seeds <= 1
    assert noise.seeds + noise.images == pytest.approx(1)
    assert noise.more_seeds <= noise.error
    assert noise_of(grouped_t([[0.1]], [[np.arange(4)[None] % 2]])) is None
