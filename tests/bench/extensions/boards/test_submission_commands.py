"""`board submit` and `board check`."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from simulated_submissions import Draft, honest_runs
from typer.testing import CliRunner

from bench.cli.app import app
from bench.errors import UsageError
from bench.extensions.boards.errors import SubmissionError
from bench.results.shards import Shards

WHO = ["--who", "A lab", "--contact", "lab@example.org"]


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def facts_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "submission.toml").read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab") / "runs"
    for record, predictions in honest_runs():
        Shards(folder).write(record, predictions)
    return folder


def test_submit_writes_a_submission_that_the_check_accepts(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions" / "lab"
    code, said = run("board", "submit", folder, *WHO, "--runs", runs, "--verify", "--notes", "three seeds")
    assert code == 0
    assert said.startswith("7 runs, 0")
    assert "lab: accepted" in said
    assert "predictions: 7 of 7 runs" in said
    assert sorted(path.name for path in folder.iterdir()) == ["methods.md", "runs.zip", "submission.toml"]
    assert 'notes = "three seeds"\nverify = true' in (folder / "submission.toml").read_text()
    assert "## tip_adapter" in (folder / "methods.md").read_text()
    code, said = run("board", "check", folder, "--json")
    (found,) = json.loads(said)
    assert (code, found["accepted"], found["runs"], found["refusals"]) == (0, True, 7, [])


def test_submit_takes_the_runs_of_a_condition(runs: Path, tmp_path: Path) -> None:
    code, said = run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs, "--where", "method = 'coop'")
    assert code == 0
    assert said.startswith("3 runs")
    with pytest.raises(UsageError, match="matches --where \"method = 'vpt'\"."):
        run("board", "submit", tmp_path / "none", *WHO, "--runs", runs, "--where", "method = 'vpt'")
    with pytest.raises(UsageError, match=r"\brecipe_name\b"):
        run("board", "submit", tmp_path / "none", *WHO, "--runs", runs, "--where", "recipe = 'demo'")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--who", "<b>us</b>"], "--who '<b>us</b>' is not accepted"),
        (["--contact", "us"], "--contact 'us' is not accepted"),
        (["--code", "http://x.y"], "--code 'http://x.y' is not accepted"),
        (["--licence", "mine, all mine"], "SPDX identifier such as CC-BY-4.0"),
    ],
)
def test_wrong_facts_are_refused_before_anything_is_written(
    runs: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    who = {"--who": "us", "--contact": "us@x.org"} | {arguments[0]: arguments[1]}
    with pytest.raises(SubmissionError) as refused:
        run("board", "submit", tmp_path / "lab", *(text for pair in who.items() for text in pair), "--runs", runs)
    assert said in str(refused.value)
    assert not (tmp_path / "lab").exists()


@pytest.mark.parametrize("contact", ["lab@example.org", "https://lab.example.org", "https://lab.example.org/us"])
def test_a_contact_is_an_address_of_mail_or_web(runs: Path, tmp_path: Path, contact: str) -> None:
    code, _ = run("board", "submit", tmp_path / "lab", "--who", "A lab", "--contact", contact, "--runs", runs)
    assert (code, facts_of(tmp_path / "lab")["contact"]) == (0, contact)


def test_submitting_again_keeps_what_is_stated(runs: Path, tmp_path: Path) -> None:
    folder, one = tmp_path / "lab", ["--runs", runs, "--where", "method = 'coop'"]
    run("board", "submit", folder, *WHO, *one, "--verify", "--notes", "three seeds")
    text = (folder / "submission.toml").read_text().replace("CC-BY-4.0", "MIT")
    (folder / "submission.toml").write_text(text.replace("three seeds", "three seeds & more"))
    code, said = run("board", "submit", folder, *WHO, "--runs", runs, "--code", "https://example.org")
    assert (code, said.startswith("7 runs")) == (0, True)
    found = facts_of(folder)
    assert (found["licence"], found["notes"], found["verify"]) == ("MIT", "three seeds & more", True)
    assert found["code"] == "https://example.org"
    run("board", "submit", folder, *WHO, "--runs", runs, "--notes", "four seeds", "--licence", "CC0-1.0")
    assert (facts_of(folder)["licence"], facts_of(folder)["notes"]) == ("CC0-1.0", "four seeds")


def test_edited_cards_are_replaced_only_by_force(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    submit = ["board", "submit", folder, *WHO, "--runs", runs]
    run(*submit, "--notes", "three seeds")
    cards = (folder / "methods.md").read_text()
    (folder / "methods.md").write_text(f"{cards}\nOur remarks.\n")
    with pytest.raises(SubmissionError, match=r"methods\.md was changed"):
        run(*submit)
    assert "Our remarks." in (folder / "methods.md").read_text()
    assert run(*submit, "--force")[0] == 0
    assert ((folder / "methods.md").read_text(), facts_of(folder)["notes"]) == (cards, "three seeds")


def test_a_folder_with_other_files_is_not_overwritten(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "thesis.tex").write_text("years of work")
    with pytest.raises(SubmissionError, match="holds 'thesis.tex'; give a new"):
        run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs)
    (tmp_path / "lab" / "thesis.tex").rename(tmp_path / "lab" / "submission.toml")
    with pytest.raises(SubmissionError, match="did not write it"):
        run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs)
    (tmp_path / "lab" / "submission.toml").write_bytes(b"\xff")
    assert run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs, "--force")[0] == 0
    with pytest.raises(SubmissionError, match="'My Lab' is not allowed"):
        run("board", "submit", tmp_path / "My Lab", *WHO, "--runs", runs)


def test_check_compares_a_newcomer_with_the_board(tmp_path: Path) -> None:
    board = tmp_path / "submissions"
    Draft().write(board / "first")
    Draft().write(tmp_path / "pull" / "second")
    assert run("board", "check", tmp_path / "pull" / "second")[0] == 0
    code, said = run("board", "check", tmp_path / "pull" / "second", "--against", board)
    assert code == 1
    assert "second: refused\n  refused: all of its runs are on the board already" in said
    code, said = run("board", "check", board)
    assert (code, said.splitlines()[0]) == (0, "first: accepted")


def test_check_names_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="There is no folder"):
        run("board", "check", tmp_path / "nothing")


def test_checking_imports_no_torch(tmp_path: Path) -> None:
    Draft().write(tmp_path / "s" / "lab")
    code = (
        "import sys; from bench.cli.app import app; "
        f"app(['board', 'check', {str(tmp_path / 's')!r}], standalone_mode=False); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "lab: accepted" in done.stdout
