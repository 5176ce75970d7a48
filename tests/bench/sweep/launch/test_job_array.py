"""The lines of docs/clusters.md for Slurm: jobs of an array share the runs of a sweep file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from bench.results.shards import Shards

ROOT = Path(__file__).parents[4]
SBATCH = """#!/bin/bash
# Slurm as far as the lines need it: every job of the array runs the command of --wrap
for index in 0 1; do bash -c "${@: -1}" > job-$index.log 2>&1 & done
wait
"""
ETL_BENCH = f'#!/bin/bash\nexec {sys.executable} -m bench "$@"\n'


def test_the_jobs_of_an_array_compute_each_run_once(tmp_path: Path):
    lines = re.search(r"## Slurm.*?```bash\n(.*?)```", (ROOT / "docs/clusters.md").read_text("utf-8"), re.DOTALL)
    *_, submit = lines[1].splitlines()
    assert submit.startswith("sbatch --array=0-7 --requeue")
    for name, script in (("sbatch", SBATCH), ("etl-bench", ETL_BENCH)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "sweep.toml").write_text(
        'methods = ["coop", "vpt"]\ndatasets = ["spectrum_basic"]\nshots = [2]\nseeds = [1, 2, 3, 4]\n'
        f'jobs = 0\nrunner = "fake_runner"\nruns = "{tmp_path}/runs"\n'
    )
    computed = tmp_path / "processes"
    subprocess.run(
        ["bash", "-c", submit],
        cwd=tmp_path,
        env=os.environ
        | {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "FAKE_RUNNER": f'{{"sleep": 0.2, "processes": "{computed}"}}',
        },
        check=True,
        timeout=300,
    )
    labels = [line.rpartition(" ") for line in computed.read_text().splitlines()]
    assert len({label for label, _, _ in labels}) == len(labels) == len(Shards(tmp_path / "runs").scan()) == 8
    assert len({process for _, _, process in labels}) == 2
