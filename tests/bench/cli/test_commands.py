"""A table of commands, every name that does not exist, and commands of a grammar, all answered by one process.

Each is an answer, a plan or one clear line with exit code 2, which creates and changes nothing. Packages that take long
to import are refused there.
"""

from __future__ import annotations

import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_answers import Answer, answers, complaint
from command_grammar import grammar
from command_tree import commands, kind
from folder_snapshot import snapshot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.results.shards import Shards

TABLE = tomllib.loads(Path(__file__).with_name("commands.toml").read_text(encoding="utf-8"))
HEAVY = "torch,open_clip,scipy,pandas,duckdb,sklearn,methods,datasets_registry.eurosat,numpy,reports"
REFUSED_IMPORTS = {
    "help": HEAVY, "catalogue": "torch,open_clip,scipy,pandas,duckdb,sklearn", "listed": "torch,open_clip",
    "explained": "torch,open_clip", "refused": "torch,open_clip",
}  # fmt: skip
"""The packages that the commands of a section of the table may not import."""
GRAMMAR = grammar(seed=1, number=100)

NOSUCH = "nosuch"
VALID = {
    "dataset": "spectrum_basic", "a": "coop", "b": "vpt", "paper": "apex", "model": "broken.safetensors",
    "methods": "coop", "datasets": "spectrum_basic", "query": "select 1", "run": "ok", "chosen": "ok", "who": "me",
    "contact": "me@example.org", "secret": "s", "form": "csv", "out": "out.json", "names": "spectrum_basic",
    "file": "features.npz", "files": "file.txt", "what": "table-2", "backbone": "ViT-demo.drawn",
    "classes": "classes.txt", "protocol": "base-to-new", "methods name": "coop", "datasets name": "spectrum_basic",
    "datasets add name": "birds", "backbones name": "ViT-demo.drawn", "runs export out": "out.zip",
}  # fmt: skip
"""Values of parameters that a command needs beside the one under test: of a command, of a group, or of all."""
BESIDE = {
    "datasets add": ["--images", "pictures"], "datasets add backbone": ["--features", "features.npz"],
    "datasets add images": [], "papers reproduce": ["table-2"], "papers reproduce what": [],
}  # fmt: skip
"""What is typed beside a parameter, or beside all of a command, so that it is read."""
NEW = {"methods new name", "datasets add name"}
"""Names that are to be new."""
LATER = {
    "predict": ("model",), "runs verify": ("chosen",), "board verify": ("submissions",), "methods check": ("name",),
    "runs import-predictions": (),
}  # fmt: skip
"""Parameters that are checked first, of commands that need a model, a package, code or predictions."""


def rows(section: str) -> dict[str, str]:
    """The commands of a section of the table, each with a text of its answer."""
    split = ((command.partition(" "), said) for command, said in TABLE[section].items())
    return {f"{TABLE['beginnings'].get(first, first)} {rest}".strip(): said for (first, _, rest), said in split}


def unknown_names() -> Iterator[tuple[str, str]]:
    """A parameter, and a command in which it has a name that does not exist."""
    for words, command in commands().items():
        for one in command.params:
            first = LATER.get(words, (one.name,))
            free = f"{words} {one.name}" in NEW or one.metavar in ("TEXT", "URL", "OWNER/NAME")
            if kind(command, one) is str and one.name in first and not free:
                yield f"{words} {one.name}", shlex.join(typed(words, command, one))


def typed(words: str, command: Any, tested: Any) -> list[str]:
    """The command with the name in one parameter, and with what else it needs."""
    found = words.split()
    for one in command.params:
        places = (f"{words} {one.name}", f"{words.partition(' ')[0]} {one.name}", one.name)
        text = next((VALID[place] for place in places if place in VALID), "pictures")
        if one is tested:
            text = NOSUCH
        elif not one.required and not (words == "run" and one.name in ("methods", "datasets")):
            continue
        found += [text] if one.param_type_name != "option" else [max(one.opts, key=len), text]
    beside = BESIDE.get(f"{words} {tested.name}", BESIDE.get(words, []))
    return [*found, *beside, *(["--dry-run"] if words == "run" else [])]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """The answers to all commands of this file but those that a method's code refuses."""
    tables = [(refused, rows(section)) for section, refused in REFUSED_IMPORTS.items()]
    more = [*dict(unknown_names()).values(), *GRAMMAR]
    return answers([*tables, ("torch,open_clip", more)], tmp_path_factory.mktemp("answered"))


@pytest.mark.parametrize("section", ["help", "catalogue", "listed", "explained"])
def test_a_listing_or_a_plan_imports_nothing_that_takes_long(section: str, answered: dict[str, Answer]) -> None:
    found = {command: (answered[command], said) for command, said in rows(section).items()}
    wrong = {command: got for command, (got, said) in found.items() if got.code != 0 or said not in got.out + got.err}
    assert wrong == {}


def test_a_wrong_command_gets_one_line_with_the_cause_creates_nothing_and_imports_no_torch(
    answered: dict[str, Answer],
) -> None:
    found = {command: complaint(answered[command], said) for command, said in rows("refused").items()}
    assert {command: problem for command, problem in found.items() if problem} == {}


def test_a_name_that_does_not_exist_is_refused_in_one_line_that_names_it(answered: dict[str, Answer]) -> None:
    asked = dict(unknown_names())
    assert len(asked) > 80
    found = {place: complaint(answered[command], NOSUCH) for place, command in asked.items()}
    assert {place: problem for place, problem in found.items() if problem} == {}


def test_a_command_of_the_grammar_is_answered_or_refused_in_one_line(answered: dict[str, Answer]) -> None:
    found = {command: answered[command] for command in GRAMMAR}
    assert {command: problem for command, got in found.items() if (problem := unclear(command, got))} == {}
    assert 40 < sum(got.code == 2 for got in found.values()) < len(GRAMMAR) - 20


def unclear(command: str, got: Answer) -> str:
    """What is wrong with an answer; empty if nothing is. Only the values of `--set` are checked by a method's code."""
    if "is imported" in str(got.code):
        return "" if "--set" in command and command.startswith("run") else str(got.code)
    if got.code in (0, 1, 3):  # 3 where a plan leaves something out, and of `--strict`
        return got.err if "Traceback" in got.err or "error:" in got.err else ""
    remarks = [line for line in got.err.splitlines(keepends=True) if not line.startswith("note: ")]
    return complaint(got._replace(err="".join(remarks)))


def test_a_value_that_only_code_can_check_gets_one_line_too(inside: Path, etl: Any) -> None:
    before = snapshot(inside)
    for command in rows("refused_by_code"):
        code, out, err = etl(*shlex.split(command))
        assert complaint(Answer(code, out, err, []), rows("refused_by_code")[command]) == "", command
    assert snapshot(inside) == before


# --- commands that need a prepared folder or process ------------------------------------------------------------------


def test_the_only_runs_one_level_down_are_found_and_named(etl: Any, place: Path, tmp_path: Path) -> None:
    outer = tmp_path / "runs"
    shutil.copytree(place / "runs", outer / "demo")
    command = ("runs", "sql", "select count(*) n from runs", "--runs", str(outer))
    code, out, err = etl(*command)
    assert (code, out.split()[-1]) == (0, "3")
    assert err == f"note: {outer} has no runs; using the runs of {outer / 'demo'}\n"
    assert not (outer / "results.duckdb").exists()
    shutil.copytree(place / "runs", outer / "more")
    code, _, err = etl(*command)
    assert (code, f"choose one, such as --runs {outer / 'demo'}" in err) == (2, True)


def test_what_cannot_run_is_left_out_and_the_exit_code_says_so(etl: Any, inside: Path, tmp_path: Path) -> None:
    command = f"run -m zero_shot,tip_adapter -d spectrum_basic --jobs 0 --runner fake_runner --runs {tmp_path}"
    for more, runs in ((" --dry-run", 0), ("", 1)):
        code, _, err = etl(*shlex.split(command + more))
        assert (code, "parameters are tied" in err, len(Shards(tmp_path).scan())) == (3, True, runs)


def test_an_error_of_the_system_is_one_line_and_debug_shows_where(
    etl: Any, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "table.csv")

    monkeypatch.setattr(Path, "write_bytes", full)
    before = snapshot(inside)
    code, _, err = etl("export", "--out", "table.csv")
    assert (code, err.startswith("error: table.csv: No space"), snapshot(inside)) == (2, True, before)
    with pytest.raises(OSError, match="No space left"):
        etl("--debug", "export", "--out", "table.csv")


@pytest.mark.parametrize(("option", "advised"), [("--epochs 5", True), ("--batch-size 4", True), ("--nonsense", False)])
def test_an_option_that_is_a_recipe_value_is_answered_with_how_to_set_it(
    etl: Any, option: str, advised: bool, inside: Path
) -> None:
    _, _, err = etl(*f"run -m zero_shot -d spectrum_basic --jobs 0 {option}".split())
    key = option.split()[0].removeprefix("--").replace("-", "_")
    assert (f"Write --set '*.recipe.{key}=VALUE' instead." in err) is advised


# --- any text ---------------------------------------------------------------------------------------------------------

OPTIONS = (
    "-m", "-d", "-b", "--shots", "--seeds", "--protocol", "--set", "--draw", "--class-text", "--targets", "--recipe"
)  # fmt: skip
QUESTIONS = ("runs show --", "runs sql --", "runs export out.zip --where", "compare --")
ANY_TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)
ONE_PLACE = (HealthCheck.function_scoped_fixture,)


def clear(said: str) -> bool:
    """Whether the last line is ours."""
    lines = [line for line in said.splitlines() if line.strip()]
    return bool(lines) and "Traceback" not in said and lines[-1].startswith("error: ")


@pytest.mark.slow  # the table of refused commands
@settings(max_examples=60, suppress_health_check=ONE_PLACE)
@given(option=st.sampled_from(OPTIONS), value=ANY_TEXT)
@example(option="--set", value="coop.n_ctx=[" * 20)
@example(option="-m", value="*" * 30)
@example(option="-m", value="[red]coop[/red]")
@example(option="--shots", value="9" * 400)
@example(option="-d", value="spectrum:shift=" + "1" * 300)
@example(option="--class-text", value="descriptions:.")
def test_any_text_gives_a_plan_or_a_clear_line(option: str, value: str, inside: Path, etl: Any) -> None:
    base = {"-m": "coop", "-d": "spectrum_basic"} | {option: value}
    code, _, said = etl("run", *(text for pair in base.items() for text in pair), "--dry-run")
    assert code == 0 or clear(said), said


@pytest.mark.slow  # the table of refused commands
@settings(max_examples=40, suppress_health_check=ONE_PLACE)
@given(command=st.sampled_from(QUESTIONS), value=ANY_TEXT)
@example(command="runs sql --", value="select '")
@example(command="runs show --", value="%")
@example(command="runs export out.zip --where", value="1=1) --")
def test_any_question_to_the_results_is_answered_or_refused(command: str, value: str, inside: Path, etl: Any) -> None:
    before = snapshot(inside / "runs" / "shards")
    code, _, said = etl(*command.split(), value, *(["coop"] if command.startswith("compare") else []))
    assert code == 0 or clear(said), said
    assert snapshot(inside / "runs" / "shards") == before
