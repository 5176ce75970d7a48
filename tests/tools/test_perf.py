"""`make perf`: whether a goal is met, how rows of the page are replaced, and a store that is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.results import Shards, Store
from bench.results.recomputed_scores import contradiction
from tools.perf.gpu import STEPS, gpu_table
from tools.perf.stores import write_store
from tools.perf.table import NO_GOAL, Goal, Row, Table


def test_a_ratio_reads_in_the_direction_of_its_bound() -> None:
    cells = Row("CoOp step", Goal(at_least=15), ours=0.5, other=8.0).cells()
    assert cells[5:8] == ["16.00", "other / ours, higher is better", "yes"]
    cells = Row("VPT step", Goal(at_most=1.10), ours=3.0, other=4.0).cells()
    assert cells[5:8] == ["0.75", "ours / other, lower is better", "yes"]


@pytest.mark.parametrize(
    ("goal", "ours", "other", "reached", "met"),
    [
        (Goal(at_least=4), 1.0, 3.9, True, "no"),
        (Goal(at_most=1.1), 1.2, 1.0, True, "no"),
        (Goal(seconds=0.7), 0.8, None, True, "no"),
        (Goal(at_least=4, words="0 passes"), 1.0, 9.0, False, "no"),
        (Goal(words="fits"), 1.0, None, True, "yes"),
        (NO_GOAL, 1.0, 2.0, True, ""),
        (Goal(at_least=4), None, None, True, ""),
    ],
)
def test_a_goal_is_met_if_all_of_it_holds(goal: Goal, ours: float, other: float, reached: bool, met: str) -> None:
    assert Row("work", goal, ours, other, reached=reached).met == met


def test_a_page_keeps_the_rows_that_were_not_measured() -> None:
    page, new = Table("measured", ("work", "s")), Table("measured", ("work", "s"))
    for cells in (("a", "1"), ("b", "2")):
        page.add(cells)
    text = page.written_into("Before.\n<!-- measured -->\n<!-- end of measured -->\nAfter.\n", keep=False)
    new.add(("b", "3"))
    assert new.written_into(text, keep=True) == text.replace("| b | 2 |", "| b | 3 |")


def test_runs_of_the_measured_folder_are_consistent_and_load(tmp_path: Path) -> None:
    write_store(tmp_path, 8)
    shards = Shards(tmp_path)
    found = [shards.read(run_id) for run_id in shards.scan()]
    assert [contradiction(shard.record, shard.predictions) for shard in found if shard] == 8 * [""]
    assert Store(tmp_path).ingest() == 8


@pytest.mark.slow  # the steps of a tiny backbone are those of the plain implementation in test_plain.py
def test_a_machine_is_measured_part_by_part() -> None:
    text = gpu_table(torch.device("cpu"), arch="ViT-tiny", seconds=0.01).text()
    assert text.count(" step, ") == 2 * len(STEPS)
    assert "Error" not in text
