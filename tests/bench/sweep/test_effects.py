"""Options of a sweep that none of its methods uses are refused before anything is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import bench
from bench.api import drawn_support, sweep_request
from bench.errors import UsageError
from bench.sweep import expand, expansion
from bench.sweep.sweep_files import keep_sweep_file

SWEEP: dict[str, Any] = {"methods": "coop", "datasets": "spectrum_basic", "shots": 4, "seeds": 1}
USELESS = [
    ({"keep_branches": True}, "--option keep-branches", "apex"),
    ({"methods": "zero_shot", "curve": True}, "--curve", "trained"),
    ({"methods": "zero_shot", "recipe": "demo"}, "--recipe demo", "trained"),
    ({"methods": "zero_shot", "selection": "oracle"}, "--selection oracle", "select"),
    ({"methods": "zero_shot", "support": ["noisy:0.2"]}, "--support noisy:0.2", "labelled"),
    ({"methods": "zero_shot", "allow_fewer": True}, "--allow-fewer", "labelled"),
    ({"methods": "tda", "protocol": "test-time", "draw": "nested"}, "--draw nested", "labelled"),
    ({"shots": "all", "allow_fewer": True}, "--allow-fewer", "--shots all"),
    ({"support": ["list.json"], "draw": "nested"}, "--draw nested", "list"),
]


@pytest.mark.parametrize(("options", "option", "reason"), USELESS)
def test_an_option_that_no_selected_method_uses_is_refused(
    options: dict[str, Any], option: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        bench.plan(**SWEEP | options, runs=tmp_path)
    assert str(refused.value).startswith(f"{option} has no effect")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"methods": "apex_on:maple", "keep_branches": True},
        {"methods": "zero_shot,coop", "curve": True, "recipe": "demo", "allow_fewer": True, "selection": "last"},
        {"methods": "zero_shot", "recipe": "published"},
        {"shots": "all,4", "draw": "nested", "allow_fewer": True},
    ],
)
def test_an_option_that_one_of_the_methods_uses_is_accepted(options: dict[str, Any], tmp_path: Path) -> None:
    assert bench.plan(**SWEEP | options, runs=tmp_path).specs


def test_the_draw_and_the_seed_change_runs_on_all_training_images(tmp_path: Path) -> None:
    planned = [bench.plan(**SWEEP | {"shots": "all", "draw": draw}, runs=tmp_path) for draw in ("coop", "nested")]
    assert len({spec.task_fingerprint for one in planned for spec in one.specs}) == 2
    drawn = [drawn_support("spectrum_basic", shots="all", seed=seed, draw="nested")[0] for seed in (1, 2)]
    assert len({task.fingerprint for task in drawn}) == 2


def test_a_sweep_file_of_a_user_is_checked_and_a_kept_plan_is_not(tmp_path: Path) -> None:
    request = sweep_request(**SWEEP, runs=tmp_path).model_copy(update={"curve": True, "methods": ["zero_shot"]})
    keep_sweep_file(request, [])
    (kept,) = (tmp_path / "sweeps").glob("*.toml")
    assert sweep_request(kept).curve
    own = tmp_path / "own.toml"
    own.write_bytes(kept.read_bytes())
    with pytest.raises(UsageError, match="--curve has no effect"):
        sweep_request(own)


def test_a_kept_plan_is_known_by_a_path_from_within_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_sweep_file(sweep_request(**SWEEP, runs=tmp_path).model_copy(update={"keep_branches": True}), [])
    monkeypatch.chdir(tmp_path / "sweeps")
    (kept,) = Path().glob("*.toml")
    assert sweep_request(kept).keep_branches


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("curve = true", {"methods": "zero_shot"}),
        ("allow-fewer = true", {"shots": "all"}),
        ("allow-fewer = true", {"methods": "tda", "protocol": "test-time"}),
    ],
)
def test_an_option_of_a_file_may_be_idle_for_typed_methods_shots_or_protocol(
    written: str, typed: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f'methods = ["coop"]\ndatasets = ["spectrum_basic"]\n{written}\n')
    assert sweep_request(file, **typed)
    with pytest.raises(UsageError, match="has no effect"):
        sweep_request(file, **typed, keep_branches=True)


def test_kernels_that_only_cuda_has_are_refused_on_the_cpu(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--option fast has no effect"):
        bench.plan(**SWEEP, fast=True, device="cpu", runs=tmp_path)


def test_a_large_plan_is_counted_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(expansion, "SECONDS_BETWEEN_LINES", 0.0)
    expand(sweep_request(**SWEEP | {"seeds": expansion.LARGE_PLAN}), said.append)
    assert said[0] == "planning up to 1,000 runs"
    assert said[-1].endswith("999 of 1,000 draws")
    said.clear()
    monkeypatch.undo()
    expand(sweep_request(**SWEEP), said.append)
    assert said == []
