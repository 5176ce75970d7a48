"""A run context reaches every worker whole, whatever carries it there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import launching
import pytest
from fake_runner import make_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.context import RunContext
from bench.sweep.launch.tasks import RunTask, Surroundings

BOOLEANS = [name for name, field in RunContext.model_fields.items() if field.annotation is bool]

paths = st.text("abc/,.", min_size=1, max_size=8).map(Path)
contexts = st.builds(
    RunContext,
    data_root=st.none() | paths,
    cache_dir=st.none() | paths,
    weights=st.dictionaries(st.text(), paths, max_size=3),
    device=st.sampled_from(["cpu", "cuda", "cuda:1"]),
    threads=st.integers(1, 64),
    files=st.dictionaries(st.text(), paths, max_size=3),
    cache_limit=st.integers(0, 2**50),
    pixel_limit=st.integers(0, 2**50),
    eval_batch=st.integers(1, 2**20),
    checkpoints=st.none() | paths,
    checkpoint_seconds=st.floats(0, 1e9),
    **dict.fromkeys(BOOLEANS, st.booleans()),
)


@given(contexts)
@settings(max_examples=10)
def test_a_context_survives_json(context: RunContext):
    assert RunContext.model_validate_json(context.model_dump_json()) == context


def every_field_changed(folder: Path) -> RunContext:
    context = RunContext(
        data_root=folder / "data",
        cache_dir=folder / "cache",
        weights={"a.local-1": folder / "w.safetensors,gelu"},
        device="cuda:1",
        threads=3,
        files={"digest": folder / "list.jsonl"},
        cache_limit=7,
        keep_models="all",
        pixel_limit=6,
        eval_batch=9,
        checkpoints=folder / "elsewhere",
        checkpoint_seconds=2.5,
        **dict.fromkeys(BOOLEANS, True),
    )
    default = RunContext()
    unchanged = [name for name in RunContext.model_fields if getattr(context, name) == getattr(default, name)]
    assert unchanged == [], "add the new fields of RunContext here"
    return context


def by_inline(around: Surroundings, task: RunTask) -> None:
    launching.launch(around, 0, [task])


def by_processes(around: Surroundings, task: RunTask) -> None:
    launching.launch(around, 1, [task], on_notice=print)


@pytest.mark.parametrize("launch", [by_inline, by_processes])
def test_every_field_reaches_the_worker(launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    context = every_field_changed(tmp_path)
    (tmp_path / "data").mkdir()
    runs = tmp_path / "runs"
    task = RunTask(make_spec())
    launch(Surroundings(runs=runs, context=context, runner="context_runner"), task)
    arrived = RunContext.model_validate_json((tmp_path / "data" / f"{task.spec.run_id}.json").read_text())
    assert arrived == context.model_copy(update={"checkpoints": runs / "checkpoints"})


def test_every_field_reaches_a_ray_worker(tmp_path: Path):
    """Files and weights travel as contents, see `tests/bench/sweep/launch/test_ray.py`."""
    pytest.importorskip("ray", reason="needs Ray, the extra [ray]")
    from bench.sweep.launch.ray_worker import RayWorker

    context = every_field_changed(tmp_path).model_copy(update={"files": {}, "weights": {}})
    around = Surroundings(runs=tmp_path, context=context, runner="context_runner")
    assert RayWorker(str(tmp_path), around.model_dump_json(), {}, {}).context == context


def test_an_absolute_context_has_no_relative_path():
    context = RunContext(data_root=Path("d"), weights={"a": Path("w,gelu")}, files={"f": Path("x")}).absolute()
    assert context.data_root == Path("d").absolute()
    assert context.weights == {"a": Path("w,gelu").absolute()}
    assert context.files == {"f": Path("x").absolute()}
    assert context.cache_dir is None
