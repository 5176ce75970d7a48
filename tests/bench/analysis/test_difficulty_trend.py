import numpy as np
import pytest
from scipy import stats as reference

from bench.analysis.difficulty_trend import FEWEST_FOR_TREND, Trend, carried_trend, fit_trend
from bench.papers.published_numbers import published_difficulty


def test_the_line_equals_scipy_and_the_error_that_of_refitting_without_each_dataset():
    draw = np.random.default_rng(0)
    x = draw.normal(size=9)
    y = 2 * x + draw.normal(size=9)
    found, wanted = fit_trend(x, y), reference.linregress(x, y)
    assert (found.slope, found.intercept) == pytest.approx((wanted.slope, wanted.intercept))
    assert found.high - found.slope == pytest.approx(reference.t.ppf(0.975, 7) * wanted.stderr)
    missed, plain = [], []
    for i in range(9):
        rest = np.arange(9) != i
        line = np.polyfit(x[rest], y[rest], 1)
        missed.append(y[i] - np.polyval(line, x[i]))
        plain.append(y[i] - y[rest].mean())
    assert found.r2 == pytest.approx(1 - np.sum(np.square(missed)) / np.sum(np.square(plain)))


def test_the_interval_contains_the_true_slope_in_95_percent_of_simulations():
    """Eleven datasets with the published difficulties; noise of datasets and of methods."""
    table = published_difficulty().query("backbone == 'ViT-B-16.openai'")
    x = np.log(table["relative_transfer_difficulty"].to_numpy())
    draw = np.random.default_rng(1)
    found = [fit_trend(x, 0.02 * x + draw.normal(0, 0.03, len(x)) + draw.normal(0, 0.01, len(x))) for _ in range(800)]
    covered = np.mean([trend.low <= 0.02 <= trend.high for trend in found])
    assert covered == pytest.approx(0.95, abs=2.5 * np.sqrt(0.95 * 0.05 / 800))


def test_nothing_is_concluded_from_noise():
    draw = np.random.default_rng(2)
    noise = [fit_trend(draw.normal(size=11), draw.normal(size=11)) for _ in range(300)]
    concluded = np.mean([trend.verdict in ("rises", "falls") for trend in noise])
    assert concluded <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("low", "high", "n", "r2", "verdict"),
    [
        (0.1, 0.3, FEWEST_FOR_TREND, 0.5, "rises"),
        (-0.3, -0.1, FEWEST_FOR_TREND, 0.5, "falls"),
        (0.0, 0.3, FEWEST_FOR_TREND, 0.5, "flat"),
        (-0.3, 0.0, FEWEST_FOR_TREND, 0.5, "flat"),
        (0.1, 0.3, FEWEST_FOR_TREND - 1, 0.5, "inconclusive"),
        (0.1, 0.3, FEWEST_FOR_TREND, 0.0, "inconclusive"),
        (0.1, 0.3, FEWEST_FOR_TREND, None, "inconclusive"),
        (None, None, FEWEST_FOR_TREND, 0.5, "inconclusive"),
    ],
)
def test_a_line_is_judged_by_its_interval_if_it_predicts(low, high, n, r2, verdict):
    assert Trend(0.2, low, high, 0.0, n, r2).verdict == verdict


def test_two_datasets_have_a_line_without_an_interval():
    assert fit_trend([1, 3], [0, 1]) == Trend(0.5, None, None, -0.5, 2, None)
    assert fit_trend([1, 2, 3], [0, 1, 3]).low is not None
    for x, y in [([1], [1]), ([1, 2], [1]), ([1, 1], [1, 2])]:
        with pytest.raises(ValueError, match="two different difficulties"):
            fit_trend(x, y)


def test_a_dataset_that_alone_determines_the_slope_is_not_left_out():
    """Without the last dataset all difficulties are equal, so no line can be fitted to the rest."""
    found = fit_trend([0, 0, 0, 1], [0.0, 1.0, 2.0, 5.0])
    plain = np.array([0.0, 1.0, 2.0]) - np.array([8 / 3, 7 / 3, 2.0])
    assert found.r2 == pytest.approx(1 - (1.5**2 + 1.5**2) / np.sum(np.square(plain)))
    assert found.slope == pytest.approx(4)


def test_a_trend_names_the_dataset_that_carries_it():
    """Without the last dataset, the line is flat."""
    names = list("abcdefgh")
    x, y = [0, 1, 2, 3, 4, 5, 6, 20], [0.1, 0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 0.9]
    found = carried_trend(names, x, y)
    assert (found.verdict, found.carrier, found.n) == ("rises", "h", 8)
    assert fit_trend(x[:-1], y[:-1]).verdict in ("flat", "inconclusive")
    assert carried_trend(names, x, [0.01 * value for value in x]).carrier is None, "all datasets agree"
    assert carried_trend(names, x, [0.1, 0.0] * 4).carrier is None, "no trend"
