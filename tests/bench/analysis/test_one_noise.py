"""Verdict, page and comparison have the same noise of seeds and images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from worlds import make_world

from bench.analysis import Certainty, board_verdicts, differences
from bench.analysis.comparison import ComparisonVerdict, compare_entries
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.statistics.intervals import student_t
from bench.analysis.verdict import over_datasets
from bench.api.comparisons import comparison_tables
from bench.results.database import fresh_store

H = "H"


def rates(datasets: str, **methods: float) -> dict[str, dict[str, dict[str, float]]]:
    return {method: {d: {"base": rate, "new": rate - 0.1} for d in datasets} for method, rate in methods.items()}


def board_of(folder: Path):
    runs = fresh_store(folder).runs_frame(outcomes=True)
    return build_leaderboard(runs, board_settings(runs)[0])


def test_one_dataset_or_one_seed_is_said_with_the_verdict(tmp_path: Path):
    make_world(tmp_path / "dataset", rates("a", coop=0.5, apex=0.9))
    make_world(tmp_path / "seed", rates("abc", coop=0.5, apex=0.9), seeds=(1,))
    for name in ("dataset", "seed"):
        board = board_of(tmp_path / name)
        verdict = board_verdicts(board)[H]
        assert verdict.ranks == ({} if name == "seed" else {"apex": "1", "coop": "2"})
        assert verdict.one_training == (name == "seed")
        assert verdict.judgement_elsewhere == (Certainty.UNKNOWN, "fewer than 6 datasets")
        outcomes = fresh_store(tmp_path / name).outcomes_frame()
        table = comparison_tables([(board, compare_entries(board, outcomes, "apex", "coop"))])
        average = table[0].texts()[-1]
        assert average["verdict"] == "A better"
        assert ("with this one training" in table[0].below()) == (name == "seed")


def test_one_dataset_is_still_compared_on_itself(tmp_path: Path):
    make_world(tmp_path, rates("a", coop=0.5, apex=0.9))
    board = board_of(tmp_path)
    found = compare_entries(board, fresh_store(tmp_path).outcomes_frame(), "apex", "coop")
    assert {cell.verdict for cell in found.cells} == {ComparisonVerdict.A}


def test_the_interval_over_datasets_is_wider_where_datasets_differ(tmp_path: Path):
    methods = {
        "coop": {d: {"base": 0.5, "new": 0.5} for d in "abcdef"},
        "apex": {d: {"base": r, "new": 0.5} for d, r in zip("abcdef", (0.4, 0.6, 0.7, 0.8, 0.45, 0.6), strict=True)},
    }
    make_world(tmp_path, methods)
    board = board_of(tmp_path)
    here = differences(board.array, [("apex", "coop")], "base")["apex", "coop"]
    means = [board.array.mean("apex", d, "base") - board.array.mean("coop", d, "base") for d in "abcdef"]
    wider, plain = over_datasets(np.array([means]), 1)[0], student_t(means)
    assert (wider.mean, wider.low, wider.high) == pytest.approx((plain.mean, plain.low, plain.high))
    assert here.low > 0 > wider.low, "better here only"
    found = compare_entries(board, fresh_store(tmp_path).outcomes_frame(), "apex", "coop")
    assert found.verdict("base") is ComparisonVerdict.A
    row = next(row for row in comparison_tables([(board, found)])[0].texts() if row["average"] == "base")
    assert row["95 % elsewhere"].startswith("−")


def test_all_doors_use_the_images(tmp_path: Path):
    """The page, the exports and the claims test with the frame that has outcomes."""
    from reports.site.build import PageRequest, write_page

    make_world(tmp_path, rates("abc", coop=0.5, apex=0.9))
    board = board_of(tmp_path)
    view = write_page(PageRequest(runs=tmp_path, out=tmp_path / "page.html"))
    pair = view.boards[0].verdict.on_these("apex", "coop")
    wanted = differences(board.array, [("apex", "coop")], H)["apex", "coop"]
    without = differences(replace(board.array, read=None), [("apex", "coop")], H)["apex", "coop"]
    assert (pair.mean, pair.standard_error) == (wanted.mean, wanted.standard_error)
    assert wanted.standard_error != without.standard_error


def test_compare_says_which_datasets_are_unpaired(tmp_path: Path):
    make_world(tmp_path, rates("ab", coop=0.5), seeds=(1, 2, 3))
    make_world(tmp_path, rates("a", apex=0.9), seeds=(4, 5, 6))
    make_world(tmp_path, rates("b", apex=0.9), seeds=(1, 2, 3))
    board = board_of(tmp_path)
    found = compare_entries(board, fresh_store(tmp_path).outcomes_frame(), "apex", "coop")
    assert {cell.dataset: cell.difference.paired for cell in found.cells} == {"a": False, "b": True}
    assert {cell.verdict for cell in found.cells} == {ComparisonVerdict.A}
    assert not found.averages["base"].paired
    assert found.skipped == ()
    table = comparison_tables([(board, found)])
    assert table.notes[0].startswith("unpaired: a: A and B have other seeds there")
    assert [row["seeds"] for row in table[0].details.texts()] == ["unpaired", "unpaired", "3", "3"]
