"""`etl-bench board` submit, check, build and verify."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hostile_submissions import HOSTILE
from simulated_submissions import FACTS, Draft, honest_runs, simulated_run
from tiny_runs import spec_of
from typer.testing import CliRunner

from bench.cli.app import app
from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment.runner import run_experiment
from bench.extensions.boards.errors import BoardError
from bench.record import ExternalCode
from bench.results.shards import Shards

WHO = ["--who", "A lab", "--contact", "lab@example.org"]


def run(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


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
    code, said, _ = run("board", "submit", folder, *WHO, "--runs", runs, "--verify", "--notes", "three seeds")
    assert code == 0
    assert said.startswith("7 runs, 0")
    assert "lab: accepted" in said
    assert "predictions: 7 of 7 runs" in said
    assert sorted(path.name for path in folder.iterdir()) == ["runs.zip", "submission.toml"]
    assert 'notes = "three seeds"\nverify = true' in (folder / "submission.toml").read_text()
    code, said, _ = run("board", "check", folder, "--json")
    (found,) = json.loads(said)
    assert (code, found["accepted"], found["runs"], found["refusals"]) == (0, True, 7, [])


def test_submit_takes_the_runs_of_a_condition(runs: Path, tmp_path: Path) -> None:
    code, said, _ = run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs, "--where", "method = 'coop'")
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
        (["--who", "<b>us</b>"], "who '<b>us</b>' is not accepted"),
        (["--contact", "us"], "contact 'us' is not accepted"),
        (["--code", "http://x.y"], "code 'http://x.y' is not accepted"),
        (["--licence", "mine, all mine"], "SPDX identifier such as CC-BY-4.0"),
    ],
)
def test_wrong_facts_are_refused_before_anything_is_written(
    runs: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    who = {"--who": "us", "--contact": "us@x.org"} | {arguments[0]: arguments[1]}
    with pytest.raises(BoardError) as refused:
        run("board", "submit", tmp_path / "lab", *(text for pair in who.items() for text in pair), "--runs", runs)
    assert said in str(refused.value)
    assert not (tmp_path / "lab").exists()


@pytest.mark.parametrize("contact", ["lab@example.org", "https://lab.example.org", "https://lab.example.org/us"])
def test_a_contact_is_an_address_of_mail_or_web(runs: Path, tmp_path: Path, contact: str) -> None:
    code, _, _ = run("board", "submit", tmp_path / "lab", "--who", "A lab", "--contact", contact, "--runs", runs)
    assert (code, facts_of(tmp_path / "lab")["contact"]) == (0, contact)


def test_submitting_again_replaces_the_submission(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    run("board", "submit", folder, *WHO, "--runs", runs, "--where", "method = 'coop'", "--notes", "three seeds")
    code, said, _ = run("board", "submit", folder, *WHO, "--runs", runs, "--licence", "MIT")
    assert (code, said.startswith("7 runs")) == (0, True)
    assert (facts_of(folder)["licence"], facts_of(folder)["notes"]) == ("MIT", "")


def test_a_folder_with_other_files_is_not_overwritten(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "thesis.tex").write_text("years of work")
    with pytest.raises(BoardError, match="holds 'thesis.tex'; give a new"):
        run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs)
    (tmp_path / "lab" / "thesis.tex").rename(tmp_path / "lab" / "submission.toml")
    with pytest.raises(BoardError, match="did not write it"):
        run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs)
    (tmp_path / "lab" / "submission.toml").write_bytes(b"\xff")
    assert run("board", "submit", tmp_path / "lab", *WHO, "--runs", runs, "--force")[0] == 0
    with pytest.raises(BoardError, match="'My Lab' is not allowed"):
        run("board", "submit", tmp_path / "My Lab", *WHO, "--runs", runs)


def test_check_of_a_folder_checks_each_submission(tmp_path: Path) -> None:
    for name in ("first", "second"):
        Draft([simulated_run()]).write(tmp_path / "submissions" / name)
    code, said, _ = run("board", "check", tmp_path / "submissions")
    assert code == 1
    assert "second: refused\n  refused: all of its runs are on the board already" in said
    assert said.endswith("1 of 2 submissions accepted\n")


def test_check_names_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="There is no folder"):
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


def test_build_says_what_is_accepted(tmp_path: Path) -> None:
    place = tmp_path / "board"
    Draft([simulated_run()]).write(place / "submissions" / "first")
    build = ["board", "build", place / "submissions", "--no-images", "-o", tmp_path / "site"]
    code, said, _ = run(*build)
    assert code == 0
    assert said.startswith("1 of 1 submission accepted; 1 run\n")
    HOSTILE["HTML in the notes"].write(place / "submissions" / "second")
    code, said, noted = run(*build, "--strict")
    assert code == 1
    assert said.startswith("1 of 2 submissions accepted; 1 run\n")
    assert "refused: second: submission.toml: notes" in noted


def test_build_keeps_pages_of_others_and_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("my page")
    (tmp_path / "submissions").mkdir()
    with pytest.raises(UsageError, match="use: it contains 'index.html'"):
        run("board", "build", tmp_path / "submissions", "-o", tmp_path / "site")
    with pytest.raises(BoardError, match="There is no folder"):
        run("board", "build", tmp_path / "nothing", "-o", tmp_path / "other")
    Draft([simulated_run()]).write(tmp_path / "submissions" / "first")
    for command in (["build", "-o", tmp_path / "other"], ["verify", "--secret", "x"]):
        with pytest.raises(BoardError, match="first is one submission"):
            run("board", *command, tmp_path / "submissions" / "first")
    (tmp_path / "empty" / "submissions").mkdir(parents=True)
    for board in (tmp_path, tmp_path / "empty"):
        with pytest.raises(BoardError, match=f"give {board / 'submissions'}, "):
            run("board", "build", board, "-o", tmp_path / "other")


def test_a_folder_without_submissions_is_no_board(tmp_path: Path) -> None:
    """A new folder, one of pictures, and one of folders of pictures."""
    for folder, picture in (("new", None), ("pictures", "cat.jpg"), ("classes", "cats/cat.jpg")):
        (tmp_path / folder).mkdir()
        if picture is not None:
            (tmp_path / folder / picture).parent.mkdir(exist_ok=True)
            (tmp_path / folder / picture).write_bytes(b"")
        for command in (["build", "-o", tmp_path / "site"], ["check"], ["verify", "--secret", "x"]):
            with pytest.raises(BoardError, match=f"{folder} has no submissions: .*board submit` makes one"):
                run("board", *command, tmp_path / folder)
        assert not (tmp_path / "site").exists()


def test_verify_recomputes_genuine_runs_and_finds_invented_ones(tmp_path: Path) -> None:
    """The runs of one submission were computed; those of the other have random logits."""
    place = tmp_path / "board"
    asks = FACTS.model_copy(update={"verify": True, "submitted": datetime.now(UTC)})
    genuine = [run_experiment(spec_of(method), RunContext()) for method in ("zero_shot", "text_adapter")]
    Draft([(record, list(predictions)) for record, predictions in genuine], asks).write(place / "submissions" / "real")
    Draft([simulated_run()]).write(place / "submissions" / "silent")
    command = ["board", "verify", place / "submissions", "--secret", "commit"]
    code, said, noted = run(*command)
    assert code == 0
    assert noted.startswith("2 of 2 runs reproduced.")
    assert sorted(line.rpartition(" ")[2] for line in said.splitlines()) == ["identical", "identical"]
    assert sorted(path.name for path in (place / "verified" / "submissions").iterdir()) == ["real.json"]
    _, said, noted = run(*command)
    assert (said, noted.partition(":")[0]) == ("", "Nothing to recompute"), "what was verified is not repeated"
    code, _, _ = run("board", "build", place / "submissions", "-o", tmp_path / "site", "--no-images")
    assert code == 0
    assert "repeated here: 1 of 1, bit-identical" in (tmp_path / "site" / "index.html").read_text()

    code, said, _ = run(*command, "--submission", "silent")
    assert code == 1
    assert said.startswith("silent: run ")
    assert said.rstrip().endswith("different")
    run(*command, "--submission", "real", "--runs", 1)
    kept = json.loads((place / "verified" / "submissions" / "real.json").read_text())["outcomes"]
    assert list(kept.values()) == ["identical", "identical"], "the results of other runs stay"
    with pytest.raises(BoardError, match="accepted submission. Accepted: real"):
        run(*command, "--submission", "other")


def test_verify_says_that_code_of_others_cannot_be_repeated(tmp_path: Path) -> None:
    record, predictions = simulated_run("external:Theirs")
    described = ExternalCode(title="Theirs", weights_proved=False, images_proved=False)
    made = record.provenance.model_copy(update={"external": described})
    Draft([(record.model_copy(update={"provenance": made}), predictions)]).write(tmp_path / "submissions" / "theirs")
    _, said, noted = run("board", "verify", tmp_path / "submissions", "--secret", "s", "--submission", "theirs")
    assert "code is not part" in said + noted
    assert not (tmp_path / "verified").exists(), "nothing was recomputed"
