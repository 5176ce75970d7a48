"""The harness without its extensions: a copy lacks the folders, and lists, runs, ranks and reports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

from bench.extension import extensions

PACKAGES = ("bench", "methods", "datasets_registry", "reports")
NAMES = sorted(path.parent.name for path in (ROOT / "bench" / "extensions").glob("*/extension.py"))
Etl = Callable[..., subprocess.CompletedProcess[str]]


def copy_without(names: list[str], place: Path) -> Etl:
    """A copy of the packages without these extensions, and a way to call its command."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in names:
        shutil.rmtree(place / "bench" / "extensions" / name)
    work = place / "work"
    work.mkdir()

    def etl(*words: str) -> subprocess.CompletedProcess[str]:
        command, environment = [sys.executable, "-m", "bench", *words], os.environ | {"PYTHONPATH": str(place)}
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)

    return etl


PAPER = """
title = "Mine"
address = "arXiv:2311.15569"
[table-1]
title = "One"
figures = ["apex-fig5-separability"]
sweep = [{ methods = ["zero_shot"], datasets = ["spectrum_basic:test=5"] }]
"""


COMMANDS = """
import typer
from bench.cli.app import app
group = typer.main.get_command(app)
for name in group.list_commands(None):
    command = group.get_command(None, name)
    print(name, *(f"{name} {one}" for one in getattr(command, "commands", ())), sep="\\n")
"""
"""Prints all commands, those of groups after the group's name."""

LEFT_OUT = [pytest.param(NAMES, id="all"), *(pytest.param([one], id=one, marks=pytest.mark.slow) for one in NAMES)]


@pytest.mark.parametrize("names", LEFT_OUT)
def test_the_harness_needs_no_extension(names: list[str], tmp_path: Path) -> None:
    etl = copy_without(names, tmp_path)
    listed = etl("--help")
    assert listed.returncode == 0, listed.stderr
    left = subprocess.run(
        [sys.executable, "-P", "-c", COMMANDS],
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert "leaderboard" in left
    assert not set(left) & {words for one in names for words in extensions()[one].command_table()}
    refused = etl(*["run", "-m", "zero_shot", "-d", "spectrum_basic", "--tracker", "mlflow"])
    if "trackers" in names:
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert "The tracker 'mlflow' is unknown" in refused.stderr
    if "packs" in names:
        refused = etl(*["run", "-m", "zero_shot", "-d", "spectrum_basic", "--pack", "some.pack"])
        assert (refused.returncode, refused.stderr.count("\n"), "some.pack" in refused.stderr) == (2, 1, True)
    if "hub" in names:
        assert "--format 'hf' is unknown" in etl("export", "--format", "hf", "--out", "cards").stderr
        assert "--benchmark" not in etl("export", "--help").stdout
    (tmp_path / "work" / "mine.toml").write_text(PAPER)
    reproduced = etl(*["papers", "reproduce", "mine.toml", "table-1", "--on", "synthetic", "--jobs", "0", "--json"])
    if "paper_figures" in names:
        assert reproduced.returncode == 3, reproduced.stderr
        assert "apex-fig5-separability: no installed extension draws figures of papers" in reproduced.stdout
    sweep = "run -m zero_shot,linear_probe -d spectrum_basic:test=5 --protocol few-shot --shots 1 --seeds 1 --jobs 0"
    published = "report --source published --protocol cross-dataset --out papers.html"
    for words in (sweep, "leaderboard --json", "report --out page.html", published):
        done = etl(*words.split())
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        if words == "leaderboard --json":
            assert '"method": "linear_probe"' in done.stdout
    assert (tmp_path / "work" / "page.html").stat().st_size > 100_000
