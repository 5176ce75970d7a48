"""The table of what distinguishes runs: every axis is a field and a column, and a new one takes four files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_runner import make_predictions, make_record, make_spec
from places import ROOT

from bench.analysis import board_settings, build_leaderboard
from bench.results.database import Store
from bench.results.shards import Shard, Shards
from bench.spec import AXES, ExperimentSpec, Part

OTHER: dict[str, Any] = {
    "targets": ("pets",),
    "support": "noisy:0.2",
    "class_text": "template:a {}@0",
    "epoch_selection": "oracle",
    "allow_fewer": True,
    "fold": "1/4",
    "held_out_shot": True,
    "unlabelled": "train",
    "teacher": "coop@ViT-B-16.openai#0a1b2c3d:" + 32 * "f",
}
"""A value of each axis that is not its default."""


def shard(**changes: Any) -> Shard:
    return Shard(make_record(make_spec(**changes)), (make_predictions("base"), make_predictions("new")))


def test_every_axis_is_a_field_of_the_spec_and_a_column(tmp_path: Path) -> None:
    assert {axis.name: axis.default for axis in AXES} == {
        axis.name: json.loads(json.dumps(ExperimentSpec.model_fields[axis.name].default)) for axis in AXES
    }
    one = shard()
    Shards(tmp_path).write(one.record, one.predictions)
    store = Store(tmp_path)
    store.ingest()
    assert {axis.name for axis in AXES if axis.column} <= set(store.runs_frame())


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_an_axis_changes_the_run_id(axis: Any) -> None:
    usual, other = shard(), shard(**{axis.name: OTHER[axis.name]})
    assert usual.record.run_id != other.record.run_id
    assert (axis.name in usual.record.spec.model_dump(mode="json")) == axis.stored
    assert ExperimentSpec.model_validate_json(other.record.spec.model_dump_json()) == other.record.spec


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_an_axis_separates_boards_or_rows_or_neither(axis: Any, tmp_path: Path) -> None:
    for one in (shard(), shard(**{axis.name: OTHER[axis.name]})):
        Shards(tmp_path).write(one.record, one.predictions)
    store = Store(tmp_path)
    store.ingest()
    frame = store.runs_frame()
    boards = [build_leaderboard(frame, setting) for setting in board_settings(frame)]
    assert len(boards) == len({board.setting.title for board in boards}) == (2 if axis.part is Part.BOARD else 1)
    assert sum(len(board.entries) for board in boards) == (1 if axis.part is Part.RUN else 2)


EDITS = {
    "spec.py": [
        ("    @model_serializer", "    lens: Line | None = None\n\n    @model_serializer"),
        (
            ')  # fmt: skip\n"""Every such',
            '    Axis("lens", Part.BOARD, stored=False, text="lens {}"),\n)  # fmt: skip\n"""Every such',
        ),
    ],
    "results/schema.sql": [("    unlabelled VARCHAR", "    lens VARCHAR,\n    unlabelled VARCHAR")],
    "sweep/request.py": [
        ("    recipe: Annotated", "    lens: Annotated[str | None, Option()] = None\n    recipe: Annotated")
    ],
    "sweep/grid.py": [
        (
            "            precision=self.request.precision,\n",
            "            precision=self.request.precision, lens=self.request.lens,\n",
        )
    ],
}
"""What a bare axis takes: a field with its entry in the table, a column, an option, and its way into the spec."""
SCRIPT = """
import json, sys
from pathlib import Path
from fake_runner import make_predictions, make_record, make_spec
from bench.analysis import board_settings
from bench.api import load_results
from bench.results import Shards
from bench.results.shards import Shard
from bench.sweep import SweepRequest, expand

chosen = SweepRequest.build(methods="zero_shot", datasets="spectrum_basic", lens="wide")
shards = [
    Shard(make_record(make_spec(**more)), (make_predictions("base"), make_predictions("new")))
    for more in ({}, {"lens": "wide"})
]
for one in shards:
    Shards(Path("runs")).write(one.record, one.predictions)
frame = load_results(Path("runs")).to_frame(all_columns=True)
found = {
    "specs": [spec.lens for spec in expand(chosen).specs],
    "column": sorted(frame["lens"].dropna().unique()),
    "boards": sorted(setting.title for setting in board_settings(frame)),
    "label": shards[1].record.spec.label(),
}
print(json.dumps(found))
"""


def test_a_bare_axis_takes_four_files(tmp_path: Path) -> None:
    for package in ("bench", "methods", "datasets_registry", "reports"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in EDITS.items():
        file = tmp_path / "bench" / name
        text = file.read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    search = os.pathsep.join(map(str, (tmp_path, ROOT / "tests" / "support")))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=os.environ | {"PYTHONPATH": search},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["specs"] == ["wide"]
    assert found["column"] == ["wide"]
    assert [title.endswith(", lens wide") for title in found["boards"]] == [False, True]
    assert "lens wide" in found["label"]
    assert len(EDITS) == 4
