"""What was asked for is known: a sweep that was interrupted is called incomplete, with its missing runs named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.results.shards import Shards
from bench.sweep import LogStyle, SweepRequest, carry_out, make_plan, open_log
from bench.sweep.sweep_files import SWEEPS, missing_specs, unfinished_sweeps

AXES = {"methods": "zero_shot,coop", "datasets": "spectrum_basic,spectrum_blur", "shots": 1, "seeds": 2}
FAKE = {"runner": "fake_runner", "jobs": 0}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a sweep of 6 runs."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    request = SweepRequest.build(**AXES, **FAKE, runs=runs)
    log = open_log(LogStyle.NONE)
    assert carry_out(make_plan(request, log), log).exit_code == 0
    return runs


@pytest.fixture
def lacking(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the folder without the runs of a method, as if the sweep had not reached them."""

    def lacking(method: str, *datasets: str) -> Path:
        runs = shutil.copytree(finished, tmp_path / "runs")
        for run_id in Shards(runs).scan():
            spec = Shards(runs).record(run_id).spec
            if spec.method == method and spec.dataset in datasets:
                for file in (runs / "shards").glob(f"??/{run_id}*"):
                    file.unlink()
        return runs

    return lacking


@pytest.fixture
def interrupted(lacking) -> Path:
    """Lacks CoOp on Blur with both seeds."""
    return lacking("coop", "spectrum_blur")


def test_a_finished_sweep_is_not_unfinished(finished: Path, tmp_path: Path):
    assert unfinished_sweeps(tmp_path) == []
    assert unfinished_sweeps(finished) == []


def test_missing_runs_are_named_and_the_command_completes_them(etl, interrupted):
    (sweep,) = unfinished_sweeps(interrupted)
    assert (sweep.done, sweep.planned) == (4, 6)
    assert sorted((s.method, s.dataset, s.seed) for s in missing_specs([sweep])) == [
        ("coop", "spectrum_blur", 1),
        ("coop", "spectrum_blur", 2),
    ]
    assert str(sweep).startswith("Incomplete sweep: 4 of 6 planned")
    assert etl(*sweep.command.split()[1:])[0] == 0
    assert unfinished_sweeps(interrupted) == []


def test_runs_of_a_method_that_is_gone_are_counted(interrupted):
    (file,) = (interrupted / SWEEPS).glob("*.toml")
    file.write_text(file.read_text().replace('"coop"', '"gone"'))
    (sweep,) = unfinished_sweeps(interrupted)
    assert (sweep.done, sweep.planned, sweep.missing) == (4, 6, ())
    assert "2 are missing. To complete" in str(sweep)


def test_a_damaged_plan_is_named(interrupted):
    (file,) = (interrupted / SWEEPS).glob("*.toml")
    file.write_text("methods = [")
    with pytest.raises(UsageError, match=f"The plan of a sweep, {file}, cannot be read"):
        unfinished_sweeps(interrupted)


def test_status_lists_failed_runs(etl, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"fail": ["seed 2"]}))
    options = [word for key, value in (AXES | FAKE).items() for word in (f"--{key}", str(value))]
    etl("run", *options, "--runs", str(tmp_path))
    _, out, _ = etl("status", "--runs", str(tmp_path))
    assert "6 runs on disk" in out
    assert "2 of them failed" in out
    assert out.count("became nan at step 3") == 2
    facts = json.loads(etl("status", "--runs", str(tmp_path), "--json")[1])
    assert [one["what"].partition(" on ")[0] for one in facts["failures"]] == ["coop", "coop"]
    assert facts["last_result_s"] >= 0


def test_status_leaderboard_and_page_call_it_incomplete(etl, interrupted, tmp_path: Path):
    _, out, _ = etl("status", "--runs", str(interrupted))
    assert "Incomplete sweep: 4 of 6 planned" in out
    code, out, err = etl("leaderboard", "--strict", "--runs", str(interrupted))
    assert code == 3
    assert "2/4 *" in out
    assert "2 seeds that all 2 methods" in out
    assert "Incomplete sweep: 4 of 6 planned" in err
    etl("report", "--runs", str(interrupted), "--out", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Incomplete sweep: 4 of 6 planned" in page
    assert "CoOp on Blur (seed 2)." in page


def test_a_method_that_no_run_has_reached_is_a_row(etl, lacking):
    runs = lacking("zero_shot", "spectrum_basic", "spectrum_blur")
    _, out, _ = etl("leaderboard", "--runs", str(runs))
    assert "–  Zero-shot CLIP" in out
    assert "0/2 *" in out


def test_a_run_that_several_sweeps_planned_is_missing_from_the_newest_alone(interrupted):
    (file,) = (interrupted / SWEEPS).glob("*.toml")
    older = shutil.copy(file, file.with_name("older.toml"))
    os.utime(older, (1, 1))
    assert [sweep.file for sweep in unfinished_sweeps(interrupted)] == [file]
