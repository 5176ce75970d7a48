"""Sweep files: they give the request back, and every sweep keeps one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.sweep import LogStyle, SweepRequest, carry_out, make_plan, open_log
from bench.sweep.sweep_files import SWEEPS, planned_run_ids, read_sweep_file, sweep_toml


def build(**values: object) -> SweepRequest:
    return SweepRequest.build(**{"methods": "coop", "datasets": "spectrum_basic"} | values)


def read(path: Path, **given: object) -> SweepRequest:
    return SweepRequest.build(**read_sweep_file(path) | given)


def test_a_sweep_file_gives_the_request_back(tmp_path: Path):
    request = build(seeds=2, overrides=["coop.ctx_init='a photo of a'"], data_root=tmp_path / "ü", allow_fewer=True)
    path = tmp_path / "sweep.toml"
    path.write_text(sweep_toml(request), encoding="utf-8")
    assert read(path) == request
    assert read(path, seeds=[7]).seeds == [7]


def test_a_sweep_file_has_the_shots_and_the_seeds_to_change_also_at_their_defaults():
    written = tomllib.loads(sweep_toml(build(shots=16, seeds=3)))
    assert (written["shots"], written["seeds"]) == ([16], [1, 2, 3])
    assert sweep_toml(build(shots=16, seeds=3)) == sweep_toml(build()), "the same sweep is kept once"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methods = [", "is not TOML: invalid value"),
        ("shots = [1]\nsome words", "is not TOML: line 2, 'some words': expected '='"),
        ('method = "coop"', "sets the unknown option 'method'. Did you mean 'methods'"),
        ('methods = "coop"', "Missing option --datasets"),
        ('methods = 3\ndatasets = "a"', "--methods 3"),
        ("qqq = 1", "unknown option 'qqq'.*methods, datasets"),
    ],
)
def test_a_bad_sweep_file_is_one_line(text: str, message: str, tmp_path: Path):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read(path)


def test_a_missing_sweep_file_is_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match="none.toml cannot be read"):
        read(tmp_path / "none.toml")


def test_a_sweep_is_kept_with_its_runs_and_can_be_repeated_from_there(tmp_path: Path):
    request = build(seeds=2, shots=1, runs=tmp_path, runner="fake_runner", jobs=0)
    log = open_log(LogStyle.PLAIN)
    made = make_plan(request, log)
    assert carry_out(made, log).exit_code == 0
    (kept,) = (tmp_path / SWEEPS).glob("*.toml")
    assert planned_run_ids(kept) == [spec.run_id for spec in made.specs]
    again = read(kept)
    assert again == request
    assert make_plan(again, log).pending == ()


@pytest.mark.parametrize("text", ["[plan", "a = " + "[" * 100_000], ids=["cut", "nested"])
def test_a_damaged_plan_is_one_line(text: str, tmp_path: Path):
    path = tmp_path / "kept.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="kept.toml, cannot be read"):
        planned_run_ids(path)
