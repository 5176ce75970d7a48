"""CONTRIBUTING's two examples work as printed: one new file each, nothing else touched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE
from PIL import Image
from places import ROOT

PACKAGES = ("bench", "methods", "datasets_registry", "reports")


def example(target: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    found = re.search(rf"<!-- runs as {re.escape(target)} -->\n```python\n(.*?)```", text, flags=re.S)
    assert found, target
    return found.group(1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the source tree, so that new files do not land in the checkout."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def etl_bench(source: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(source), "ETL_BENCH_CACHE": str(source / "cache")}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.slow  # test_scaffold.py begins and checks a method
def test_the_method_of_the_guide_runs_from_one_new_file(source: Path) -> None:
    code = example("methods/nearest_mean.py")
    assert len(code.splitlines()) < 40
    (source / "methods" / "nearest_mean.py").write_text(code)
    command = (
        "run -m nearest_mean,zero_shot -d spectrum_basic -b ViT-tiny.random --protocol few-shot --shots 4 --seeds 1"
    )
    ran = etl_bench(source, *command.split(), "--jobs", "0")
    assert ran.returncode == 0, ran.stderr
    board = etl_bench(source, "leaderboard", "--json")
    assert "nearest_mean" in board.stdout, board.stderr
    refused = etl_bench(
        source, "run", "-m", "nearest_mean", "-d", "spectrum_basic", "-b", "ViT-tiny.random", "--dry-run"
    )
    assert refused.returncode == 2
    assert "nearest_mean" in refused.stderr
    assert "use --protocol few-shot" in refused.stderr


def test_the_dataset_of_the_guide_is_read_from_one_new_file(source: Path) -> None:
    (source / "datasets_registry" / "my_flowers.py").write_text(example("datasets_registry/my_flowers.py"))
    folder = source / "data" / "my_flowers"
    (folder / "images").mkdir(parents=True)
    rows = []
    for label, (name, colour) in enumerate({"rose": (200, 30, 40), "violet": (120, 60, 200)}.items()):
        for i in range(3):
            Image.new("RGB", (40, 50), colour).save(folder / "images" / f"{name}{i}.png")
            rows.append([f"{name}{i}.png", label, name])
    split = {"train": rows[::3], "val": rows[1::3], "test": rows[2::3]}
    (folder / "split_my_flowers.json").write_text(json.dumps(split))
    checked = etl_bench(source, "datasets", "check", "my_flowers", "--data-root", "data", "--json")
    (found,) = json.loads(checked.stdout)
    assert (checked.returncode, found["fine"], found["checked_images"]) == (0, True, 6), checked.stderr
