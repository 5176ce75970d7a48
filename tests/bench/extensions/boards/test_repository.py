"""A scratch git repository made by `board init`: its pull requests are checked with the commands of its workflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile_submissions import HOSTILE
from places import ROOT
from simulated_submissions import FACTS, Draft, simulated_run

from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.publishing import build_board
from bench.extensions.boards.template import write_template

LATER = FACTS.model_copy(update={"submitted": FACTS.submitted + timedelta(days=1)})


@dataclass(frozen=True)
class Repository:
    place: Path

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *who, *arguments], cwd=self.place, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, title: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", title)
        return self.git("rev-parse", "HEAD")

    def check(self, base: str) -> tuple[bool, str]:
        """Run the steps of the workflow that checks pull requests; whether all pass, and what they print."""
        summary = self.place.parent / "summary.md"
        said, passed = [], True
        for step in workflow(self.place)["jobs"]["check"]["steps"]:
            script = step.get("run", "")
            if not script or "pip install" in script or not (passed or "if" in step):
                continue
            done = self.run(script, BASE=base, GITHUB_STEP_SUMMARY=str(summary))
            said.append(done.stdout + done.stderr)
            passed = passed and done.returncode == 0
        if (self.place / "before").exists():
            self.git("worktree", "remove", "--force", "before")
        return passed, "".join(said)

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script of a pipeline in the repository, with `etl-bench` on its path."""
        bin_folder = self.place.parent / "bin"
        bin_folder.mkdir(exist_ok=True)
        shim = bin_folder / "etl-bench"
        shim.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m bench "$@"\n')
        shim.chmod(0o755)
        environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}"} | variables
        command = ["bash", "-eo", "pipefail", "-c", script]
        return subprocess.run(command, cwd=self.place, env=environment, capture_output=True, text=True, check=False)


def workflow(place: Path) -> dict[str, Any]:
    return yaml.safe_load((place / ".github" / "workflows" / "check.yml").read_text())


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A board with one submission on its main branch."""
    place = tmp_path / "board"
    write_template(place, "Our board")
    made = Repository(place)
    made.git("init", "--quiet", "--initial-branch", "main")
    Draft([simulated_run(seed=seed) for seed in (1, 2, 3)]).write(place / "submissions" / "first")
    shutil.rmtree(place / "runs-of")
    made.commit("Board with one submission")
    return made


def test_an_honest_pull_request_passes_and_its_diff_is_posted(repository: Repository) -> None:
    base = repository.git("rev-parse", "HEAD")
    Draft([simulated_run("clip_adapter", seed, skill=6.0) for seed in (1, 2, 3)], LATER).write(
        repository.place / "submissions" / "second"
    )
    shutil.rmtree(repository.place / "runs-of")
    repository.commit("Submission of the second lab")
    passed, said = repository.check(base)
    assert passed, said
    assert "second: accepted" in said
    text = (repository.place / "diff.md").read_text()
    assert text.startswith("- new submission `second` by `A lab`: accepted, 3 completed runs")
    assert "| **new** `clip_adapter` |" in text
    assert repository.git("status", "--porcelain") == "", "nothing that the check writes is committed"


@pytest.mark.slow  # the test above runs the same commands of etl-bench on GitHub
def test_the_merge_request_of_a_fork_passes_on_gitlab(repository: Repository, tmp_path: Path) -> None:
    fork = Repository(tmp_path / "fork")
    repository.git("clone", "--quiet", str(repository.place), str(fork.place))
    clone = Repository(tmp_path / "clone")
    fork.git("clone", "--quiet", str(fork.place), str(clone.place))
    (repository.place / "README.md").write_text("The board goes on while the fork stays behind.\n")
    repository.commit("A new README")
    clone.git("pull", "--quiet", str(repository.place), "main")
    Draft([simulated_run("clip_adapter", seed) for seed in (1, 2, 3)], LATER).write(
        clone.place / "submissions" / "second"
    )
    shutil.rmtree(clone.place / "runs-of")
    clone.commit("Submission of the second lab")
    job = yaml.safe_load((clone.place / ".gitlab-ci.yml").read_text())["check"]
    variables = {
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2",
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_PROJECT_URL": str(repository.place),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    done = clone.run("\n".join(job["script"]), **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "second: accepted" in done.stdout
    assert (clone.place / "diff.md").read_text().startswith("- new submission `second` by `A lab`: accepted")
    clone.git("worktree", "remove", "--force", "before")
    refused = clone.run("\n".join(job["script"][:4]), **variables | {"CI_MERGE_REQUEST_PROJECT_ID": "2"})
    assert "in submissions/. Other changed files: README.md" in refused.stdout, "compared with the fork itself"


def test_a_pull_request_that_changes_the_workflow_fails_first(repository: Repository) -> None:
    base = repository.git("rev-parse", "HEAD")
    (repository.place / "requirements.txt").write_text("evil\n")
    repository.commit("A small fix")
    passed, said = repository.check(base)
    assert not passed
    assert said.startswith("A submission may change only files in submissions/")
    assert "requirements.txt" in said


@pytest.mark.slow  # test_hostile.py checks each of them alone, and the pull requests above run the commands
def test_a_board_takes_the_honest_submission_among_all_hostile_ones(repository: Repository, tmp_path: Path) -> None:
    folder = repository.place / "submissions"
    for number, hostile in enumerate(HOSTILE.values()):
        if hostile.name == "lab":
            hostile.write(folder / f"hostile-{number}")
    done = build_board(folder, tmp_path / "site", work=tmp_path / "work", images=False)
    assert [report.name for report in done.reports if report.accepted] == ["first"]
    assert len(done.reports) >= 31
    assert set(done.runs.owner.values()) == {"first"}
    assert "<script>alert" not in done.page.read_text()


def test_the_page_opens_offline_in_a_browser(repository: Repository, tmp_path: Path, tab: Any) -> None:
    hostile = repository.place / "submissions" / "hostile"
    HOSTILE["HTML in who"].write(hostile)
    done = build_board(hostile.parent, tmp_path / "site", work=tmp_path / "work", images=False)
    tab.open(done.page.resolve().as_uri())
    assert tab.run("document.querySelector('#submissions h3').textContent").startswith("Submissions")
    rows = "[...document.querySelectorAll('#submissions-table tbody tr')].map(row => row.cells[0].textContent)"
    assert tab.run(rows) == ["first"]
    assert "could be markup" in tab.run("document.querySelector('#submissions-refused').textContent")
    assert tab.run("document.querySelectorAll('#submissions img').length") == 0
    requests = [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert not [e for e in tab.events if e["method"] == "Runtime.exceptionThrown"]


def test_the_workflows_give_pull_requests_no_secrets_and_no_write_access(tmp_path: Path) -> None:
    write_template(tmp_path / "b", "B")
    folder = tmp_path / "b" / ".github" / "workflows"
    check = yaml.safe_load((folder / "check.yml").read_text())
    assert check[True] == {"pull_request": None}, "`on` is true in YAML 1.1; pull_request_target would have secrets"
    assert check["permissions"] == {"contents": "read"}
    for path in folder.iterdir():
        assert "secrets." not in path.read_text()
        assert "pull_request_target" not in path.read_text()
    comment = (folder / "comment.yml").read_text()
    assert "checkout" not in comment
    assert "pip" not in comment
    gitlab = yaml.safe_load((tmp_path / "b" / ".gitlab-ci.yml").read_text())
    assert set(gitlab) == {"image", "before_script", "check", "pages"}


@pytest.mark.parametrize("kind", ["github-workflows", "gitlab-ci"])
def test_pipelines_follow_the_schemas_of_their_hosts(tmp_path: Path, kind: str) -> None:
    write_template(tmp_path / "b", "B")
    ours = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    files = [*ours, *(tmp_path / "b" / ".github").rglob("*.yml")]
    if kind == "gitlab-ci":
        files = [tmp_path / "b" / ".gitlab-ci.yml"]
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(files[-1].read_text().replace("rules:", "rule:").replace("runs-on:", "run-on:"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    assert (done.returncode, len(files)) == (0, 1 if kind == "gitlab-ci" else len(ours) + 3), done.stdout
    noticed = subprocess.run([*command, str(wrong)], capture_output=True, text=True, check=False)
    assert noticed.returncode == 1
    assert "wrong.yml" in noticed.stdout


def test_the_template_names_the_board_and_overwrites_nothing(tmp_path: Path) -> None:
    paths = write_template(tmp_path / "b", "Our <3 board".replace("<3", "own"), "clip-etl-bench @ https://x.org/a.whl")
    assert (tmp_path / "b" / "README.md").read_text().startswith("# Our own board\n")
    assert (tmp_path / "b" / "requirements.txt").read_text() == "clip-etl-bench @ https://x.org/a.whl\n"
    assert not [path for path in paths if "@TITLE@" in path.read_text() or "@INSTALL@" in path.read_text()]
    before = {path: path.read_bytes() for path in paths}
    with pytest.raises(BoardError, match=r"is in use: it contains '.github'. Nothing was written"):
        write_template(tmp_path / "b", "Another")
    assert {path: path.read_bytes() for path in paths} == before
    with pytest.raises(BoardError, match="The title '<b>' is not accepted: it has '<' or '>'"):
        write_template(tmp_path / "c", "<b>")
    assert not (tmp_path / "c").exists()
