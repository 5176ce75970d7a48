"""Which launcher the command line describes."""

from pathlib import Path

import pytest

from bench.context import RunContext
from bench.errors import BenchError
from bench.results.shards import Shards
from bench.sweep import SweepRequest, expand
from bench.sweep.launch.task_claims import Claims
from bench.sweep.launch.tasks import Surroundings
from bench.sweep.launchers import feature_cache, pool_of


def request_for(name: str, **given) -> SweepRequest:
    return SweepRequest.build(methods="coop", datasets="spectrum_basic", launcher=name, **given)


def test_a_missing_package_is_reported_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("bench.sweep.launchers.find_spec", lambda name: None)
    with pytest.raises(BenchError, match=r"run `pip install 'clip-etl-bench\[ray\]'`"):
        pool_of(request_for("ray"), Surroundings(runs=Path("runs"), context=RunContext()), 1, None)


def test_a_ray_node_has_its_own_cache_unless_one_is_named(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert feature_cache(request_for("ray")) == Path("~/.cache/clip-etl-bench")
    assert feature_cache(request_for("ray", cache=Path("/named"))) == Path("/named")


def test_rays_own_variable_is_no_wish_to_use_ray(monkeypatch, etl, tmp_path: Path):
    monkeypatch.setenv("RAY_ADDRESS", "ray://somewhere:10001")
    command = ["run", "-m", "coop", "-d", "spectrum_basic", "--dry-run", "--runs", str(tmp_path)]
    assert etl(*command)[0] == 0


def test_without_waiting_a_sweep_ends_well_and_leaves_the_database_to_the_last(etl, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", "{}")
    monkeypatch.chdir(tmp_path)
    command = ["run", "-m", "coop", "-d", "spectrum_basic", "--seeds", "3", "--jobs", "0", "--runs", "runs"]
    command += ["--runner", "fake_runner", "--no-wait"]
    specs = expand(request_for("local", seeds=3)).specs
    with Claims(Path("runs"), "worker") as other:
        assert other.take(specs[1].run_id)
        code, _, err = etl(*command)
        assert code == 0
        assert "1 run left to other sweeps" in err
        assert len(Shards(Path("runs")).scan()) == 2
        assert not Path("runs/results.duckdb").exists()
    code, _, err = etl(*command)
    assert code == 0
    assert Path("runs/results.duckdb").exists()
    assert len(Shards(Path("runs")).scan()) == 3
