"""The Python door: run, load, rank, compare and report as in a notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench import Results, UsageError, build_report, compare, difficulty, leaderboard, load_results, plan, run
from bench.analysis import board_rows, score_texts


def as_json(value: object) -> str:
    return json.dumps(value, default=str)


GRID = {"protocol": "few-shot", "shots": 2, "seeds": 2, "backbone": "ViT-tiny.random", "jobs": 0, "progress": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door") / "runs"


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    settings = {"clip_adapter.recipe.epochs": 1}
    return run(["zero_shot", "clip_adapter"], ["spectrum_basic"], settings=settings, runs=folder, **GRID)


def test_a_sweep_gives_its_results(results: Results):
    assert len(results) == 3
    assert results.failed == []
    frame = results.to_frame()
    assert set(frame["method"]) == {"zero_shot", "clip_adapter"}
    assert frame["accuracy"].between(0, 1).all()
    assert repr(results).startswith("Results(3 runs in ")


def test_results_are_those_of_the_call_and_loading_gives_all(results: Results, folder: Path):
    first = run("zero_shot", "spectrum_basic", runs=folder, **GRID)
    assert len(first) == 1
    assert len(load_results(folder)) == len(results) == 3


def test_the_leaderboard_is_that_of_the_command(results: Results, folder: Path, etl):
    table = results.leaderboard()
    assert [entry.method for entry in table.source[0].entries] == [row["method"] for row in board_rows(table.source[0])]
    code, out, _ = etl("leaderboard", "--runs", str(folder), "--json")
    assert code == 0
    (board,) = json.loads(out)
    assert [board] == json.loads(as_json(leaderboard(folder).to_json()))
    assert list(board["ranks"].values()) == [row["rank"] for row in table.rows], "terminal and JSON agree"
    assert list(table.to_frame()["method"]) == [entry.method for entry in table.source[0].entries]


def test_a_leaderboard_can_leave_out_costs(results: Results):
    columns = [list(results.leaderboard(costs=costs).to_frame()) for costs in (True, False)]
    assert columns[0] == columns[1], "always in the frame"
    shown = results.leaderboard(costs=False)
    assert list(shown.rows[0]) == ["rank", "method", "accuracy", "runs"]
    assert "training" in str(results.leaderboard())
    assert "training" not in str(shown) + shown._repr_html_()


def test_a_comparison_is_paired(results: Results, folder: Path):
    table = results.compare("clip_adapter", "zero_shot")
    assert len(table.source) == len(table.parts) == 1
    (average,), (cell,) = table.parts[0].rows, table.parts[0].details
    assert (average["average"], cell["dataset"]) == ("accuracy", "Spectrum Basic")
    assert "corrected for all datasets" in table.parts[0].detail_notes[0]
    assert re.match(r"\d+\.\d\d ", str(cell["A"]))
    assert str(cell["A − B"]) == score_texts.points(table.to_frame()["difference"][1])
    assert list(table.to_frame()["dataset"])[1:] == ["spectrum_basic"]
    assert "CLIP-Adapter (recipe=custom) (A) minus Zero-shot" in str(table)
    titled = results.compare("CLIP-Adapter (recipe=custom)", "zero-shot clip")
    assert titled.to_json() == table.to_json(), "named by title"
    assert compare("clip_adapter", "zero_shot", folder, shots=2).to_json() == table.to_json()
    with pytest.raises(UsageError, match="both 'coop' and 'zero_shot'"):
        results.compare("coop", "zero_shot")


def test_notebooks_show_tables_with_escaped_text(results: Results):
    shown = results._repr_html_()
    line, _, rest = shown.partition("</p>")
    assert "<p>CLIP-Adapter (recipe=custom) and zero-shot" in line
    assert "<svg " in rest
    assert "Spectrum Basic" in rest or ">Basic<" in rest
    assert "<script" not in rest
    assert "<table><caption>ViT-tiny.random, few-shot, 2 shots, 1 dataset</caption>" in rest
    failed = Results(results.folder, results.run_ids, [{"what": "<b>", "message": "out of memory"}])
    assert "1 failed:" in failed._repr_html_()
    assert "&lt;b&gt;: out of memory" in failed._repr_html_()
    assert results.compare("clip_adapter", "zero_shot")._repr_html_().startswith("<table>")


def test_difficulty_has_a_row_per_dataset_and_measure(results: Results, folder: Path):
    assert set(results.difficulty()["dataset"]) == set(difficulty(folder)["dataset"]) == {"spectrum_basic"}


def test_a_report_is_a_folder_or_one_file(results: Results, tmp_path: Path):
    assert results.report(tmp_path / "site", images=False) == tmp_path / "site" / "index.html"
    assert (tmp_path / "site" / "data").is_dir()
    assert build_report(tmp_path / "one.html", runs=results.folder, images=False) == tmp_path / "one.html"
    assert [path.name for path in tmp_path.iterdir() if path.name != "site"] == ["one.html"]


def test_a_plan_runs_nothing(tmp_path: Path):
    planned = plan("coop", "spectrum_basic", shots=[1, 2], seeds=1, runs=tmp_path / "none")
    assert [spec.shots for spec in planned.pending] == [1, 2]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": "coop", "datasets": "dtd", "n_shots": 1}, "'n_shots' is not an option"),
        ({"methods": "coop", "datasets": "dtd", "protocol": "x"}, "--protocol 'x' is unknown"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: dict, message: str, tmp_path: Path):
    with pytest.raises(UsageError, match=message):
        run(**arguments, runs=tmp_path)


def test_failed_runs_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_RUNNER", '{"fail": ["seed 1"]}')
    results = run("coop", "spectrum_basic", runs=tmp_path, runner="fake_runner", **GRID)
    assert [item["what"].partition(", ")[0] for item in results.failed] == ["coop on spectrum_basic"]
    assert len(results) == 1


def test_no_runs_is_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match="runs with `etl-bench run`"):
        load_results(tmp_path / "none").leaderboard()
    assert Results(tmp_path / "none").folder == tmp_path / "none"


def test_the_door_is_complete_and_importing_it_loads_no_torch():
    code = "import sys, bench; print('torch' in sys.modules, 'pandas' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "False False\n"
    assert all(getattr(bench, name) is not None for name in bench.__all__)
