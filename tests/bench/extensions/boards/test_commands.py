"""`etl-bench board` submit, check, build and verify."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile_submissions import HOSTILE, THEIR_CODE, stating
from places import ROOT
from simulated_submissions import FACTS, Draft, honest_runs, simulated_run
from tiny_runs import finished, spec_of

from bench.results.shards import Shards

WHO = ["--who", "A lab", "--contact", "lab@example.org"]
Etl = Callable[..., tuple[int, str, str]]


@pytest.fixture
def refused(etl: Etl) -> Callable[..., str]:
    """The error of a command that is refused."""

    def refused(*arguments: object) -> str:
        code, out, err = etl("board", *arguments)
        assert (code, out) == (2, "")
        return err

    return refused


def facts_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "submission.toml").read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab") / "runs"
    for record, predictions in honest_runs():
        Shards(folder).write(record, predictions)
    return folder


def test_submit_writes_a_submission_that_the_check_accepts(etl: Etl, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions" / "lab"
    code, said, _ = etl("board", "submit", folder, *WHO, "--runs", runs, "--verify", "--notes", "three seeds")
    assert (code, said.startswith("7 runs, 0")) == (0, True)
    assert "lab: accepted" in said
    assert "predictions: 7 of 7 runs" in said
    assert sorted(path.name for path in folder.iterdir()) == ["runs.zip", "submission.toml"]
    assert 'notes = "three seeds"\nverify = true' in (folder / "submission.toml").read_text()
    code, said, _ = etl("board", "check", folder, "--json")
    (found,) = json.loads(said)
    assert (code, found["accepted"], found["runs"], found["refusals"]) == (0, True, 7, [])

    # again, with other facts and the runs of a condition
    again = ["--who", "A lab", "--contact", "https://lab.example.org/us", "--licence", "MIT"]
    code, said, _ = etl("board", "submit", folder, *again, "--runs", runs, "--where", "method = 'coop'")
    assert (code, said.startswith("3 runs")) == (0, True)
    facts = facts_of(folder)
    assert (facts["licence"], facts["notes"], facts["contact"]) == ("MIT", "", "https://lab.example.org/us")


def test_a_folder_with_other_files_is_not_overwritten(
    etl: Etl, refused: Callable[..., str], runs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    submit = ("submit", folder, *WHO, "--runs", runs)
    assert "holds 'thesis.tex'; give a new" in refused(*submit)
    (folder / "thesis.tex").rename(folder / "submission.toml")
    assert "did not write it" in refused(*submit)
    (folder / "submission.toml").write_bytes(b"\xff")
    assert etl("board", *submit, "--force")[0] == 0
    assert "'My Lab' is not allowed" in refused("submit", tmp_path / "My Lab", *WHO, "--runs", runs)


def test_check_of_a_folder_checks_each_submission(etl: Etl, refused: Callable[..., str], tmp_path: Path) -> None:
    for name in ("first", "second"):
        Draft([simulated_run()]).write(tmp_path / "submissions" / name)
    code, said, _ = etl("board", "check", tmp_path / "submissions")
    assert code == 1
    assert "second: refused\n  refused: all of its runs are on the board already" in said
    assert said.endswith("1 of 2 submissions accepted\n")
    assert "There is no folder" in refused("check", tmp_path / "nothing")


def test_checking_imports_no_torch(tmp_path: Path) -> None:
    Draft().write(tmp_path / "s" / "lab")
    code = (
        "import sys; from bench.cli.app import command_tree; "
        f"command_tree()(['board', 'check', {str(tmp_path / 's')!r}], standalone_mode=False); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "lab: accepted" in done.stdout


def test_the_documented_workflow_builds_the_board_and_fails_for_a_refused_submission(
    etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command in the workflow of docs/boards.md."""
    page = (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")
    jobs = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])["jobs"]
    (command,) = [step["run"] for step in jobs["build"]["steps"] if step.get("run", "").startswith("etl-bench")]
    build = [*shlex.split(command)[1:], "--no-images"]
    assert "--strict" in build
    monkeypatch.chdir(tmp_path)
    Draft([simulated_run()]).write(tmp_path / "submissions" / "first")
    code, said, _ = etl(*build)
    assert (code, said.startswith("1 of 1 submission accepted; 1 run\n")) == (0, True)
    assert (tmp_path / "site" / "index.html").is_file()
    HOSTILE["HTML in the notes"].write(tmp_path / "submissions" / "second")
    code, said, noted = etl(*build)
    assert (code, said.startswith("1 of 2 submissions accepted; 1 run\n")) == (1, True)
    assert "refused: second: submission.toml: notes" in noted


def test_build_keeps_pages_of_others_and_names_what_is_wrong(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("my page")
    (tmp_path / "submissions").mkdir()
    assert "use: it contains 'index.html'" in refused("build", tmp_path / "submissions", "-o", tmp_path / "site")
    assert "There is no folder" in refused("build", tmp_path / "nothing", "-o", tmp_path / "other")
    Draft([simulated_run()]).write(tmp_path / "submissions" / "first")
    for command in (["build", "-o", tmp_path / "other"], ["verify", "--secret", "x"]):
        assert "first is one submission" in refused(*command, tmp_path / "submissions" / "first")
    (tmp_path / "empty" / "submissions").mkdir(parents=True)
    for board in (tmp_path, tmp_path / "empty"):
        assert f"give {board / 'submissions'}, " in refused("build", board, "-o", tmp_path / "other")


def test_a_folder_without_submissions_is_no_board(refused: Callable[..., str], tmp_path: Path) -> None:
    """A new folder, one of pictures, and one of folders of pictures."""
    for folder, picture in (("new", None), ("pictures", "cat.jpg"), ("classes", "cats/cat.jpg")):
        (tmp_path / folder).mkdir()
        if picture is not None:
            (tmp_path / folder / picture).parent.mkdir(exist_ok=True)
            (tmp_path / folder / picture).write_bytes(b"")
        for command in (["build", "-o", tmp_path / "site"], ["check"], ["verify", "--secret", "x"]):
            said = refused(*command, tmp_path / folder)
            assert f"{folder} has no submissions: " in said
            assert "board submit` makes one" in said
        assert not (tmp_path / "site").exists()


def test_verify_recomputes_genuine_runs_and_finds_invented_ones(
    etl: Etl, refused: Callable[..., str], tmp_path: Path
) -> None:
    """The runs of one submission were computed; those of the other have random logits."""
    place = tmp_path / "board"
    asks = FACTS.model_copy(update={"verify": True, "submitted": datetime.now(UTC)})
    genuine = [finished(spec_of(method)) for method in ("zero_shot", "text_adapter")]
    Draft([(record, list(predictions)) for record, predictions in genuine], asks).write(place / "submissions" / "real")
    Draft([simulated_run("zero_shot")]).write(place / "submissions" / "silent")
    command = ["verify", place / "submissions", "--secret", "commit"]
    code, said, noted = etl("board", *command)
    assert code == 0
    assert noted.startswith("2 of 2 runs reproduced.")
    assert [line.rpartition(" ")[2] for line in said.splitlines()] == ["identical", "identical"]
    assert sorted(path.name for path in (place / "verified" / "submissions").iterdir()) == ["real.json"]
    _, said, noted = etl("board", *command)
    assert (said, noted.partition(":")[0]) == ("", "Nothing to recompute"), "what was verified is not repeated"

    code, said, _ = etl("board", *command, "--submission", "silent")
    assert (code, said.startswith("silent: run "), said.split()[-1]) == (1, True, "different")
    etl("board", *command, "--submission", "real", "--runs", 1)
    kept = json.loads((place / "verified" / "submissions" / "real.json").read_text())["outcomes"]
    assert list(kept.values()) == ["identical", "identical"], "the results of other runs stay"
    assert "accepted submission. Accepted: real" in refused(*command, "--submission", "other")


def test_verify_says_that_code_of_others_cannot_be_repeated(etl: Etl, tmp_path: Path) -> None:
    theirs = stating(simulated_run("external:Theirs"), external=THEIR_CODE)
    Draft([theirs]).write(tmp_path / "submissions" / "theirs")
    _, said, noted = etl("board", "verify", tmp_path / "submissions", "--secret", "s", "--submission", "theirs")
    assert "code is not part" in said + noted
    assert not (tmp_path / "verified").exists(), "nothing was recomputed"
