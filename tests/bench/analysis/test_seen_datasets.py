"""The order of methods without datasets that a backbone has seen is that of a board without their runs."""

from __future__ import annotations

import pandas as pd
import pytest
from report_sample import BACKBONE, difficulty_frame, runs_frame

from bench.analysis import (
    HConvention,
    board_settings,
    board_table,
    build_leaderboard,
    dataset_difficulty,
    scores_by_seed,
    seen_datasets,
)
from bench.analysis.table_exports import rows_by_dataset, to_csv

SEEN = "country211"


def with_a_seen_dataset(runs: pd.DataFrame, winner: str = "coop") -> pd.DataFrame:
    """DTD under the name of a dataset that the backbone has seen, on which one method is 60 points better."""
    runs = runs.assign(dataset=runs["dataset"].replace("dtd", SEEN))
    there = (runs["dataset"] == SEEN) & (runs["method"] == winner)
    runs.loc[there, "accuracy"] = (runs.loc[there, "accuracy"] + 0.6).clip(upper=0.99)
    return runs


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    found = runs_frame(protocols=("base-to-new",))
    return with_a_seen_dataset(found[found["dataset"].isin(["dtd", "eurosat", "ucf101", "food101"])])


def table_of(runs: pd.DataFrame, convention: HConvention = HConvention.MEAN_OF_H):
    (setting,) = board_settings(runs)
    board = build_leaderboard(runs, setting, convention=convention)
    measured = dataset_difficulty.measured_datasets(difficulty_frame(), BACKBONE)
    return board, board_table(board, scores_by_seed.seed_scores(board, runs), measured)


def places(board) -> dict[str, int]:
    """The place of each complete entry by its mean."""
    return {entry.key: place for place, entry in enumerate((e for e in board.entries if e.rankable), start=1)}


@pytest.mark.parametrize("convention", list(HConvention))
def test_averages_are_those_of_boards_with_and_without_the_runs(runs: pd.DataFrame, convention: HConvention) -> None:
    board, table = table_of(runs, convention)
    other, _ = table_of(runs[runs["dataset"] != SEEN], convention)
    for measure in board.measures:
        found = seen_datasets.without_datasets(table, measure, {SEEN}, convention)
        assert found is not None
        assert (found.left_out, found.kept) == ((SEEN,), 3)
        assert {one.key for one in found.methods} == {entry.key for entry in board.entries if entry.rankable}
        for one in found.methods:
            assert one.average == pytest.approx(board.entry(one.key).average(measure, convention).mean)
            assert one.average_without == pytest.approx(other.entry(one.key).average(measure, convention).mean)
    assert {one.key: one.rank for one in found.methods} == places(board)
    assert {one.key: one.rank_without for one in found.methods} == places(other)


def test_another_leader_is_noticed_and_equal_methods_share_a_rank(runs: pd.DataFrame) -> None:
    _, table = table_of(runs)
    found = seen_datasets.without_datasets(table, "H", {SEEN})
    assert found is not None
    assert found.leaders == ("coop",)
    assert found.new_leader
    assert found.leaders_without == ("apex",)
    assert "coop" in {one.key for one in found.moved}
    same = seen_datasets.without_datasets(table, "H", {"eurosat"})
    assert same is not None
    assert not same.new_leader
    twin = runs[runs["method"] == "coop"].assign(method="vpt", run_id=lambda rows: rows["run_id"] + "t")
    tied = seen_datasets.without_datasets(
        table_of(pd.concat([runs[runs["method"] != "vpt"], twin], ignore_index=True))[1], "H", {SEEN}
    )
    assert tied is not None
    assert tied.leaders == ("coop", "vpt")


@pytest.mark.parametrize("left_out", [set(), {"dtd"}, {SEEN, "eurosat", "ucf101", "food101"}])
def test_without_anything_to_leave_out_or_to_keep_there_is_no_comparison(
    runs: pd.DataFrame, left_out: set[str]
) -> None:
    assert seen_datasets.without_datasets(table_of(runs)[1], "H", left_out) is None


@pytest.mark.parametrize(
    ("dataset", "backbone", "seen", "text"),
    [
        ("country211", "ViT-B-16.openai", True, "0.215"),
        ("gtsrb", "ViT-B-16.openai", False, "0.0"),
        ("country211", "RN50.yfcc15m", True, "unknown share"),
        ("dtd", "ViT-B-16.openai", False, ""),
        ("country211", "ViT-tiny.random", False, ""),
        ("no_such_dataset", "ViT-B-16.openai", False, ""),
    ],
)
def test_a_dataset_is_seen_if_more_than_a_hundredth_overlaps(
    dataset: str, backbone: str, seen: bool, text: str
) -> None:
    assert seen_datasets.is_seen(seen_datasets.published_overlap(dataset, backbone)) is seen
    rows = runs_frame(protocols=("few-shot",))
    rows = rows[(rows["dataset"] == "dtd") & (rows["method"] == "coop")]
    rows = rows.assign(dataset=dataset, backbone=backbone)
    (setting,) = board_settings(rows)
    exported = rows_by_dataset(build_leaderboard(rows, setting))
    assert {row["pretraining_overlap"] for row in exported} == {text}
    assert ",pretraining_overlap," in to_csv(exported).splitlines()[0]
