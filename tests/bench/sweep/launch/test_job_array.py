"""The lines of docs/clusters.md for Slurm: each job of an array runs a sweep file."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from places import ROOT

from bench.results.shards import Shards


def test_the_command_of_a_job_computes_the_runs_of_the_sweep_file(tmp_path: Path, etl, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text(
        'methods = ["coop"]\ndatasets = ["spectrum_basic"]\nshots = [2]\nseeds = [1, 2]\nruns = "here"\n'
        'jobs = 0\nrunner = "fake_runner"\n'
    )
    page = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^sbatch --array=0-7 --requeue .* --wrap '(?:exec )?etl-bench (.*)'$", page, re.MULTILINE)
    assert etl(*shlex.split(command))[0] == 0
    assert len(Shards(Path("here")).scan()) == 2
