"""The first submission with a run is found by the order of commits, and never by a date."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from simulated_submissions import FACTS, Draft, Run, simulated_run

from bench.extensions.boards import precedence as module
from bench.extensions.boards.precedence import first_seen, owners
from bench.extensions.boards.submissions.check import Checks, OwnChecks
from bench.extensions.boards.submissions.submission import submission_folders

OLD = FACTS.model_copy(update={"submitted": datetime(1970, 1, 1, tzinfo=UTC)})
MINE, YOURS = simulated_run("coop"), simulated_run("zero_shot")
Git = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "board" / "submissions"


@pytest.fixture
def git(folder: Path) -> Git:
    """A repository around the folder; dates of commits are those of an attacker, each earlier than the last."""
    folder.mkdir(parents=True)
    years = iter(range(2020, 1980, -1))

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        date = f"{next(years)}-01-01T00:00:00Z"
        environment = os.environ | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        command = ["git", *who, *arguments]
        done = subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    git("init", "--quiet", "--initial-branch", "main")
    (folder.parent / ".gitignore").write_text("runs-of\n")
    return git


def committed(git: Git, folder: Path, name: str, *runs: Run) -> None:
    Draft(list(runs), OLD).write(folder / name)
    git("add", "--all")
    git("commit", "--quiet", "--message", name)


def own_checks(folder: Path) -> list[OwnChecks]:
    checks = Checks(None)
    return [checks.own(item) for item in submission_folders(folder)]


def owner(folder: Path) -> dict[str, str]:
    """The owner of each run by the name of its method."""
    found = own_checks(folder)
    methods = {run.run_id: run.method for own in found for run in own.runs}
    return {methods[run]: name for run, name in owners(found, first_seen(folder, found)).items()}


def test_the_first_commit_with_a_run_counts(git: Git, folder: Path) -> None:
    """The copy has an earlier name, date and commit date, and was there first with another run."""
    committed(git, folder, "copy", YOURS)
    committed(git, folder, "honest", MINE)
    committed(git, folder, "copy", YOURS, MINE)
    assert owner(folder) == {"zero_shot": "copy", "coop": "honest"}


def test_a_submission_that_is_updated_keeps_its_place(git: Git, folder: Path) -> None:
    committed(git, folder, "honest", MINE)
    committed(git, folder, "copy", MINE)
    committed(git, folder, "honest", MINE, YOURS)
    Draft([YOURS, MINE], OLD).write(folder / "a-new-one")
    assert owner(folder) == {"zero_shot": "honest", "coop": "honest"}, "uncommitted runs come last"


def test_a_merge_counts_where_it_joins_the_main_line(git: Git, folder: Path) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "start")
    git("checkout", "--quiet", "-b", "fork")
    committed(git, folder, "copy", MINE)
    git("checkout", "--quiet", "main")
    committed(git, folder, "honest", MINE)
    git("merge", "--quiet", "--no-ff", "fork", "--message", "join")
    assert owner(folder) == {"coop": "honest"}


def test_a_shallow_history_and_a_failing_git_give_no_order(
    git: Git, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(git, folder, "b", MINE)
    committed(git, folder, "a", MINE)
    assert owner(folder) == {"coop": "b"}
    git("clone", "--quiet", "--depth", "1", f"file://{folder.parent}", str(tmp_path / "shallow"))
    assert owner(tmp_path / "shallow" / "submissions") == {"coop": "a"}
    monkeypatch.setattr(module, "TIME_LIMIT", 0)
    assert owner(folder) == {"coop": "a"}
