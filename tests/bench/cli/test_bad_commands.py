"""Any text as input: a plan, an answer, or one clear line, no trace, and every finished run still there."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from fake_runner import make_difficulty, make_predictions, make_record, make_spec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.cli.app import main
from bench.record import RunError, RunStatus
from bench.results.database import fresh_store
from bench.results.shards import Shards


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with two finished runs and a failed one."""
    folder = tmp_path_factory.mktemp("bad") / "runs"
    shards = Shards(folder)
    for seed in (1, 2):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions("base"), make_predictions("new")])
    error = RunError(kind="E", message="m", traceback="t")
    shards.write(make_record(make_spec(seed=3), status=RunStatus.FAILED, scores=[], cost=None, error=error))
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    fresh_store(folder)
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder and an empty home."""
    monkeypatch.chdir(tmp_path)
    for name in ("ETL_BENCH_CACHE", "ETL_BENCH_DATASETS", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


def tree(folder: Path) -> dict[str, str]:
    """Every finished thing of a runs folder, by name and digest."""
    parts = [folder / part for part in ("shards", "difficulty")]
    files = [path for part in parts for path in part.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and standard error of a command in this process; any exception but SystemExit is a failed test."""
    before = sys.argv
    sys.argv = ["etl-bench", *arguments]
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.argv = before
    return code, capsys.readouterr().err


def clear(said: str) -> bool:
    """Whether the last line is ours."""
    lines = [line for line in said.splitlines() if line.strip()]
    return bool(lines) and "Traceback" not in said and lines[-1].startswith("error: ")


OPTIONS = (
    "-m",
    "-d",
    "-b",
    "--shots",
    "--seeds",
    "--protocol",
    "--set",
    "--draw",
    "--class-text",
    "--targets",
    "--recipe",
)
texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)


@pytest.mark.slow  # the table of wrong commands, in test_without_torch.py
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(option=st.sampled_from(OPTIONS), value=texts)
@example(option="--set", value="coop.n_ctx=[" * 20)
@example(option="-m", value="*" * 30)
@example(option="-m", value="[red]coop[/red]")
@example(option="--shots", value="9" * 400)
@example(option="-d", value="spectrum:shift=" + "1" * 300)
@example(option="--class-text", value="descriptions:.")
def test_any_text_gives_a_plan_or_a_clear_line(option: str, value: str, runs: Path, capsys):
    base = {"-m": "coop", "-d": "spectrum_basic"} | {option: value}
    arguments = [text for pair in base.items() for text in pair]
    code, said = answer(["run", *arguments, "--dry-run", "--runs", str(runs)], capsys)
    assert code == 0 or clear(said), said


@pytest.mark.slow  # the table of wrong commands, in test_without_torch.py
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(["show", "sql", "export", "compare"]), value=texts)
@example(command="sql", value="select '")
@example(command="show", value="%")
@example(command="export", value="1=1) --")
def test_any_question_to_the_results_is_answered_or_refused(command: str, value: str, runs: Path, capsys):
    before = tree(runs)
    arguments = {
        "show": ["runs", "show", "--", value],
        "sql": ["runs", "sql", "--", value],
        "export": ["runs", "export", "out.zip", "--where", value],
        "compare": ["compare", "--", value, "coop"],
    }[command]
    place = arguments.index("--") if "--" in arguments else len(arguments)
    arguments[place:place] = ["--runs", str(runs)]
    code, said = answer(arguments, capsys)
    assert code == 0 or clear(said), said
    assert tree(runs) == before
