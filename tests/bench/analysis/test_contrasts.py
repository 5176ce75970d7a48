"""Contrasts against difficulty: verdicts at their bounds, and what a table without enough datasets gives."""

from __future__ import annotations

import pandas as pd
import pytest

from bench.analysis.difficulty_trend import FEWEST_FOR_TREND, LEVEL, ContrastTrend, Trend, contrast_trends, fit_trend
from bench.analysis.statistics.correlation import Correlation

PREDICTIVE = Trend(1.0, 0.5, 1.5, 0.0, FEWEST_FOR_TREND, 0.1, 0.4)
RISING = Correlation(0.9, FEWEST_FOR_TREND, 0.001)


def verdict(found: Correlation | None = RISING, p: float | None = 0.01, trend: Trend | None = PREDICTIVE) -> str:
    return ContrastTrend("part", "a", "b", "difficulty", {}, found, p, trend).verdict


def test_a_verdict_needs_a_line_that_predicts_and_a_significant_correlation():
    assert verdict() == "rises"
    assert verdict(Correlation(-0.9, FEWEST_FOR_TREND, 0.001)) == "falls"
    assert verdict(p=LEVEL) == "rises"
    assert verdict(p=LEVEL + 1e-9) == "not significant"
    assert {verdict(found=None), verdict(p=None), verdict(trend=None)} == {"inconclusive"}
    assert verdict(trend=Trend(1.0, 0.5, 1.5, 0.0, FEWEST_FOR_TREND, 0.1, 0.0)) == "inconclusive"


def frame(**rows: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"method": m, "dataset": d, "value": v} for m, values in rows.items() for d, v in values.items()]
    )


def test_differences_are_those_of_shared_datasets_with_the_covariate():
    values = frame(a={"w": 0.9, "x": 0.8, "y": 0.9, "z": 0.5}, b={"w": 0.5, "x": 0.6, "y": 0.8}, c={"w": 0.1, "x": 0.1})
    measured = {
        "zero_shot_error": {"w": 0.6, "x": 0.4, "y": 0.3, "z": 0.1},
        "same_everywhere": {"w": 0.5, "x": 0.5, "y": 0.5},
        "few": {"w": 0.6, "x": 0.4},
    }
    contrasts = [("one", "a", "b"), ("two", "a", "c"), ("three", "a", "absent"), ("four", "absent", "a")]
    rows = {(row.part, row.covariate): row for row in contrast_trends(values, measured, contrasts=contrasts)}
    assert set(rows) == {(part, covariate) for part in ("one", "two") for covariate in measured}
    row = rows["one", "zero_shot_error"]
    assert row.differences == pytest.approx({"w": 0.4, "x": 0.2, "y": 0.1})
    assert row.trend == fit_trend([0.6, 0.4, 0.3], list(row.differences.values()))
    assert row.found is not None
    assert row.found.rho == pytest.approx(1)
    assert row.p_holm is not None
    assert row.p_holm >= row.found.p
    assert rows["one", "same_everywhere"].trend is None
    assert (rows["one", "few"].trend, rows["one", "few"].found, rows["one", "few"].p_holm) == (None, None, None)
    assert rows["two", "zero_shot_error"].trend is None
