import csv
import io

import numpy as np
import pandas as pd
import pytest
from report_sample import (
    BACKBONE,
    DATASETS,
    METHODS,
    catalogue,
    difficulty_frame,
    provenance_frame,
    runs_frame,
    sample_site,
)
from worlds import make_world

from bench.analysis.measures import HConvention
from bench.api import export_leaderboards
from bench.papers.catalogue import Catalogue, DatasetFacts, registered
from bench.results.database import fresh_store
from methods import get_method
from reports.parts.leaderboard import ranking_table
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


@pytest.fixture(scope="module")
def site():
    runs = runs_frame()
    made = provenance_frame(runs)
    return sample_site(runs, made=made)


@pytest.fixture(scope="module")
def board(site):
    return next(board for board in site.boards if board.board.setting.protocol == "base-to-new")


def test_one_block_per_setting(site):
    settings = [board.board.setting for board in site.boards]
    assert [(setting.backbone, setting.protocol, setting.shots) for setting in settings] == [
        (BACKBONE, "base-to-new", 16),
        (BACKBONE, "few-shot", 16),
    ]
    assert len({board.anchor for board in site.boards}) == 2


def with_predictions_of_others(runs):
    """The runs and, again, those of one method as imported predictions."""
    method = next(name for name in runs["method"] if name != "zero_shot")
    others = runs[runs["method"] == method].copy()
    others["method"] = f"external:{method}"
    others["run_id"] = others["run_id"].str.replace("^.", "f", regex=True)
    return pd.concat([runs, others], ignore_index=True)


def test_code_of_others_has_a_board_with_it_and_one_without_and_is_shown_once_if_nothing_else_is_there():
    runs = with_predictions_of_others(runs_frame(protocols=("few-shot",)))
    site = sample_site(runs)
    scopes = [("own-code" in view.anchor, view.own) for view in site.overviews]
    assert scopes == [(False, False), (True, True)]
    of_others = [
        [entry.method for entry in board.board.entries if entry.method.startswith("external:")] for board in site.boards
    ]
    assert (len(of_others[0]), of_others[1]) == (1, [])
    assert len(site.boards[1].board.entries) == len(site.boards[0].board.entries) - 1
    runs = runs[runs["method"].str.startswith("external:")]
    site = sample_site(runs)
    assert [view.own for view in site.overviews] == [False]


def test_the_published_zero_shot_line(board):
    """CoCoOp's table: 69.34, 74.22, H 71.70; the mean of the per-dataset H is another number."""
    conventions = HConvention.MEAN_OF_H, HConvention.H_OF_MEANS
    h, other_h = (board.board.average("zero_shot", "H", convention) for convention in conventions)
    base, new = (board.board.average("zero_shot", measure) for measure in ("base", "new"))
    assert [round(100 * value.mean, 2) for value in (base, new, h)] == [69.34, 74.22, 71.59]
    assert (round(100 * other_h.mean, 2), h.half_width) == (71.70, None)
    assert board.board.convention is HConvention.MEAN_OF_H
    per_dataset = [2 * base * new / (base + new) for _, _, _, base, new in DATASETS.values()]
    assert h.mean == pytest.approx(np.mean(per_dataset) / 100)


def test_the_other_convention_can_be_shown():
    site = sample_site(runs_frame(protocols=("base-to-new",)), convention=HConvention.H_OF_MEANS)
    assert site.boards[0].board.convention is HConvention.H_OF_MEANS
    page_of = ranking_table(site.boards[0], site.overviews[0])
    row = page_of.rows[[entry.key for entry in site.boards[0].board.entries].index("zero_shot")]
    assert row[2][0] == 7170


def test_every_number_knows_its_runs(board):
    for entry in board.board.entries:
        for dataset in board.board.datasets:
            n, _ = board.board.scored(entry.key, dataset)
            assert len(board.board.array.ids(entry.key, dataset)) == n, (entry.key, dataset)
            for measure in board.board.measures:
                assert (board.board.score(entry.key, dataset, measure) is not None) == (n > 0), (entry.key, dataset)
    known = set(runs_frame()["run_id"])
    assert {run_id for entry in board.board.entries for run_id in entry.run_ids} <= known


def test_gaps_are_carried_over(site, board):
    assert {(gap.entry, gap.dataset, gap.seed, gap.error is None) for gap in board.board.missing} == {
        ("cocoop", "imagenet", 3, True),
        ("maple", "sun397", 2, False),
    }
    assert (board.board.entry("maple").n, board.board.entry("maple").rankable) == (32, False)
    assert not board.board.complete


def test_difficulty_and_gains_lie_where_the_frames_say(site, board):
    assert board.board.array.mean("zero_shot", "eurosat", "new") == pytest.approx(0.6405)
    frame = runs_frame()
    runs = frame[(frame["method"] == "coop") & (frame["dataset"] == "eurosat") & (frame["split"] == "new")]
    gain = board.board.array.mean("coop", "eurosat", "new") - board.board.array.mean("zero_shot", "eurosat", "new")
    assert gain == pytest.approx(runs["accuracy"].mean() - 0.6405)
    answers = next(view for view in site.overviews if view.anchor == board.anchor).answers
    axis = "relative_transfer_difficulty"
    assert answers["new"].difficulty[axis]["eurosat"] == pytest.approx(1 / 5 / 0.6405)
    whole = answers["H"].difficulty
    assert whole[axis]["eurosat"] == pytest.approx(1 / 10 / ((0.5648 + 0.6405) / 2 * 0.93))
    assert whole["chance"]["eurosat"] == pytest.approx(1 / 10)
    assert whole["zero_shot_error"]["eurosat"] == pytest.approx(1 - (0.5648 + 0.6405) / 2 * 0.93)


def test_without_difficulty_there_are_no_axes_and_no_crash():
    site = site_view(PageContent(runs_frame(), difficulty_frame().iloc[:0], Catalogue(), package_version="0"))
    assert all(view.axes == () and len(view.datasets) == 11 for view in site.overviews)
    board = site.boards[0]
    assert board.entry_name(board.board.entries[0].key) in METHODS, "shown as it is"


def test_the_newest_measurement_of_a_dataset_wins():
    old, new = difficulty_frame(), difficulty_frame()
    old["created_at"], new["created_at"] = pd.Timestamp("2026-01-01"), pd.Timestamp("2026-02-01")
    new["value"] = 0.5
    site = sample_site(runs_frame(), pd.concat([new, old]))
    datasets = site.boards[0].datasets
    assert {value for one in datasets for values in one.measures.values() for value in values.values()} == {0.5}


def test_a_dataset_with_options_has_its_facts_and_keeps_its_title_only_with_fewer_test_images():
    names = Catalogue(datasets={"spectrum": DatasetFacts("spectrum", "Spectrum", domain="synthetic images")})
    for options, title in (("test=10", "Spectrum"), ("blur=2", None), ("test=10,shift=1", None)):
        name = f"spectrum:{options}"
        facts = names.dataset(name)
        assert (facts.name, facts.title, facts.domain) == (name, title or name, "synthetic images")


def test_the_registries_give_facts_and_a_wrapper_around_a_host_is_named_by_both():
    facts = registered()
    assert facts.method("zero_shot").family == "zero-shot"
    assert facts.dataset("eurosat").title
    assert facts.method("promptkd_dpc").title == "PromptKD + DPC (ViT-L/14 teacher)"
    assert facts.method("apex_on:clip_adapter").title == "CLIP-Adapter + APEX ensemble"
    assert facts.method("apex_on:clip_adapter").family == "ensemble"
    assert (facts.method("dept_on:coop").title, facts.method("dept_on:coop").family) == ("CoOp + DePT", "text prompt")
    assert facts.method("unheard_of:coop").title == "unheard_of:coop"
    for name in ("apex_on:coop", "dept_on:coop", "wise_ft_on:prolip"):  # as the registry says that makes them
        info = get_method(name).info
        assert (facts.method(name).title, facts.method(name).family) == (info.title, info.family)


def test_provenance_is_that_of_the_runs_shown_and_names_unclean_sources(site):
    assert dict(site.facts)["Source"] == "314f623abc (330 runs); 314f623abc with uncommitted changes (152 runs)"
    assert dict(site.facts)["Python"] == "3.11.9"
    runs = runs_frame()
    view = sample_site(runs, protocol="few-shot", made=provenance_frame(runs))
    assert dict(view.facts)["Source"] == "314f623abc (165 runs); 314f623abc with uncommitted changes (76 runs)"
    assert sample_site(runs).facts == ()


def test_two_forms_of_a_dataset_have_different_titles():
    runs = runs_frame(protocols=("base-to-new",))
    facts = catalogue()
    few = runs[runs["dataset"] == "dtd"].assign(dataset="dtd:test=10", run_id=lambda frame: "t" + frame["run_id"])
    both = site_view(PageContent(pd.concat([runs, few]), difficulty_frame(), facts, package_version="0")).boards[0]
    titles = [dataset.title for dataset in both.datasets]
    assert len(set(titles)) == len(titles) == 12
    assert {"DTD", "DTD (test=10)"} <= set(titles)
    alone = runs.replace({"dataset": {"dtd": "dtd:test=10"}})
    assert "DTD" in {
        d.title
        for d in site_view(PageContent(alone, difficulty_frame(), facts, package_version="0")).boards[0].datasets
    }


def test_an_incomplete_page_copies_what_export_writes(tmp_path):
    """Averages over what all methods have, and the missing runs counted."""
    folder = tmp_path / "runs"
    rates = {"zero_shot": {"a": 0.5, "b": 0.6, "c": 0.7}, "coop": {"a": 0.8, "b": 0.7}, "apex": {"a": 0.7, "c": 0.9}}
    both = {m: {d: {"base": rate, "new": rate} for d, rate in row.items()} for m, row in rates.items()}
    make_world(folder, both)
    runs = fresh_store(folder).runs_frame(outcomes=True, installed=True)
    site = site_view(PageContent(runs, difficulty_frame(), registered(), package_version="0"))
    out = tmp_path / "board.csv"
    export_leaderboards(runs=folder, out=out)
    text = out.read_text("utf-8")
    assert text == site.boards[0].exports["CSV"]
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(text))}
    assert {row["datasets"] for row in rows.values()} == {"1"}
    assert float(rows["apex"]["base"]) == pytest.approx(0.7, abs=0.1), "on dataset a alone"
    assert (rows["coop"]["n"], rows["coop"]["expected"], rows["coop"]["complete"]) == ("6", "9", "False")
    export_leaderboards("markdown", runs=folder, out=tmp_path / "board.md")
    text = (tmp_path / "board.md").read_text()
    assert "over the 1 dataset and 3" in text
    export_leaderboards(by_dataset=True, runs=folder, out=tmp_path / "datasets.csv")
    text = (tmp_path / "datasets.csv").read_text("utf-8")
    assert {row["dataset"] for row in csv.DictReader(io.StringIO(text))} == {"a", "b", "c"}
