import csv
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from worlds import make_world

from bench.cli.app import main
from bench.exports import Mark, export_table, to_csv, to_latex, to_markdown
from bench.leaderboard import leaderboard, settings
from bench.standings import board_ranks
from bench.store import fresh_store
from reports._format import percent


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    rates = {"zero_shot": 0.5, "coop": 0.7, "maple": 0.7, "apex": 0.7, "clip_adapter": 0.6}
    make_world(folder, {m: {d: {"base": r, "new": r} for d in "abc"} for m, r in rates.items()})
    return folder


@pytest.fixture(scope="module")
def world(folder: Path):
    runs = fresh_store(folder).runs_frame()
    return leaderboard(runs, settings(runs)[0]), runs


def test_numbers_are_those_of_the_page(world):
    board, runs = world
    table = export_table(board, runs)
    ranges = {found.name: str(found) for found in board_ranks(board, runs)}
    for entry, (name, rank, cells, coverage) in zip(board.entries, table.rows, strict=True):
        assert (name, rank, coverage) == (entry.key, ranges[entry.key], f"{entry.n}/{entry.expected}")
        for measure, cell in zip(board.measures, cells, strict=True):
            estimate = entry.average(measure, board.convention)
            assert cell.mean == percent(estimate.mean)
            assert cell.half_width == (None if estimate.half_width is None else percent(estimate.half_width))


def test_the_best_and_its_ties_are_marked(world):
    board, runs = world
    marks = {name: cells[-1].mark for name, _, cells, _ in export_table(board, runs).rows}
    assert marks[board.entries[0].key] is Mark.BEST
    assert {marks[name] for name in ("coop", "maple", "apex")} == {Mark.BEST, Mark.TIES}
    assert marks["clip_adapter"] is marks["zero_shot"] is Mark.NONE


def test_csv_keeps_every_digit(world):
    board, _ = world
    rows = list(csv.DictReader(io.StringIO(to_csv(board))))
    assert [float(row["H"]) for row in rows] == [row["H"] for row in board.rows()]
    assert rows[0]["run_ids"].split(" ") == board.rows()[0]["run_ids"]


def test_markdown_and_latex_hold_the_same_numbers(world):
    board, runs = world
    table = export_table(board, runs)
    wanted = [cell.mean for _, _, cells, _ in table.rows for cell in cells]
    for text in (to_markdown(table), to_latex(table)):
        found = re.findall(r"\d+\.\d\d", text)
        assert [number for number in found if number in wanted]
        assert all(number in found for number in wanted)
    assert f"**{table.rows[0][2][-1].mean}**" in to_markdown(table)
    assert f"\\textbf{{{table.rows[0][2][-1].mean}}}" in to_latex(table)


def test_odd_names_are_escaped(tmp_path: Path):
    make_world(tmp_path, {"a_b|c": {"d": {"base": 0.5, "new": 0.5}}}, config={"x": "50%&#{}^~\\$"})
    make_world(tmp_path, {"a_b|c": {"d": {"base": 0.5, "new": 0.5}}}, config={"x": "y"})
    runs = fresh_store(tmp_path).runs_frame()
    table = export_table(leaderboard(runs, settings(runs)[0]), runs)
    row = next(line for line in to_latex(table).splitlines() if "50" in line and "textbackslash" in line)
    assert r"a\_b|c [x=50\%\&\#\{\}\textasciicircum{}\textasciitilde{}\textbackslash{}\$]" in row
    assert r"a\_b\|c" in to_markdown(table)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(world, tmp_path: Path):
    board, runs = world
    body = to_latex(export_table(board, runs))
    source = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + body + "\\end{document}"
    (tmp_path / "t.tex").write_text(source)
    subprocess.run(["pdflatex", "-interaction=batchmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


def test_the_command(folder: Path, tmp_path: Path, capsys, monkeypatch):
    def etl(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["etl-bench", "export", "--runs", str(folder), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    assert "\\toprule" in etl("--format", "latex")[1]
    assert etl("--format", "markdown", "--out", str(tmp_path / "t.md"))[0] == 0
    assert (tmp_path / "t.md").read_text().startswith("**ViT-demo.drawn")
    assert etl("--format", "parquet", "--out", str(tmp_path / "t.parquet"))[0] == 0
    stored = duckdb.read_parquet(str(tmp_path / "t.parquet")).df()
    assert len(stored) == 5
    assert set(stored["protocol"]) == {"base-to-new"}
    assert etl("--format", "parquet")[2] == "error: --format parquet needs a file; name one with --out.\n"
    assert "Allowed: csv, parquet, markdown, latex" in etl("--format", "word")[2]
    assert "No runs to export" in etl("--shots", "3")[2]
