import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from page_data import block_of
from worlds import make_world

from bench.analysis import board_rows, board_verdicts
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.measures import HConvention
from bench.analysis.table_exports import (
    NOTHING,
    Mark,
    dataset_table,
    export_table,
    percent,
    reach_text,
    rows_by_dataset,
    to_csv,
    to_latex,
    to_markdown,
)
from bench.results.database import fresh_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    rates = {"zero_shot": 0.5, "coop": 0.7, "maple": 0.7, "apex": 0.7, "clip_adapter": 0.6}
    make_world(folder, {m: {d: {"base": r, "new": r} for d in "abc"} for m, r in rates.items()})
    return folder


@pytest.fixture(scope="module")
def world(folder: Path):
    runs = fresh_store(folder).runs_frame(outcomes=True)
    return build_leaderboard(runs, board_settings(runs)[0]), runs


def exported(board, runs, titles=NOTHING):
    return export_table(board, board_verdicts(board), titles)


def by_dataset(board, runs, measure, titles=NOTHING):
    return dataset_table(board, board_verdicts(board)[measure], titles)


def test_numbers_are_those_of_the_page(world):
    board, runs = world
    table = exported(board, runs)
    ranges = board_verdicts(board)["H"].ranks
    for entry, (name, rank, cells, coverage) in zip(board.entries, table.rows, strict=True):
        assert (name, rank, coverage) == (entry.key, ranges[entry.key], f"{entry.n}/{entry.expected}")
        for measure, cell in zip(("H", "base", "new"), cells, strict=True):
            estimate = board.average(entry.key, measure)
            assert cell.mean == percent(estimate.mean)
            assert cell.reach == reach_text(estimate) != ""


def test_the_best_and_its_ties_are_marked(world):
    board, runs = world
    marks = {name: cells[0].mark for name, _, cells, _ in exported(board, runs).rows}
    assert marks[board.entries[0].key] is Mark.BEST
    assert {marks[name] for name in ("coop", "maple", "apex")} == {Mark.BEST, Mark.TIES}
    assert marks["clip_adapter"] is marks["zero_shot"] is Mark.NONE


def test_an_incomplete_entry_is_never_marked(folder: Path):
    runs = fresh_store(folder).runs_frame(outcomes=True)
    best = (runs["method"] == "apex") & (runs["dataset"] == "a")
    runs.loc[best, "accuracy"] = 0.999  # by far the best average, but a seed is missing
    runs = runs[~(best & (runs["seed"] == 1))]
    board = build_leaderboard(runs, board_settings(runs)[0])
    marks = {name: {cell.mark for cell in cells} for name, _, cells, _ in exported(board, runs).rows}
    assert marks["apex"] == {Mark.NONE}
    assert Mark.BEST in marks["coop"] | marks["maple"]


def test_the_written_page_shows_the_numbers_of_every_export(folder: Path, world, tmp_path: Path, etl):
    """The data of the page, Markdown and LaTeX are parsed, not computed again."""
    board, runs = world
    assert etl("report", "--runs", str(folder), "--out", str(tmp_path / "a.html"), "--no-images")[0] == 0
    first = (tmp_path / "a.html").read_text("utf-8")  # has the map of the score that is shown first
    ((_, setting),) = block_of(first)["settings"].items()
    row = re.compile(r'data-m="(\d+)".*?class="rank">(.*?)</td>.*?class="score[^"]*">(.*?)</td>', re.DOTALL)
    drawn = {name: setting["answers"][name].get("map", first) for name in ("H", "base", "new")}
    maps = {name: text.partition('class="turned-map')[0] for name, text in drawn.items()}
    rows = {name: {int(m): found for m, *found in row.findall(drawn)} for name, drawn in maps.items()}
    on_page = [[[rows[name][m][1]] for name in maps] for m in range(len(setting["methods"]))]
    ranks = [rows["H"][m][0] for m in range(len(setting["methods"]))]
    table = exported(board, runs)
    for text, start in ((to_markdown(table), "| "), (to_latex(table), "")):
        lines = [line for line in text.splitlines() if line.count("|" if start else "&") > 4][1 if not start else 2 :]
        cells = [re.split(r"\||&", line.strip("| \\")) for line in lines]
        assert [[re.findall(r"\d+\.\d\d", cell)[:1] for cell in row[2:5]] for row in cells] == on_page
        assert [row[0].strip().replace("--", "–") for row in cells] == ranks
    assert f"**{table.rows[0][2][-1].mean}**" in to_markdown(table)
    assert f"\\textbf{{{table.rows[0][2][-1].mean}}}" in to_latex(table)
    assert "H" in table.columns
    assert "H: harmonic mean of base" in table.note
    of_means = exported(replace(board, convention=HConvention.H_OF_MEANS), runs).note
    assert "average new accuracy." in of_means


def test_a_table_of_demo_trainings_says_so(world):
    board, runs = world
    demo = replace(board, entries=tuple(replace(entry, recipe_name="demo") for entry in board.entries))
    for table in (exported, partial(by_dataset, measure="H")):
        for form in (to_markdown, to_latex):
            assert "recipe demo" in form(table(demo, runs))
            assert "recipe demo" not in form(table(board, runs))


def test_every_column_of_latex_has_a_name_and_the_caption_names_the_accuracy(tmp_path: Path):
    make_world(tmp_path, {"coop": {"a": {"all": 0.7}}, "vpt": {"a": {"all": 0.6}}}, protocol="few-shot")
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    board = build_leaderboard(runs, board_settings(runs)[0])
    table = by_dataset(board, runs, "all")
    assert table.title.endswith(", accuracy, by dataset")
    (head,) = (line for line in to_latex(table).splitlines() if "Method" in line)
    assert all(name.strip() for name in head.split("&"))


def test_the_table_of_one_measure_by_dataset(world):
    board, runs = world
    rows = rows_by_dataset(board)
    assert len(rows) == 5 * 3 * 3
    one = next(row for row in rows if (row["entry"], row["dataset"], row["measure"]) == ("coop", "b", "H"))
    ids = list(board.array.ids("coop", "b"))
    assert (one["mean"], one["n"], one["run_ids"]) == (board.score("coop", "b", "H").mean, 3, ids)
    assert float(next(csv.DictReader(io.StringIO(to_csv(rows))))["mean"]) == round(rows[0]["mean"], 6)
    table = by_dataset(board, runs, "base")
    assert table.columns == board.datasets
    for entry, (name, _, cells, _) in zip(board.entries, table.rows, strict=True):
        assert name == entry.key
        assert [c.mean for c in cells] == [percent(board.score(entry.key, d, "base").mean) for d in board.datasets]
    for column in range(3):
        assert [cells[column].mark for _, _, cells, _ in table.rows].count(Mark.BEST) == 1


def test_a_number_with_a_missing_seed_shows_its_coverage_and_is_never_the_best(world):
    _, runs = world
    lost = runs[~((runs["method"] == "apex") & (runs["dataset"] == "a") & (runs["seed"] == 2))].copy()
    lost.loc[(lost["method"] == "apex") & (lost["dataset"] == "a"), "accuracy"] = 0.99
    board = build_leaderboard(lost, board_settings(lost)[0])
    table = by_dataset(board, lost, "base")
    cell = next(cells[0] for name, _, cells, _ in table.rows if name == "apex")
    assert (cell.mean, cell.coverage, cell.mark) == ("99.00", "2/3", Mark.NONE)
    assert "99.00 " in to_markdown(table)


def test_csv_has_six_digits_titles_and_ranges_of_ranks_but_no_run_ids(world):
    board, _ = world
    ranks = board_verdicts(board)["H"].ranks
    titles = {entry.key: entry.key.upper() for entry in board.entries}
    rows = list(csv.DictReader(io.StringIO(to_csv(board_rows(board, ranks), titles))))
    assert [float(row["H"]) for row in rows] == [round(row["H"], 6) for row in board_rows(board)]
    assert [row["title"] for row in rows] == [row["entry"].upper() for row in rows]
    assert {row["entry"]: row["rank"] for row in rows if row["rank"]} == ranks
    assert list(rows[0])[1:3] == ["entry", "title"]
    assert "run_ids" not in rows[0]


def test_titles_take_the_place_of_keys_and_names(world):
    board, runs = world
    titles = {entry.key: f"Method {i}" for i, entry in enumerate(board.entries)} | {board.datasets[0]: "Textures"}
    assert [row[0] for row in exported(board, runs, titles).rows] == list(titles.values())[:-1]
    table = by_dataset(board, runs, board.measures[0], titles)
    assert table.columns[0] == "Textures"
    assert "Method 0" in to_latex(table)


def test_odd_names_are_escaped(tmp_path: Path):
    make_world(tmp_path, {"a_b": {"d": {"base": 0.5, "new": 0.5}}}, config={"x": "50%&#{}^~\\$"})
    make_world(tmp_path, {"a_b": {"d": {"base": 0.5, "new": 0.5}}}, config={"x": "y"})
    runs = fresh_store(tmp_path).runs_frame().replace({"method": {"a_b": "a_b|c"}})
    table = exported(build_leaderboard(runs, board_settings(runs)[0]), runs)
    row = next(line for line in to_latex(table).splitlines() if "50" in line and "textbackslash" in line)
    assert r"a\_b|c [x=50\%\&\#\{\}\textasciicircum{}\textasciitilde{}\textbackslash{}\$]" in row
    assert r"a\_b\|c" in to_markdown(table)


def test_latex_is_well_formed(world):
    """Braces and environments are closed, and each row of a table has a cell for each column."""
    board, runs = world
    for table in (exported(board, runs), by_dataset(board, runs, "H")):
        body = to_latex(table)
        plain = re.sub(r"\\[\\{}&%#$]", "", body)
        assert plain.count("{") == plain.count("}")
        assert re.findall(r"\\begin\{(\w+)", body) == re.findall(r"\\end\{(\w+)", body)[::-1]
        rows = [line for line in re.sub(r"\\&", "", body).splitlines() if line.rstrip().endswith("\\\\")]
        (columns,) = {row.count("&") + 1 + extra_columns(row) for row in rows}
        (declared,) = re.findall(r"\\begin\{tabular\}\{([lrc@{}]+)\}", body)
        assert columns == len(re.sub(r"[^lrc]", "", declared))


def extra_columns(row: str) -> int:
    """Columns that cells of several columns add."""
    return sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", row))


@pytest.mark.slow  # the test above checks the form without LaTeX
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(world, tmp_path: Path):
    board, runs = world
    body = to_latex(exported(board, runs)) + to_latex(by_dataset(board, runs, "H"))
    source = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + body + "\\end{document}"
    (tmp_path / "t.tex").write_text(source)
    subprocess.run(["pdflatex", "-interaction=batchmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


def test_the_command(folder: Path, tmp_path: Path, etl):
    def export(*arguments: str) -> tuple[int, str, str]:
        return etl("export", "--runs", str(folder), *arguments)

    assert "\\toprule" in export("--format", "latex")[1]
    assert export("--format", "markdown", "--out", str(tmp_path / "t.md"))[0] == 0
    assert (tmp_path / "t.md").read_text().startswith("**ViT-demo.drawn")
    assert "by dataset" in export("--format", "markdown", "--by-dataset")[1]
    assert export("--by-dataset")[1].startswith("entry,title,method,label,dataset,measure,mean,")
    assert "csv, markdown, latex" in export("--format", "word")[2]
    assert "match these options" in export("--shots", "3")[2]


def test_no_format_has_a_number_of_shots_for_all_training_images(tmp_path: Path, etl):
    rates = {"coop": {"d": {"base": 0.5, "new": 0.5}}}
    make_world(tmp_path / "runs", rates, images=20)
    make_world(tmp_path / "runs", rates, images=20, support="all", shots=21, task_fingerprint="every")
    for form in ("csv", "markdown", "latex"):
        out = tmp_path / form
        code, _, err = etl("export", "--format", form, "--runs", str(tmp_path / "runs"), "--out", str(out))
        assert code == 0, err
        files = [path for path in out.rglob("*") if path.is_file()] or [out]
        assert not any(b"2147483647" in path.read_bytes() for path in files)


def test_csv_has_the_columns_of_every_row():
    """An oracle's row has one more than the others."""
    rows = [{"entry": "a", "run_ids": ["1"]}, {"entry": "b", "optimism": 0.1, "run_ids": ["2", "3"]}]
    assert to_csv(rows) == "entry,optimism\na,\nb,0.1\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(1)", "'@SUM(1)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("\r=1", "' =1"),
        ("-0.5", "-0.5"),
        ("coop [x=1]", "coop [x=1]"),
        (-0.5, "-0.5"),
    ],
)
def test_no_cell_of_a_csv_is_a_formula(text: str | float, written: str):
    (row,) = csv.DictReader(io.StringIO(to_csv([{"label": text, "run_ids": ["1"]}]), newline=""))
    assert row["label"] == written


def test_imported_runs_are_marked_in_every_format(world):
    board, runs = world
    foreign = runs.assign(imported=runs["method"] == "coop")
    board = build_leaderboard(foreign, board_settings(foreign)[0])
    tables = [exported(board, foreign), *(by_dataset(board, foreign, name) for name in board.measures)]
    for table in tables:
        assert [row[0] for row in table.rows if row[0].endswith("‡")] == ["coop ‡"]
        for text in (to_markdown(table), to_latex(table)):
            assert "‡ Imported, not verified: coop: " in text or r"\ddag{} Imported, not verified: coop: " in text
    for rows in (board_rows(board), rows_by_dataset(board)):
        marked = [row for row in csv.DictReader(io.StringIO(to_csv(rows))) if row["imported"]]
        assert {row["entry"] for row in marked} == {"coop"}
    assert "‡" not in to_markdown(exported(*world))
