"""`etl-bench report` and `etl-bench leaderboard` over a real runs folder."""

from __future__ import annotations

import json
import re
import shutil
import sys

import pytest
import typer
from fake_runner import make_difficulty, make_record, make_score, make_spec

from bench.cli.compare import compare_command
from bench.cli.leaderboard import leaderboard_command
from bench.cli.report import report
from bench.errors import UsageError
from bench.record import RunError, RunStatus
from bench.results.shards import Shards


@pytest.fixture(scope="module", autouse=True)
def kept(tmp_path_factory):
    """A cache folder for all tests here, so that what pages keep is made once, and nothing goes to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def record(method, dataset, seed, base, *, failed=False):
    """One answered base-to-new spec."""
    shots = 0 if method == "zero_shot" else 16
    task = {"dataset": dataset, "task_fingerprint": f"{dataset}-{seed}", "shots": shots, "seed": seed}
    spec = make_spec(method=method, config={}, **task)
    if failed:
        error = RunError(kind="MemoryError", message="out of memory", traceback="")
        return make_record(spec, status=RunStatus.FAILED, scores=[], cost=None, error=error)
    return make_record(
        spec, scores=[make_score(split, a, n=100, classes=5) for split, a in (("base", base), ("new", 0.5))]
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two methods on two datasets; one of the seeds died."""
    shards = Shards(tmp_path_factory.mktemp("stored") / "runs")
    for dataset in ("eurosat", "dtd"):
        shards.write(record("zero_shot", dataset, 0, 0.4))
        for seed, base in ((1, 0.6), (2, 0.7)):
            shards.write(record("coop", dataset, seed, base))
            shards.write(record("clip_adapter", dataset, seed, 0.9, failed=(dataset, seed) == ("dtd", 2)))
        measures = {"relative_transfer_difficulty": 0.4, "zero_shot_margin": None}
        measured = [item.model_copy(update={"measures": measures}) for item in make_difficulty(dataset=dataset)]
        shards.difficulties.write("ViT-demo.drawn", dataset, measured)
    return shards.runs


@pytest.fixture
def copied(runs, tmp_path):
    """Those runs, in a folder that a test may change."""
    return shutil.copytree(runs, tmp_path / "runs")


def test_the_page_is_written_and_gaps_are_named_on_stderr(runs, tmp_path, capsys):
    report(runs=runs, out=tmp_path / "site")
    shown = capsys.readouterr()
    assert shown.out.strip() == str(tmp_path / "site" / "index.html")
    assert "1 run missing, 1 of them" in shown.err
    text = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "out of memory" in text
    (tmp_path / "there").mkdir()
    report(runs=runs, out=tmp_path / "there")
    report(runs=runs, out=tmp_path / "lone" / "page.html")
    written = {name: [path.name for path in (tmp_path / name).iterdir()] for name in ("site", "there", "lone")}
    assert written == {"site": ["index.html"], "there": ["index.html"], "lone": ["page.html"]}
    assert capsys.readouterr().out.split()[-1] == str(tmp_path / "lone" / "page.html")


def test_numbers_have_one_form_in_all_tables(runs, capsys):
    compare_command(a="zero_shot", b="coop", runs=runs, verbose=True)
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert not re.search(r"(?<![\w.])-\d", text)
    assert re.findall(r"^base\b.*?(−\S+)  ", text, flags=re.M) == ["−25.0"]


def test_a_comparison_ends_with_the_verdict_here_and_elsewhere(runs, capsys, monkeypatch):
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    compare_command(a="zero_shot", b="coop", runs=runs)
    shown = capsys.readouterr()
    assert max(map(len, f"{shown.out}{shown.err}".splitlines())) <= 60
    here, elsewhere = " ".join(shown.out.split()).split("Here: ")[1].split("Elsewhere: ")
    assert "on these 2 datasets: −12.0 points" in here
    assert elsewhere.startswith("2 datasets")


def test_a_strict_table_marks_incomplete_rows_and_exits_with_3(runs, capsys):
    with pytest.raises(typer.Exit) as ended:
        leaderboard_command(runs=runs, strict=True)
    assert ended.value.exit_code == 3
    shown = capsys.readouterr()
    line = next(line for line in shown.out.splitlines() if "CLIP-Adapter  " in line)
    assert "3/4 *" in line
    coop = next(line for line in shown.out.splitlines() if "CoOp  " in line)
    assert "65.00 −63.53/+35.00" in coop
    assert coop.split()[0] == "–", "two seeds give no ranks"
    assert "clip_adapter (3 of 4 runs, 1 failed)" in shown.err


def test_a_strict_table_without_holes_is_fine_and_one_without_rows_says_what_there_is(copied):
    shards = Shards(copied)
    for run_id in shards.scan():
        record = shards.record(run_id)
        if record is not None and record.spec.method == "clip_adapter":
            (copied / "shards" / run_id[:2] / f"{run_id}.json").unlink()
    leaderboard_command(runs=copied, strict=True)
    with pytest.raises(UsageError, match="base-to-new with 16 shots"):
        leaderboard_command(runs=copied, shots="4")


def test_strict_json_holds_fractions_and_completeness_and_exits_with_3(runs, capsys):
    with pytest.raises(typer.Exit) as ended:
        leaderboard_command(runs=runs, strict=True, as_json=True)
    assert ended.value.exit_code == 3
    (board,) = json.loads(capsys.readouterr().out)
    rows = {row["entry"]: row for row in board["rows"]}
    assert rows["coop"]["base"] == pytest.approx(0.65)
    assert (rows["clip_adapter"]["n"], rows["clip_adapter"]["complete"], board["complete"]) == (3, False, False)
    assert [gap["error"] for gap in board["missing"]] == ["out of memory"]


def test_what_a_selection_rule_costs_is_a_comparison_of_two_settings(copied, capsys):
    """The command of docs/protocols.md."""
    shards = Shards(copied)
    for dataset in ("eurosat", "dtd"):
        for seed in (1, 2):
            task = {"dataset": dataset, "task_fingerprint": f"{dataset}-{seed}", "seed": seed}
            spec = make_spec(epoch_selection="validation", config={}, **task)
            scores = [make_score("base", 0.7 + seed / 100), make_score("new", 0.5)]
            shards.write(make_record(spec, scores=scores))
    compare_command(runs=copied, a="coop [epoch=validation]", b="coop [epoch=last]", as_json=True)
    (board,) = json.loads(capsys.readouterr().out)
    assert (board["a"], board["b"]) == ("coop [epoch=validation]", "coop [epoch=last]")
