"""The page's contrasts and slopes are those of the pure functions, for one measure at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

from bench.analysis.difficulty_trend import contrast_trends
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


@pytest.fixture(scope="module")
def board():
    return site_view(
        PageContent(runs_frame(protocols=("base-to-new",)), difficulty_frame(), catalogue(), package_version="0")
    ).boards[0]


def trends_of(board, measure):
    return next(trends for trends in board.part_trends if trends.measure == measure)


def test_each_contrast_is_paired_and_set_against_three_properties(board):
    trends = trends_of(board, "new")
    (contrast,) = trends.contrasts
    assert (contrast.part, contrast.method, contrast.without) == ("visual prompts", "VPT", "Zero-shot CLIP")
    assert [panel.covariate for panel in contrast.panels] == [covariate.name for covariate in trends.covariates]
    rows = [
        {"method": key, "dataset": dataset, "value": cell.scores["new"].mean}
        for (key, dataset), cell in board.cells.items()
        if cell.scores
    ]
    found = contrast_trends(pd.DataFrame(rows), trends.difficulty)
    assert [panel.result.rho for panel in contrast.panels] == [row.found.rho for row in found]
    assert [panel.result.p_corrected for panel in contrast.panels] == [row.p_holm for row in found]
    assert trends.tests == 3


def test_properties_are_those_of_the_measures_own_classes(board):
    base, new = (trends_of(board, measure).difficulty["chance"]["eurosat"] for measure in ("base", "new"))
    assert (base, new) == (1 / 5, 1 / 5)
    assert trends_of(board, "H").difficulty["chance"]["eurosat"] == 1 / 10


def test_a_line_is_there_exactly_where_it_predicts(board):
    for trends in board.part_trends:
        for contrast in trends.contrasts:
            for panel in contrast.panels:
                assert (panel.result.ends is None) == (panel.result.verdict == "inconclusive")


def test_the_score_that_easy_datasets_cannot_lift(board):
    method = next(m for m in trends_of(board, "H").methods if m.entry == "APEX")
    gains = np.sort(list(method.gains.values()))
    assert (method.gain, method.worst_third) == (pytest.approx(gains.mean()), pytest.approx(gains[:3].mean()))
    trends = trends_of(board, "H")
    assert set(trends.easy) == {"imagenet", "sun397", "stanford_cars"}
    assert method.easy == pytest.approx(np.mean([method.gains[dataset] for dataset in trends.easy]))


def test_a_group_mean_over_part_of_the_group_is_not_shown():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[(runs["method"] != "coop") | (runs["dataset"] != "imagenet")]
    board = site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0")).boards[0]
    method = next(m for m in trends_of(board, "H").methods if m.entry == "CoOp")
    assert (method.n, method.expected, method.easy) == (10, 11, None)
    assert method.hard is not None


def test_five_datasets_carry_no_line():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[runs["dataset"].isin(["dtd", "eurosat", "food101", "ucf101", "sun397"])]
    board = site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0")).boards[0]
    panels = [panel for trends in board.part_trends for c in trends.contrasts for panel in c.panels]
    assert panels
    assert {(panel.result.verdict, panel.result.ends) for panel in panels} == {("inconclusive", None)}
    assert trends_of(board, "H").easy == ()
