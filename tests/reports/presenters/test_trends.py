"""The page's contrasts and slopes are those of the pure functions, for one measure at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

from bench.analysis.difficulty_trend import contrast_trends
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.titles import COVARIATE_AXES


@pytest.fixture(scope="module")
def board():
    return site_view(
        PageContent(runs_frame(protocols=("base-to-new",)), difficulty_frame(), catalogue(), package_version="0")
    ).boards[0]


def trends_of(board, measure):
    return next(trends for trends in board.trends if trends.measure == measure)


def test_each_contrast_is_paired_and_set_against_three_properties(board):
    trends = trends_of(board, "new")
    (contrast,) = trends.contrasts
    first = contrast.trends[0]
    assert (first.part, first.method, first.without) == ("visual prompts", "vpt", "zero_shot")
    assert [trend.covariate for trend in contrast.trends] == [covariate.name for covariate in COVARIATE_AXES]
    rows = [
        {"method": entry.key, "dataset": dataset, "value": cell.scores["new"].mean}
        for entry in board.board.entries
        for dataset, cell in entry.cells.items()
    ]
    found = contrast_trends(pd.DataFrame(rows), trends.difficulty)
    assert [trend.found.rho for trend in contrast.trends] == [row.found.rho for row in found]
    assert [trend.p_holm for trend in contrast.trends] == [row.p_holm for row in found]
    assert trends.tests == 3


def test_properties_are_those_of_the_measures_own_classes(board):
    base, new = (trends_of(board, measure).difficulty["chance"]["eurosat"] for measure in ("base", "new"))
    assert (base, new) == (1 / 5, 1 / 5)
    assert trends_of(board, "H").difficulty["chance"]["eurosat"] == 1 / 10


def test_a_line_is_there_exactly_where_it_predicts(board):
    for trends in board.trends:
        for contrast in trends.contrasts:
            for trend in contrast.trends:
                assert (trend.ends is None) == (trend.verdict == "inconclusive")


def test_the_score_that_easy_datasets_cannot_lift(board):
    method = next(m for m in trends_of(board, "H").methods if m.method == "apex")
    gains = np.sort(list(method.gains.values()))
    assert (method.gain, method.worst_third) == (pytest.approx(gains.mean()), pytest.approx(gains[:3].mean()))
    trends = trends_of(board, "H")
    assert set(trends.easy) == {"imagenet", "sun397", "stanford_cars"}
    assert method.mean_on(trends.easy) == pytest.approx(np.mean([method.gains[dataset] for dataset in trends.easy]))


def test_a_group_mean_over_part_of_the_group_is_not_shown():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[(runs["method"] != "coop") | (runs["dataset"] != "imagenet")]
    board = site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0")).boards[0]
    trends = trends_of(board, "H")
    method = next(m for m in trends.methods if m.method == "coop")
    assert (len(method.gains), len(board.averaged), method.mean_on(trends.easy)) == (10, 11, None)
    assert method.mean_on(trends.hard) is not None


def test_five_datasets_carry_no_line():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[runs["dataset"].isin(["dtd", "eurosat", "food101", "ucf101", "sun397"])]
    board = site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0")).boards[0]
    found = [trend for trends in board.trends for c in trends.contrasts for trend in c.trends]
    assert found
    assert {(trend.verdict, trend.ends) for trend in found} == {("inconclusive", None)}
    assert trends_of(board, "H").easy == ()
