"""Wrong commands that need a prepared process. All others are in the table `commands.toml`."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from command_answers import ids_by_status
from folder_snapshot import snapshot

from bench.cli.app import main
from bench.results.shards import Shards

pytestmark = pytest.mark.usefixtures("inside")


def answer(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and standard error of a command in this process; any exception but SystemExit is a failed test."""
    ids = ids_by_status(Path("runs"))
    monkeypatch.setattr(sys, "argv", ["etl-bench", *(ids.get(part, part) for part in shlex.split(command))])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err


def test_the_only_runs_one_level_down_are_found_and_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = tmp_path / "runs"
    shutil.copytree(place / "runs", outer / "demo")
    monkeypatch.setattr(sys, "argv", ["etl-bench", "runs", "sql", "select count(*) n from runs", "--runs", str(outer)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out.split()[-1]) == (0, "3")
    assert said.err == f"note: {outer} has no runs; using the runs of {outer / 'demo'}\n"
    assert not (outer / "results.duckdb").exists()
    shutil.copytree(place / "runs", outer / "more")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"choose one, such as --runs {outer / 'demo'}" in capsys.readouterr().err


def test_what_cannot_run_is_left_out_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"run -m zero_shot,tip_adapter -d spectrum_basic --jobs 0 --runner fake_runner --runs {tmp_path}"
    codes = []
    for more in (" --dry-run", ""):
        monkeypatch.setattr(sys, "argv", ["etl-bench", *shlex.split(command + more)])
        with pytest.raises(SystemExit) as ended:
            main()
        codes.append(ended.value.code)
        assert "parameters are tied" in capsys.readouterr().err
        assert len(Shards(tmp_path).scan()) == (0 if more else 1)
    assert codes == [3, 3]


def test_an_error_of_the_system_is_one_line_and_debug_shows_where(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "table.csv")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(sys, "argv", ["etl-bench", "export", "--out", "table.csv"])
    before = snapshot(place)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: table.csv: No space")
    assert snapshot(place) == before
    monkeypatch.setattr(sys, "argv", ["etl-bench", "--debug", "export", "--out", "table.csv"])
    with pytest.raises(OSError, match="No space left"):
        main()


@pytest.mark.parametrize(("option", "advised"), [("--epochs 5", True), ("--batch-size 4", True), ("--nonsense", False)])
def test_an_option_that_is_a_recipe_value_is_answered_with_how_to_set_it(
    option: str, advised: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, said = answer(f"run -m zero_shot -d spectrum_basic --jobs 0 {option}", capsys, monkeypatch)
    key = option.split()[0].removeprefix("--").replace("-", "_")
    assert (f"Write --set '*.recipe.{key}=VALUE' instead." in said) is advised
