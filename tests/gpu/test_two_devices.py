"""A whole sweep on two pretended GPUs: the command and its workers see them, and the workers are spread over both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from bench.results.shards import Shards

INSTALL = "from pretended_device.installation import install\ninstall()\n"


@pytest.mark.slow  # tests/bench/sweep/launch/test_launch.py spreads workers over GPUs without starting them
def test_the_workers_of_a_sweep_are_spread_over_all_devices(needs_compiler: None, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INSTALL)  # Python imports it at the start of every process
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "bench", "run", "-m", "zero_shot,coop", "-d", "spectrum_basic:test=5"]
    command += ["-b", "ViT-tiny.random", "--shots", "1", "--seeds", "2", "--recipe", "demo", "--device", "all"]
    command += ["--protocol", "few-shot"]
    command += ["--set", "coop.recipe.epochs=2", "--runs", str(runs), "--cache", str(tmp_path / "cache")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests" / "gpu"))),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "0, cuda:1 pretended GPU 1, fp32" in done.stdout + done.stderr
    shards = Shards(runs)
    records = [shards.record(run_id) for run_id in shards.scan()]
    provenance = [record.provenance for record in records if record is not None]
    assert {made.gpu.name for made in provenance if made.gpu} == {"pretended GPU 0", "pretended GPU 1"}
    assert {made.device for made in provenance} == {"cuda:0"}, "its own GPU"
    assert len(provenance) == 3
