"""`etl-bench board` build, diff, init and verify."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from hostile_submissions import HOSTILE
from simulated_submissions import FACTS, Draft, simulated_run
from tiny_runs import spec_of
from typer.testing import CliRunner

from bench.cli.app import app
from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment.runner import run_experiment
from bench.extensions.boards.errors import BoardError, SubmissionError
from bench.record import ExternalCode


def run(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_build_and_diff(tmp_path: Path) -> None:
    place = tmp_path / "board"
    Draft([simulated_run()]).write(place / "submissions" / "first")
    build = ["board", "build", place / "submissions", "--no-images", "-o"]
    code, said, _ = run(*build, tmp_path / "old")
    assert code == 0
    assert said.startswith("1 of 1 submission accepted, 1 checked")
    HOSTILE["HTML in the notes"].write(place / "submissions" / "second")
    code, said, noted = run(*build, tmp_path / "new", "--strict")
    assert code == 1
    assert said.startswith("1 of 2 submissions accepted, 0 checked")
    assert "refused: second: notes" in noted
    code, said, _ = run("board", "diff", tmp_path / "old", tmp_path / "new")
    assert (code, said.splitlines()[0]) == (0, "- new submission `second` by `?`: **refused**, 0 completed runs")


def test_submissions_are_listed_with_what_they_state(tmp_path: Path) -> None:
    Draft([simulated_run()]).write(tmp_path / "submissions" / "first")
    HOSTILE["HTML in the notes"].write(tmp_path / "submissions" / "second")
    code, said, noted = run("board", "list", tmp_path / "submissions", "--json")
    (found,) = json.loads(said)
    assert (code, found["name"], found["who"]) == (0, "first", FACTS.who)
    assert "left out: second: notes" in noted
    assert datetime.fromisoformat(found["submitted"]) == FACTS.submitted
    _, said, _ = run("board", "list", tmp_path / "submissions")
    assert f"  {FACTS.submitted:%Y-%m-%d %H:%M}  " in said


def test_build_keeps_pages_of_others_and_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("my page")
    (tmp_path / "submissions").mkdir()
    with pytest.raises(UsageError, match="use: it contains 'index.html'"):
        run("board", "build", tmp_path / "submissions", "-o", tmp_path / "site")
    with pytest.raises(SubmissionError, match="There is no folder"):
        run("board", "build", tmp_path / "nothing", "-o", tmp_path / "other")
    Draft([simulated_run()]).write(tmp_path / "submissions" / "first")
    for command in (["build", "-o", tmp_path / "other"], ["verify", "--secret", "x"]):
        with pytest.raises(SubmissionError, match="first is one submission"):
            run("board", *command, tmp_path / "submissions" / "first")
    (tmp_path / "empty" / "submissions").mkdir(parents=True)
    for board in (tmp_path, tmp_path / "empty"):
        with pytest.raises(SubmissionError, match=f"give {board / 'submissions'}, "):
            run("board", "build", board, "-o", tmp_path / "other")
    with pytest.raises(BoardError, match="cannot be read"):
        run("board", "diff", tmp_path, tmp_path)


def test_init_lists_what_it_wrote(tmp_path: Path) -> None:
    code, said, remarks = run("board", "init", tmp_path / "ours", "--title", "Ours")
    assert code == 0
    assert str(tmp_path / "ours" / ".gitlab-ci.yml") in said.splitlines()
    assert f"Next: write into {tmp_path / 'ours' / 'requirements.txt'} where pip gets clip-etl-bench." in remarks
    assert run("board", "init", tmp_path / "theirs", "--requirement", "clip-etl-bench==1.0")[2] == ""
    with pytest.raises(BoardError, match="is in use"):
        run("board", "init", tmp_path / "ours")


def test_verify_recomputes_genuine_runs_and_finds_invented_ones(tmp_path: Path) -> None:
    """The runs of one submission were computed; those of the other have random logits."""
    place = tmp_path / "board"
    asks = FACTS.model_copy(update={"verify": True})
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
