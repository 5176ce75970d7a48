"""The Python door: run, load, rank, compare and report as in a notebook."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from fake_runner import answered, failed_record, make_spec

import bench
from bench import (
    Results,
    RunContext,
    UsageError,
    build_report,
    claims,
    compare,
    difficulty,
    leaderboard,
    load_results,
    plan,
    run,
    score_texts,
)
from bench.analysis import board_rows
from bench.api.results import SHORT_COLUMNS
from bench.results import Shards
from bench.table import WIDTH, Table

GRID = {"protocol": "few-shot", "shots": 2, "seeds": 2, "backbone": "ViT-tiny.random", "jobs": 0, "progress": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door") / "runs"


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    settings = {"clip_adapter.recipe.epochs": 1}
    return run(["zero_shot", "clip_adapter"], ["spectrum_basic"], settings=settings, runs=folder, **GRID)


def test_a_sweep_gives_its_results_and_loading_gives_all(results: Results, folder: Path):
    assert len(run("zero_shot", "spectrum_basic", runs=folder, **GRID)) == 1
    assert len(load_results(folder)) == len(results) == 3
    assert results.failed == []
    frame = results.to_frame()
    assert set(frame["method"]) == {"zero_shot", "clip_adapter"}
    assert frame["accuracy"].between(0, 1).all()
    assert repr(results).startswith("Results(3 runs in ")


def test_the_leaderboard_is_that_of_the_command(results: Results, folder: Path, etl):
    table = results.leaderboard()
    assert [entry.method for entry in table.source[0].entries] == [row["method"] for row in board_rows(table.source[0])]
    code, out, _ = etl("leaderboard", "--runs", str(folder), "--json")
    assert code == 0
    (board,) = json.loads(out)
    assert [board] == json.loads(leaderboard(folder).json())
    exported = list(csv.DictReader(io.StringIO(results.export("csv"))))
    ranks = (
        [row["rank"] for row in board["rows"]],
        [row["rank"] for row in table[0].texts()],
        [row["rank"] for row in exported],
    )
    assert ranks == ([None] * 2, ["–"] * 2, [""] * 2), "two seeds give no ranks in JSON, terminal and files"
    assert "no ranks" in board["verdicts"]["all"]["why_no_ranks"]
    assert board["verdicts"]["all"]["why_no_ranks"] in str(table)
    assert list(table.to_frame()["method"]) == [entry.method for entry in table.source[0].entries]


def test_a_leaderboard_can_leave_out_costs(results: Results):
    columns = [list(results.leaderboard(costs=costs).to_frame()) for costs in (True, False)]
    assert columns[0] == columns[1], "always in the frame"
    shown = results.leaderboard(costs=False)
    assert list(shown[0].texts()[0]) == ["rank", "method", "accuracy", "runs"]
    assert "training" in str(results.leaderboard())
    assert "training" not in str(shown) + shown._repr_html_()


def test_a_comparison_is_paired(results: Results, folder: Path):
    table = results.compare("clip_adapter", "zero_shot")
    (part,) = table
    (average,), (cell,) = part.texts(), part.details.texts()
    assert (average["average"], cell["dataset"]) == ("accuracy", "Spectrum Basic")
    assert "corrected for all datasets" in part.details.text()
    assert re.match(r"\d+\.\d\d ", str(cell["A"]))
    assert str(cell["A − B"]) == score_texts.points(table.to_frame()["difference"][1])
    assert list(table.to_frame()["dataset"])[1:] == ["spectrum_basic"]
    assert "CLIP-Adapter (recipe=custom) (A) minus Zero-shot" in str(table)
    titled = results.compare("CLIP-Adapter (recipe=custom)", "zero-shot clip")
    assert titled.json() == table.json(), "named by title"
    assert compare("clip_adapter", "zero_shot", folder, shots=2).json() == table.json()
    with pytest.raises(UsageError, match="both 'coop' and 'zero_shot'"):
        results.compare("coop", "zero_shot")


def test_printed_tables_are_narrow_and_apart(results: Results):
    table = results.compare("clip_adapter", "zero_shot")
    lines = str(table).splitlines()
    assert max(map(len, lines)) <= WIDTH
    heads = [line.split()[0] for line, below in pairwise(lines) if set(below) == {"─"}]
    assert heads == ["average", "dataset"]
    assert "–" not in str(table).replace(table.title, ""), "no cell without a value"
    assert [row in table[0].details.rows for row in table.rows] == [False, True]
    assert "only_a" in table.to_frame()
    shown = table._repr_html_()
    assert (shown.count("<table>"), "<td>–</td>" in shown) == (2, False)
    assert max(map(len, str(results.leaderboard()).splitlines())) <= WIDTH


def test_columns_that_a_printed_table_lacks_are_named_and_in_the_frame():
    row = {f"column {i}": "x" * 12 for i in range(12)}
    table = Table([row], title="Title", spare=["column 3"])
    left_out = str(table).splitlines()[-1]
    assert max(map(len, str(table).splitlines())) <= WIDTH
    assert "column 3" in left_out
    missing = left_out.rstrip(".").partition(": ")[2].split(", ")
    assert [name for name in row if name not in str(table).splitlines()[1]] == missing
    assert list(table.to_frame()) == list(row)


def test_the_frame_is_short_unless_all_columns_are_wanted(results: Results):
    short, whole = results.to_frame(), results.to_frame(all_columns=True)
    assert list(short) == list(SHORT_COLUMNS)
    same = [name for name in short if name not in ("low", "high")]
    assert short[same].equals(whole[same])
    for row in short.itertuples():
        z, p, n = 1.959964, row.accuracy, row.n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert (row.low, row.high) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert set(results.difficulty()["dataset"]) == set(difficulty(results.folder)["dataset"]) == {"spectrum_basic"}
    digest = "data_fingerprint"
    assert digest not in results.difficulty()
    assert digest in difficulty(results.folder, all_columns=True)


def test_a_failed_run_has_no_interval(tmp_path: Path):
    Shards(tmp_path).write(failed_record(make_spec(), ValueError("no"), RunContext()))
    frame = load_results(tmp_path).to_frame()
    assert list(frame["status"]) == ["failed"]
    assert frame[["accuracy", "low", "high"]].isna().to_numpy().all()


def test_predictions_are_those_of_one_run(results: Results, folder: Path):
    runs = results.to_frame().set_index("run_id")
    run_id = runs.index[runs["method"] == "clip_adapter"][0]
    found = results.predictions(run_id[:10])
    assert len(found) == runs.loc[run_id, "n"]
    assert (found["label"] == found["predicted"]).mean() == pytest.approx(runs.loc[run_id, "accuracy"])
    assert ((found["rank"] == 0) == (found["label"] == found["predicted"])).all()
    others = Results(folder, frozenset({run_id}))
    assert others.predictions("").equals(found), "the only run"
    (other, *_) = set(runs.index) - {run_id}
    with pytest.raises(UsageError, match=other):
        others.predictions(other)


def test_a_probability_is_that_of_the_softmax_over_all_classes(tmp_path: Path):
    record, (_, new) = made = answered()
    Shards(tmp_path).write(*made)
    found = load_results(tmp_path).predictions(record.run_id)
    logits = new.top_logits.astype(float)
    assert logits.shape[1] == 3, "all classes"
    shares = [1 / sum(math.exp(one - row[0]) for one in row) for row in logits]
    assert found.loc[found["split"] == "new", "probability"].tolist() == pytest.approx(shares, rel=1e-5)


def test_exports_are_those_of_the_command_and_of_these_runs(results: Results, folder: Path, tmp_path: Path, etl):
    out = tmp_path / "board.csv"
    assert results.export("csv", out, by_dataset=True) == str(out)
    code, text, _ = etl("export", "--runs", str(folder), "--by-dataset")
    assert (code, out.read_text()) == (0, text)
    ids = results.to_frame().query("method == 'zero_shot'")["run_id"]
    some = Results(folder, frozenset(ids)).export("markdown")
    assert ("Zero-shot" in some, "CLIP-Adapter" in some) == (True, False)
    assert "CLIP-Adapter" in results.export("markdown")
    with pytest.raises(UsageError, match="docx"):
        results.export("docx")


def test_notebooks_show_tables_with_escaped_text(results: Results):
    shown = results._repr_html_()
    line, _, rest = shown.partition("</p>")
    assert "<p>CLIP-Adapter (recipe=custom) and zero-shot" in line
    assert "<svg " in rest
    assert "Spectrum Basic" in rest or ">Basic<" in rest
    assert "<script" not in rest
    assert "<table><caption>ViT-tiny.random, few-shot, 2 shots, spectrum_basic</caption>" in rest
    failed = Results(results.folder, results.run_ids, [{"what": "<b>", "message": "out of memory"}])
    assert "1 failed:" in failed._repr_html_()
    assert "&lt;b&gt;: out of memory" in failed._repr_html_()
    assert results.compare("clip_adapter", "zero_shot")._repr_html_().startswith("<table>")


def test_a_report_is_a_folder_or_one_file(results: Results, tmp_path: Path):
    assert results.report(tmp_path / "site", images=False) == tmp_path / "site" / "index.html"
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]
    assert build_report(tmp_path / "one.html", runs=results.folder, images=False) == tmp_path / "one.html"
    assert [path.name for path in tmp_path.iterdir() if path.name != "site"] == ["one.html"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [({"n_shots": 1}, "'n_shots' is not an option"), ({"protocol": "x"}, "--protocol 'x' is unknown")],
)
def test_a_wrong_argument_is_one_line(argument: dict, message: str, tmp_path: Path):
    with pytest.raises(UsageError, match=message):
        run("coop", "dtd", **argument, runs=tmp_path)


def test_failed_runs_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_RUNNER", '{"fail": ["seed 1"]}')
    results = run("coop", "spectrum_basic", runs=tmp_path, runner="fake_runner", **GRID)
    assert [item["what"].partition(", ")[0] for item in results.failed] == ["coop on spectrum_basic"]
    assert len(results) == 1


def test_a_plan_runs_nothing_and_no_runs_is_one_line(tmp_path: Path):
    planned = plan("coop", "spectrum_basic", shots=[1, 2], seeds=1, runs=tmp_path / "none")
    assert [spec.shots for spec in planned.pending] == [1, 2]
    assert not (tmp_path / "none").exists()
    for read in (load_results, difficulty, leaderboard, claims):
        with pytest.raises(UsageError, match="runs with `etl-bench run`"):
            read(tmp_path / "none")
    assert Results(tmp_path / "none").folder == tmp_path / "none"


def test_the_door_is_complete_and_importing_it_loads_no_torch():
    code = "import sys, bench; print('torch' in sys.modules, 'pandas' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "False False\n"
    assert all(getattr(bench, name) is not None for name in bench.__all__)
