"""Bad input to every command: a clear last line, a code that is not 0, no trace, and every finished run still there."""

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
from bench.results.shards import Shards
from bench.store import fresh_store

DEMO = ("-m", "zero_shot", "-d", "spectrum_basic")


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
    """Whether the last line is ours, or a box that names the option and what is wrong with it."""
    lines = [line for line in said.splitlines() if line.strip()]
    return bool(lines) and "Traceback" not in said and (lines[-1].startswith("error: ") or "╰" in lines[-1])


BAD = {
    "no such command": ["runn"],
    "no such option": ["run", *DEMO, "--nonsense"],
    "no method": ["run", "-d", "spectrum_basic"],
    "method misspelt": ["run", "-m", "zero_shoot", "-d", "spectrum_basic"],
    "method with markup": ["run", "-m", "<b>x</b>", "-d", "spectrum_basic"],
    "pattern without a method": ["run", "-m", "q*", "-d", "spectrum_basic"],
    "wrapper without a host": ["run", "-m", "apex_on:", "-d", "spectrum_basic"],
    "wrapper around nothing": ["run", "-m", "apex_on:nothing", "-d", "spectrum_basic"],
    "wrapper around zero-shot": ["run", "-m", "wise_ft_on:zero_shot", "-d", "spectrum_basic"],
    "dataset misspelt": ["run", "-m", "zero_shot", "-d", "spectrum_basik"],
    "dataset is not there": ["run", "-m", "zero_shot", "-d", "caltech101"],
    "data root is not there": ["run", "-m", "zero_shot", "-d", "eurosat", "--data-root", "/nowhere"],
    "dial beyond its range": ["run", "-m", "zero_shot", "-d", "spectrum:shift=7"],
    "dial that does not exist": ["run", "-m", "zero_shot", "-d", "spectrum:tilt=1"],
    "backbone misspelt": ["run", *DEMO, "-b", "ViT-B-61.openai"],
    "backbone without weights": ["run", *DEMO, "-b", "ViT-B-16"],
    "weights of another model": ["run", *DEMO, "-b", "ViT-B-16.laion99"],
    "weights file is not there": ["run", *DEMO, "-b", "ViT-B-32=/nowhere.safetensors"],
    "shots are no number": ["run", *DEMO, "--shots", "many"],
    "shots are 0": ["run", *DEMO, "--shots", "0"],
    "shots are negative": ["run", *DEMO, "--shots", "-4"],
    "more shots than images": ["run", "-m", "coop", "-d", "spectrum_basic", "--shots", "4096"],
    "seeds twice": ["run", *DEMO, "--seeds", "1,1"],
    "seeds are text": ["run", *DEMO, "--seeds", "one"],
    "protocol misspelt": ["run", *DEMO, "--protocol", "base2new"],
    "targets without transfer": ["run", *DEMO, "--targets", "spectrum_blur"],
    "transfer without targets": ["run", *DEMO, "--protocol", "cross-dataset"],
    "target is not there": ["run", *DEMO, "--protocol", "cross-dataset", "--targets", "nowhere"],
    "closed method, new classes": ["run", "-m", "tip_adapter", "-d", "spectrum_basic"],
    "setting that does not exist": ["run", "-m", "coop", "-d", "spectrum_basic", "--set", "coop.n_ctxx=4"],
    "setting of another method": ["run", "-m", "coop", "-d", "spectrum_basic", "--set", "vpt.depth=4"],
    "setting out of range": ["run", "-m", "coop", "-d", "spectrum_basic", "--set", "coop.n_ctx=-1"],
    "setting without a value": ["run", "-m", "coop", "-d", "spectrum_basic", "--set", "coop.n_ctx"],
    "learning rate is text": ["run", "-m", "coop", "-d", "spectrum_basic", "--set", "coop.recipe.lr=fast"],
    "draw misspelt": ["run", *DEMO, "--draw", "random"],
    "support list is not there": ["run", "-m", "coop", "-d", "spectrum_basic", "--support", "nowhere.json"],
    "class text misspelt": ["run", *DEMO, "--class-text", "poem"],
    "class text without a place": ["run", *DEMO, "--class-text", "template:a photo"],
    "descriptions are not there": ["run", *DEMO, "--class-text", "descriptions:nowhere.json"],
    "recipe misspelt": ["run", *DEMO, "--recipe", "mine"],
    "selection misspelt": ["run", *DEMO, "--selection", "best"],
    "rerun misspelt": ["run", *DEMO, "--rerun", "some"],
    "device misspelt": ["run", *DEMO, "--device", "gpu"],
    "half precision on a CPU": ["run", *DEMO, "--precision", "fp16"],
    "negative jobs": ["run", *DEMO, "--jobs", "-1"],
    "retries are text": ["run", *DEMO, "--retries", "often"],
    "no time at all": ["run", *DEMO, "--timeout", "0"],
    "launcher misspelt": ["run", *DEMO, "--launcher", "kubernetes"],
    "no such run": ["show", "zzzz"],
    "two runs begin like that": ["show", ""],
    "verify a failed run": ["verify", "FAILED"],
    "diff with nothing": ["diff", "zzzz", "yyyy"],
    "compare with nobody": ["compare", "coop", "nobody"],
    "SQL that writes": ["results", "sql", "delete from runs"],
    "SQL that is none": ["results", "sql", "give me the best"],
    "SQL that reads a file": ["results", "sql", "select * from read_csv('/etc/passwd')"],
    "SQL twice": ["results", "sql", "select 1; select 2"],
    "bundle is not there": ["results", "import", "nowhere.zip"],
    "bundle of nothing": ["results", "export", "b.zip", "--where", "seed > 99"],
    "board of an unknown protocol": ["leaderboard", "--protocol", "zero-shot-ish"],
    "average that does not exist": ["report", "--h", "geometric"],
    "figures of another paper": ["report", "--figures", "coop"],
    "source of the report": ["report", "--source", "rumours"],
    "export format": ["export", "x.docx"],
    "dataset of the doctor": ["datasets", "check", "nowhere"],
    "dataset to fetch": ["datasets", "fetch", "nowhere"],
    "folder to add": ["datasets", "add", "/nowhere"],
    "features are not there": ["features", "import", "x.npz", "--name", "x", "--backbone", "b", "--classes", "c.txt"],
    "cache size": ["cache", "clear", "--keep", "a lot"],
    "card of an unknown method": ["methods", "show", "nobody"],
    "new method with a bad name": ["methods", "new", "2fast"],
    "new method with a taken name": ["methods", "new", "coop"],
    "check of an unknown method": ["check", "nobody"],
}
WITHOUT_RUNS = {"datasets", "features", "cache", "methods", "check", "runn"}


@pytest.mark.parametrize("what", list(BAD))
def test_bad_input_is_one_clear_line_and_loses_nothing(what: str, runs: Path, capsys):
    failed = next(e.run_id for e in Shards(runs).scan() if Shards(runs).status(e.run_id) is RunStatus.FAILED)
    arguments = [failed if text == "FAILED" else text for text in BAD[what]]
    if arguments[0] not in WITHOUT_RUNS:
        arguments += ["--runs", str(runs)]
    before = tree(runs)
    code, said = answer(arguments, capsys)
    assert code not in (0, None), said
    assert clear(said), said
    assert tree(runs) == before


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(["show", "sql", "export", "compare"]), value=texts)
@example(command="sql", value="select '")
@example(command="show", value="%")
@example(command="export", value="1=1) --")
def test_any_question_to_the_results_is_answered_or_refused(command: str, value: str, runs: Path, capsys):
    before = tree(runs)
    arguments = {
        "show": ["show", "--", value],
        "sql": ["results", "sql", "--", value],
        "export": ["results", "export", "out.zip", "--where", value],
        "compare": ["compare", "--", value, "coop"],
    }[command]
    place = arguments.index("--") if "--" in arguments else len(arguments)
    arguments[place:place] = ["--runs", str(runs)]
    code, said = answer(arguments, capsys)
    assert code == 0 or clear(said), said
    assert tree(runs) == before
