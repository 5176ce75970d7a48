"""Whole runs by the command line on a pretended GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from families_of_methods import WITHOUT_TEACHER, first_of_each_family
from places import ROOT
from short_settings import short_overrides, short_recipe_overrides

from bench.results.shards import Shards
from datasets_registry import EvalProtocol
from methods import METHODS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_compiler")]  # test_every_method.py runs the same methods


@pytest.mark.parametrize(
    ("protocol", "precision"), [(EvalProtocol.FEW_SHOT, "bf16"), (EvalProtocol.BASE_TO_NEW, "fp32")]
)
def test_whole_runs_of_each_family_finish_on_a_gpu(protocol: EvalProtocol, precision: str, tmp_path: Path) -> None:
    names = sorted(first_of_each_family(WITHOUT_TEACHER))
    infos = [info for name in names if not (info := METHODS.get(name).info).reads_test_stream]
    infos = [info for info in infos if protocol is EvalProtocol.FEW_SHOT or info.open_vocabulary]
    changes = [text for info in infos for text in short_overrides(info.name)]
    changes += [text for info in infos if info.recipes for text in short_recipe_overrides(info.name)]
    command = [
        sys.executable,
        "-m",
        "bench",
        "run",
        "-m",
        ",".join(info.name for info in infos),
        "-b",
        "ViT-tiny.random",
    ]
    command += ["-d", "spectrum_basic:test=5", "--shots", "2", "--seeds", "1,", "--jobs", "0", "--json"]
    command += ["--protocol", str(protocol), "--precision", precision, "--device", "cuda"]
    command += ["--unlabelled", "train"] if any(info.needs_pool for info in infos) else []
    command += ["--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    command += [part for change in changes for part in ("--set", change)]
    install = "from pretended_device.installation import install\ninstall()\n"
    (tmp_path / "sitecustomize.py").write_text(install)  # Python imports it at its start
    places = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests" / "gpu")))
    environment = os.environ | {"PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    shards = Shards(tmp_path / "runs")
    records = [record for run_id in shards.scan() if (record := shards.record(run_id)) is not None]
    assert len(records) >= len(infos)
    assert {record.provenance.gpu.name for record in records if record.provenance.gpu} == {"pretended GPU 0"}
