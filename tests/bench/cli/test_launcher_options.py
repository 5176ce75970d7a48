"""Which launcher the command line describes, and that all of them give the same results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from one_case import for_each

from bench.context import RunContext
from bench.errors import LaunchError, UsageError
from bench.sweep import SweepRequest
from bench.sweep.launch.tasks import Surroundings
from bench.sweep.launchers import feature_cache, make_transport


def request_for(name: str, **given) -> SweepRequest:
    return SweepRequest.build(methods="coop", datasets="spectrum_basic", launcher=name, **given)


@for_each(
    ("given", "message"),
    [
        (
            {"name": "slrum"},
            r"--launcher 'slrum' is unknown\. Did you mean 'slurm'\? Allowed: local, inline, ray, slurm",
        ),
        (
            {"name": "local", "partition": "gpu"},
            "--resource partition: only for --launcher slurm, and this is --launcher local",
        ),
        (
            {"name": "slurm", "cpus_per_run": 2},
            "--resource cpus-per-run: only for --launcher ray, and this is --launcher slurm",
        ),
        ({"name": "local", "address": "local"}, "--resource address: only for --launcher ray"),
        ({"name": "ray", "script_only": True}, "--resource script-only: only for --launcher slurm"),
        ({"name": "ray", "jobs": 0}, "--jobs 0 runs in this process; with --launcher ray give a number or nothing"),
        ({"name": "inline", "jobs": 3}, "--jobs 3: --launcher inline"),
        ({"name": "slurm", "device": "cuda:1"}, "with --launcher slurm the cluster picks; use --device cuda"),
        (
            {"name": "slurm", "time": "tomorrow"},
            "--resource time 'tomorrow' is not a duration",
        ),
        ({"name": "slurm", "time": "0"}, "--resource time '0' is not a duration"),
        ({"name": "slurm", "slurm_set": ["time=3"]}, "--resource sbatch.time=3: use --resource time=VALUE"),
        ({"name": "slurm", "slurm_set": ["a b=3"]}, "--resource 'sbatch.a b=3' is not sbatch.KEY=VALUE"),
        ({"name": "slurm", "slurm_set": ["account=a\nrm"]}, "is not sbatch.KEY=VALUE"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict, message: str):
    with pytest.raises(UsageError, match=message):
        request_for(**given)


def test_a_missing_package_is_reported_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("bench.sweep.launchers.find_spec", lambda name: None)
    with pytest.raises(
        LaunchError, match=r"needs ray, which is not installed; run `pip install 'clip-etl-bench\[ray\]'`"
    ):
        make_transport(request_for("ray"), Surroundings(runs=Path("runs"), context=RunContext()), 1)


def test_a_ray_node_has_its_own_cache_unless_one_is_named(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert feature_cache(request_for("ray")) == Path("~/.cache/clip-etl-bench")
    assert feature_cache(request_for("ray", cache=Path("/named"))) == Path("/named")
    if sys.platform == "linux":
        assert feature_cache(request_for("slurm")) == tmp_path / "clip-etl-bench"


def test_rays_own_variable_is_no_wish_to_use_ray(monkeypatch, etl, tmp_path: Path):
    monkeypatch.setenv("RAY_ADDRESS", "ray://somewhere:10001")
    command = ["run", "-m", "coop", "-d", "spectrum_basic", "--dry-run", "--runs", str(tmp_path)]
    assert etl(*command)[0] == 0


# --- the same results everywhere --------------------------------------------------------------------------------------

GRID = (
    "run -m zero_shot,tip_adapter,clip_adapter -d spectrum_basic -b ViT-tiny.random --protocol few-shot --shots 2 "
    "--seeds 1 --set clip_adapter.recipe.epochs=1"
)


def etl_bench(runs: Path, *arguments: str, cores: set[int] | None = None) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment |= {"RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-m", "bench", *GRID.split(), "--runs", str(runs), "--cache", str(runs / "cache")]
    done = subprocess.run(
        [*command, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    assert done.returncode == 0, done.stderr


def results(runs: Path) -> dict[str, object]:
    """All that the shards hold but when it was, how long it took and how much memory the process had."""
    from bench.results.predictions import pack_predictions
    from bench.results.shards import Shards

    shards, found = Shards(runs), {}
    for entry in shards.scan():
        shard = shards.read(entry.run_id)
        assert shard is not None
        record = shard.record.model_dump(
            mode="json", exclude={"created_at": True, "cost": True, "provenance": {"git_dirty"}}
        )
        cost = shard.record.cost
        found[entry.run_id] = (
            record,
            cost and (cost.trainable_parameters, cost.steps),
            pack_predictions(shard.predictions),
        )
    found["difficulty"] = [item.model_dump(mode="json", exclude={"created_at"}) for item in shards.difficulties.all()]
    return found


@pytest.mark.slow  # `tests/bench/sweep/launch/test_same_results.py`, and `test_ray.py` for a real cluster
def test_all_launchers_give_the_same_results(tmp_path: Path, monkeypatch):
    pytest.importorskip("ray", reason="needs Ray, the extra [ray]")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    etl_bench(tmp_path / "local", "--launcher", "local", "--jobs", "2")
    expected = results(tmp_path / "local")
    assert len(expected) == 4
    etl_bench(tmp_path / "ray", "--launcher", "ray", "--resource", "address=local", "--jobs", "2")
    cluster = FakeSlurm(tmp_path / "cluster", monkeypatch)
    etl_bench(tmp_path / "slurm", "--launcher", "slurm", "--jobs", "2")
    cluster.close()
    for name in ("ray", "slurm"):
        assert json.dumps(results(tmp_path / name), default=repr) == json.dumps(expected, default=repr), name
    one = {min(os.sched_getaffinity(0))}  # in this process a run has all cores, and rounding may depend on threads
    etl_bench(tmp_path / "inline", "--launcher", "inline", cores=one)
    assert json.dumps(results(tmp_path / "inline"), default=repr) == json.dumps(expected, default=repr)
