import numpy as np
import pandas as pd
import pytest
from published_tables import published_values
from scipy import stats as reference

from bench.analysis.dataset_difficulty import RTD, covariates
from bench.analysis.difficulty_trend import (
    FEWEST_FOR_TREND,
    PUBLISHED_CONTRASTS,
    Trend,
    carried_trend,
    contrast_trends,
    fit_trend,
    method_trends,
)
from bench.papers.published_numbers import published_difficulty


def frame(**rows: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"method": m, "dataset": f"d{i}", "value": v} for m, values in rows.items() for i, v in enumerate(values)]
    )


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
    assert found.error == pytest.approx(np.sqrt(np.mean(np.square(missed))))
    assert found.r2 == pytest.approx(1 - np.sum(np.square(missed)) / np.sum(np.square(plain)))


def test_the_interval_contains_the_true_slope_in_93_percent_of_simulations():
    """Eleven datasets with the published difficulties; noise of datasets and of methods."""
    table = published_difficulty().query("backbone == 'ViT-B-16.openai'")
    x = np.log(table["relative_transfer_difficulty"].to_numpy())
    draw = np.random.default_rng(1)
    found = [fit_trend(x, 0.02 * x + draw.normal(0, 0.03, len(x)) + draw.normal(0, 0.01, len(x))) for _ in range(1500)]
    assert 0.93 <= np.mean([trend.low <= 0.02 <= trend.high for trend in found]) <= 0.97


def test_nothing_is_concluded_from_noise_or_from_few_datasets():
    draw = np.random.default_rng(2)
    noise = [fit_trend(draw.normal(size=11), draw.normal(size=11)) for _ in range(500)]
    assert np.mean([trend.verdict in ("rises", "falls") for trend in noise]) <= 0.06
    five = fit_trend([1, 2, 3, 4, 5], [1.0, 2.1, 2.9, 4.2, 5.0])
    assert (five.verdict, five.conclusive) == ("inconclusive", False)
    assert fit_trend([1, 2, 3, 4, 5, 6], [1.0, 2.1, 2.9, 4.2, 5.0, 5.9]).verdict == "rises"
    flat = fit_trend([1, 2], [1.0, 1.0])
    assert (flat.low, flat.verdict) == (None, "inconclusive")
    with pytest.raises(ValueError, match="two different difficulties"):
        fit_trend([1, 1], [0.1, 0.2])


def test_a_method_whose_gain_rises_with_difficulty():
    hard = [0.01 * 2**i for i in range(8)]
    measured = {"relative_transfer_difficulty": {f"d{i}": value for i, value in enumerate(hard)}}
    zero_shot = [0.5] * 8
    values = frame(
        zero_shot=zero_shot, rising=[0.5 + 0.03 * i for i in range(8)], flat=[0.6, 0.61] * 4, worse=[0.49, 0.48] * 4
    )
    found = {trend.method: trend for trend in method_trends(values, measured)}
    assert found["rising"].slopes[RTD].verdict == "rises"
    assert found["rising"].slopes[RTD].slope == pytest.approx(0.03 / np.log(2))
    assert found["flat"].slopes[RTD].verdict == "inconclusive"
    assert found["rising"].worst_third == pytest.approx(0.015)
    assert found["worse"].gain < 0
    assert method_trends(values, measured, baseline="none") == []


def test_two_values_for_one_method_and_dataset_are_an_error():
    twice = pd.concat([frame(a=[0.1]), frame(a=[0.2])])
    with pytest.raises(ValueError, match="a has several values on d0"):
        method_trends(twice, {})


def test_the_published_contrast_of_visual_prompts_on_base_classes():
    """DePT's table, VPT - CoOp: +0.83, p .002; +0.77 without EuroSAT. 1/C: +0.54 to +0.80, error: +0.33 to +0.45."""
    measured = covariates(published_difficulty().query("backbone == 'ViT-B-16.openai'"))
    values = published_values("Koorye/DePT", split="base")
    found, fewer = (
        {
            row.covariate: row
            for row in contrast_trends(chosen, measured, contrasts=PUBLISHED_CONTRASTS)
            if (row.method, row.without) == ("vpt", "coop")
        }
        for chosen in (values, values[values["dataset"] != "eurosat"])
    )
    rtd, without_eurosat = (rows["relative_transfer_difficulty"] for rows in (found, fewer))
    assert rtd.found.rho == pytest.approx(0.83, abs=0.01)
    assert rtd.found.p == pytest.approx(0.002, abs=0.002)
    assert without_eurosat.found.rho == pytest.approx(0.77, abs=0.01)
    assert without_eurosat.found.n == 10
    assert 0.32 <= found["zero_shot_error"].found.rho <= 0.45
    assert 0.53 <= found["chance"].found.rho <= 0.81
    assert rtd.p_holm > rtd.found.p


def test_published_gains_rise_with_difficulty():
    """Gains on base classes rise with difficulty for every kind of method, since zero-shot leaves more errors."""
    measured = covariates(published_difficulty().query("backbone == 'ViT-B-16.openai'"))
    values = published_values("zhengli97/PromptKD", split="base")
    trends = method_trends(values, measured)
    assert all(trend.slopes.keys() == set(measured) for trend in trends)
    assert all(trend.gain > 0 for trend in trends)
    rising = [trend.slopes[RTD].slope > 0 for trend in trends]
    assert len(rising) >= 5
    assert all(rising)


def test_null_contrasts_are_rarely_significant_after_holm():
    draw = np.random.default_rng(3)
    measured = {name: {f"d{i}": float(v) for i, v in enumerate(draw.random(8) + 0.1)} for name in ("chance", "b")}
    contrasts = [("p", f"m{i}", "host") for i in range(4)]
    false = 0
    for _ in range(60):
        values = frame(host=[0.5] * 8, **{f"m{i}": draw.normal(0.5, 0.1, 8).tolist() for i in range(4)})
        false += any(row.p_holm <= 0.05 for row in contrast_trends(values, measured, contrasts=contrasts))
    assert false <= 7  # 60 worlds at 5 %: at most 7 with probability 0.99


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
def test_a_line_is_judged_by_its_interval_if_it_predicts(
    low: float | None, high: float | None, n: int, r2: float | None, verdict: str
):
    assert Trend(0.2, low, high, 0.0, n, 0.1, r2).verdict == verdict


def test_two_datasets_have_a_line_without_an_interval():
    assert fit_trend([1, 3], [0, 1]) == Trend(0.5, None, None, -0.5, 2, None, None)
    assert fit_trend([1, 2, 3], [0, 1, 3]).low is not None
    for x, y in [([1], [1]), ([1, 2], [1]), ([1, 1], [1, 2])]:
        with pytest.raises(ValueError, match="two different difficulties"):
            fit_trend(x, y)


def test_a_dataset_that_alone_determines_the_slope_is_not_left_out():
    """Without the last dataset all difficulties are equal, so no line can be fitted to the rest."""
    found = fit_trend([0, 0, 0, 1], [0.0, 1.0, 2.0, 5.0])
    assert found.error == pytest.approx(np.sqrt(np.mean([1.5**2, 0, 1.5**2])))
    assert found.slope == pytest.approx(4)


def test_the_worst_third_has_at_least_one_dataset():
    measured = {"zero_shot_error": {f"d{i}": i / 10 for i in range(7)}}
    values = frame(zero_shot=[0.5] * 7, coop=[0.9, 0.4, 0.7, 0.6, 0.3, 0.8, 0.65])
    (found,) = method_trends(values, measured)
    assert found.worst_third == pytest.approx((-0.2 - 0.1) / 2)
    assert found.gain == pytest.approx(np.mean([0.4, -0.1, 0.2, 0.1, -0.2, 0.3, 0.15]))
    (three,) = method_trends(frame(zero_shot=[0.5] * 3, coop=[0.9, 0.4, 0.7]), measured)
    assert three.worst_third == pytest.approx(-0.1)
    assert method_trends(frame(zero_shot=[0.5] * 2, coop=[0.9, 0.4]), measured) == []
    assert method_trends(frame(coop=[0.9, 0.4, 0.7]), measured) == []


def test_a_trend_names_the_dataset_that_carries_it():
    """Without the last dataset, the line is flat."""
    names = list("abcdefgh")
    x, y = [0, 1, 2, 3, 4, 5, 6, 20], [0.1, 0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 0.9]
    found = carried_trend(names, x, y)
    assert (found.verdict, found.carrier, found.n) == ("rises", "h", 8)
    assert fit_trend(x[:-1], y[:-1]).verdict in ("flat", "inconclusive")
    assert carried_trend(names, x, [0.01 * value for value in x]).carrier is None, "all datasets agree"
    assert carried_trend(names, x, [0.1, 0.0] * 4).carrier is None, "no trend"
