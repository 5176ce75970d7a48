"""Datasets that a backbone has seen, and the column of exports that says so."""

from __future__ import annotations

import pytest
from report_sample import runs_frame

from bench.analysis import board_settings, build_leaderboard, seen_datasets
from bench.analysis.board_tables import rows_by_dataset
from bench.table import Table


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
def test_a_dataset_is_seen_if_more_than_a_hundredth_overlaps(dataset, backbone, seen, text) -> None:
    assert seen_datasets.is_seen(seen_datasets.published_overlap(dataset, backbone)) is seen
    rows = runs_frame(protocols=("few-shot",))
    rows = rows[(rows["dataset"] == "dtd") & (rows["method"] == "coop")].assign(dataset=dataset, backbone=backbone)
    exported = rows_by_dataset(build_leaderboard(rows, *board_settings(rows)))
    assert {row["pretraining_overlap"] for row in exported} == {text}
    assert ",pretraining_overlap," in Table(exported).csv().splitlines()[0]
