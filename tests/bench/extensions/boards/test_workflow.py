"""The workflow of docs/boards.md checks a pull request and builds the page with one command."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from hostile_submissions import HOSTILE
from places import ROOT
from simulated_submissions import Draft, simulated_run
from typer.testing import CliRunner

from bench.cli.app import app


def test_the_documented_workflow_accepts_a_submission_and_fails_for_a_refused_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")
    jobs = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])["jobs"]
    commands = [step["run"] for step in jobs["build"]["steps"] if step.get("run", "").startswith("etl-bench")]
    monkeypatch.chdir(tmp_path)
    Draft([simulated_run()]).write(tmp_path / "submissions" / "first")
    codes = [CliRunner().invoke(app, [*shlex.split(text)[1:], "--no-images"]).exit_code for text in commands]
    assert (codes, (tmp_path / "site" / "index.html").is_file()) == ([0], True)
    HOSTILE["a score that was raised"].write(tmp_path / "submissions" / "second")
    assert CliRunner().invoke(app, [*shlex.split(commands[0])[1:], "--no-images"]).exit_code == 1
