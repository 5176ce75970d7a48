"""For any database, the page is written and names what is missing: no traceback, no mean without a warning."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from page_data import drawn_of, evidence_of
from report_sample import difficulty_frame, runs_frame, sample_site

from bench.papers.claims import load_claims
from bench.papers.published_numbers import published_frame
from reports import render_site


@pytest.fixture(scope="module")
def runs():
    return runs_frame(protocols=("base-to-new",))


@pytest.fixture
def write(tmp_path):
    def write(runs, difficulty=None):
        """The view, and the text of the page with that of the parts that scripts draw."""
        measured = difficulty_frame() if difficulty is None else difficulty
        site = sample_site(runs, measured, claims=load_claims(), published=published_frame())
        page = render_site(site, tmp_path / "a.html").read_text("utf-8")
        content = page[page.index("<main") : page.index("</main>")] + (drawn_of(page) if site.boards else "")
        assert not re.search(r">\s*[±+−-]?nan\b", content, re.IGNORECASE)
        return site, content

    return write


def test_one_seed(write, runs):
    site, page = write(runs[runs["seed"].isin([0, 1])])
    assert "difference can be tested" in page
    assert not any(test.clear for test in site.boards[0].verdict.here.values())


def test_all_failed(write, runs):
    failed = runs.drop_duplicates("run_id").assign(status="failed", error_message="boom", split=None, accuracy=None)
    site, page = write(failed)
    assert "failed: boom" in page
    board = site.boards[0].board
    assert all(board.average(entry.key, measure) is None for entry in board.entries for measure in board.measures)


def test_a_mean_over_part_of_the_grid_is_hatched_and_carries_n_of_n(write, runs, tmp_path):
    site, page = write(runs[(runs["method"] != "coop") | (runs["dataset"] != "dtd")])
    (board,) = site.boards
    folds = evidence_of((tmp_path / "a.html").read_text("utf-8"), board.anchor)["folds"]
    table = next(part[1] for part in folds[f"{board.anchor}-board"] if part[0] == "table")
    row = table["rows"][[entry.key for entry in site.boards[0].board.entries].index("coop")]
    gaps = [cell for cell in row if isinstance(cell, list) and "gap" in str(cell)]
    assert len(gaps) == 4, "three means, one count"
    assert gaps[-1][0] == "30/33"
    assert all(cell[1] is None for cell in gaps), "no interval"
    assert "Incomplete, not ranked" in page
    assert "30 of 33 runs" in page
    assert "coop" not in site.boards[0].verdict.ranks


def test_scores_that_are_not_numbers_are_missing_and_named(write, runs):
    odd = runs.copy()
    one = (odd["method"] == "coop") & (odd["dataset"] == "dtd") & (odd["seed"] == 1) & (odd["split"] == "new")
    odd.loc[one, "accuracy"] = np.nan
    site, page = write(odd)
    entry = next(entry for entry in site.boards[0].board.entries if entry.key == "coop")
    assert (entry.n, entry.expected, entry.rankable) == (32, 33, False)
    assert "new is not a number" in page
    assert "not a number" in write(runs.assign(accuracy=np.nan))[1]


def test_two_backbones_are_never_on_one_board(write, runs):
    other = runs.assign(backbone="RN50.openai", run_id=runs["run_id"].str[::-1])
    site, _ = write(pd.concat([runs, other]))
    assert [board.board.setting.backbone for board in site.boards] == ["RN50.openai", "ViT-B-16.openai"]
    assert len({board.board.n_runs for board in site.boards}) == 1
    assert [bool(overview.answers["H"].places) for overview in site.overviews] == [False, True]


def test_difficulties_that_are_missing_or_zero(write, runs):
    for value in (np.nan, 0.0):
        measured = difficulty_frame()
        measured.loc[measured["dataset"] == "dtd", "value"] = value
        site, _ = write(runs, measured)
        assert "dtd" not in site.overviews[0].answers["H"].difficulty["relative_transfer_difficulty"]
