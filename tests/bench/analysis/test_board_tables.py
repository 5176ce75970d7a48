"""Tables and exports of a board: the same numbers, marks, titles and columns in every format and on the page."""

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from page_data import block_of, evidence_of
from worlds import make_world

from bench import export_leaderboards, load_results
from bench.analysis import board_rows, board_verdicts
from bench.analysis.board_tables import NO_TITLES, dataset_table, leaderboard_table, rows_by_dataset
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.measures import HConvention
from bench.results.database import fresh_store
from bench.score_texts import percent, reach_text
from bench.table import Mark, Score, Table
from reports.site.build import PageRequest, write_page


@pytest.fixture(scope="module")
def made(world):
    """Three equal methods, one worse, and zero-shot."""
    return world({"zero_shot": 0.5, "coop": 0.7, "maple": 0.7, "apex": 0.7, "clip_adapter": 0.6})


@pytest.fixture(scope="module")
def board(made):
    return made.board


def exported(board, titles=NO_TITLES) -> Table:
    return leaderboard_table(board, board_verdicts(board), titles)


def by_dataset(board, measure="H", titles=NO_TITLES) -> Table:
    return dataset_table(board, board_verdicts(board)[measure], titles)


def cells_of(table: Table) -> dict[str, dict[str, Score]]:
    """The scores by entry and title of the column."""
    shown = {row["entry"]: {column.title: column.value(row) for column in table.columns} for row in table.rows}
    return {entry: {t: v for t, v in cells.items() if isinstance(v, Score)} for entry, cells in shown.items()}


def names_of(table: Table) -> list[str]:
    return [row["method"] for row in table.texts()]


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_numbers_are_those_of_the_board_and_the_best_and_its_ties_are_marked(board):
    table = exported(board)
    ranges = board_verdicts(board)["H"].ranks
    for entry, texts in zip(board.entries, table.texts(), strict=True):
        assert (texts["method"], texts["rank"]) == (entry.key, ranges[entry.key])
        assert texts["runs"] == f"{entry.n}/{entry.expected}"
        for measure in ("H", "base", "new"):
            estimate, score = board.average(entry.key, measure), cells_of(table)[entry.key][measure]
            assert score.mean == percent(estimate.mean)
            assert score.reach == reach_text(estimate.mean, estimate.low, estimate.high) != ""
    marks = {entry: cells["H"].mark for entry, cells in cells_of(exported(board)).items()}
    assert marks[board.entries[0].key] is Mark.BEST
    assert {marks[name] for name in ("coop", "maple", "apex")} == {Mark.BEST, Mark.TIES}
    assert marks["clip_adapter"] is marks["zero_shot"] is Mark.NONE


def test_an_entry_with_a_missing_seed_shows_its_coverage_and_is_never_the_best(made):
    here = (made.runs["method"] == "apex") & (made.runs["dataset"] == "a")
    left = made.runs.copy()
    left.loc[here, "accuracy"] = 0.99  # by far the best
    board = made.board_of(left[~(here & (left["seed"] == 2))])
    marks = {entry: {score.mark for score in scores.values()} for entry, scores in cells_of(exported(board)).items()}
    assert marks["apex"] == {Mark.NONE}
    assert Mark.BEST in marks["coop"] | marks["maple"]
    table = by_dataset(board, "base")
    score = cells_of(table)["apex"]["a"]
    assert (score.mean, score.coverage, score.mark) == ("99.00", "2/3", Mark.NONE)
    assert "99.00 " in table.markdown()


def test_a_table_without_intervals_has_the_same_means(board):
    verdicts = board_verdicts(board)
    tables = [
        (leaderboard_table(board, verdicts, intervals=shown), dataset_table(board, verdicts["H"], intervals=shown))
        for shown in (True, False)
    ]
    for whole, bare in zip(*tables, strict=True):
        for entry, scores in cells_of(whole).items():
            assert {title: replace(score, reach="") for title, score in scores.items()} == cells_of(bare)[entry]
        assert "95 %" in whole.markdown()
        assert not any(sign in bare.markdown() for sign in ("±", "95 %", "−"))


def test_the_written_page_shows_the_numbers_of_every_export(made, board, tmp_path: Path, etl):
    """The data of the page, Markdown and LaTeX are parsed, not computed again."""
    assert etl("report", "--runs", str(made.folder), "--out", str(tmp_path / "a.html"), "--no-images")[0] == 0
    first = (tmp_path / "a.html").read_text("utf-8")  # has the map of the score that is shown first
    ((_, setting),) = block_of(first)["settings"].items()
    row = re.compile(
        r'data-m="(\d+)".*?class="rank[^"]*"><span>(.*?)</span></td>.*?class="score[^"]*">(.*?)</td>', re.DOTALL
    )
    drawn = {name: setting["answers"][name].get("map", first) for name in ("H", "base", "new")}
    rows = {name: {int(m): cells for m, *cells in row.findall(text)} for name, text in drawn.items()}
    on_page = [[[rows[name][m][1]] for name in drawn] for m in range(len(setting["methods"]))]
    ranks = [rows["H"][m][0] for m in range(len(setting["methods"]))]
    table = exported(board)
    for text, start in ((table.markdown(), "| "), (table.latex(), "")):
        lines = [line for line in text.splitlines() if line.count("|" if start else "&") > 4][1 if not start else 2 :]
        cells = [re.split(r"\||&", line.strip("| \\")) for line in lines]
        assert [[re.findall(r"\d+\.\d\d", cell)[:1] for cell in row[2:5]] for row in cells] == on_page
        assert [row[0].strip().replace("--", "–") for row in cells] == ranks
    best = cells_of(table)[board.entries[0].key]["new"].mean
    assert f"**{best}**" in table.markdown()
    assert f"\\textbf{{{best}}}" in table.latex()
    assert "H: harmonic mean of base" in table.caption
    assert "average new accuracy." in exported(replace(board, convention=HConvention.H_OF_MEANS)).caption


def test_all_places_have_one_order_of_columns(made, tmp_path: Path):
    page = tmp_path / "page.html"
    (shown,) = write_page(PageRequest(runs=made.folder, out=page)).boards
    folds = evidence_of(page.read_text(), shown.anchor)["folds"]
    (drawn,) = (part[1] for part in folds[f"{shown.anchor}-board"] if part[0] == "table")
    costs = ["parameters", "training", "shared features"]
    values = ["entry", "rank", "H", "base", "new", "n", "trainable_parameters", "own_seconds", "shared_seconds"]
    (table,) = load_results(made.folder).leaderboard()
    markdown = export_leaderboards("markdown", runs=made.folder).splitlines()[2].strip("| ").split(" | ")
    head = export_leaderboards(runs=made.folder).splitlines()[0].split(",")
    assert list(table.texts()[0]) == ["rank", "method", "H", "base", "new", "open", "runs", *costs]
    assert markdown == ["rank", "method", "H", "base", "new", "runs"]
    assert [name for name in head if name in values] == values
    assert [name for name in table.to_frame() if name in values] == values
    assert list(table.to_frame())[:5] == ["entry", "title", "method", "label", "rank"]
    on_page = ["rank", "method", "h", "base", "new", "runs"]  # costs have a table of their own
    assert [title.lower() for title, *_ in drawn["columns"] if title.lower() in on_page] == on_page


def test_a_table_of_demo_trainings_says_so(board):
    demo = replace(board, entries=tuple(replace(entry, recipe_name="demo") for entry in board.entries))
    for table in (exported, by_dataset):
        for form in (Table.markdown, Table.latex):
            assert "recipe demo" in form(table(demo))
            assert "recipe demo" not in form(table(board))


def test_the_table_of_one_measure_by_dataset(board):
    rows = rows_by_dataset(board)
    assert len(rows) == 5 * 3 * 3
    one = next(row for row in rows if (row["entry"], row["dataset"], row["measure"]) == ("coop", "b", "H"))
    ids = list(board.array.ids("coop", "b"))
    assert (one["mean"], one["n"], one["run_ids"]) == (board.score("coop", "b", "H").mean, 3, ids)
    assert float(parsed(Table(rows).csv())[0]["mean"]) == round(rows[0]["mean"], 6)
    table = by_dataset(board, "base")
    assert names_of(table) == [entry.key for entry in board.entries]
    cells = cells_of(table)
    for entry in board.entries:
        means = {d: percent(board.score(entry.key, d, "base").mean) for d in board.datasets}
        assert {dataset: score.mean for dataset, score in cells[entry.key].items()} == means
    for dataset in board.datasets:
        assert [scores[dataset].mark for scores in cells.values()].count(Mark.BEST) == 1


def test_csv_has_six_digits_titles_and_ranges_of_ranks_but_no_run_ids(board):
    ranks = board_verdicts(board)["H"].ranks
    titles = {entry.key: entry.key.upper() for entry in board.entries}
    rows = parsed(Table(board_rows(board, ranks, titles)).csv())
    assert [float(row["H"]) for row in rows] == [round(row["H"], 6) for row in board_rows(board)]
    assert [row["title"] for row in rows] == [row["entry"].upper() for row in rows]
    assert {row["entry"]: row["rank"] for row in rows if row["rank"]} == ranks
    assert list(rows[0])[:2] == ["entry", "title"]
    assert "run_ids" not in rows[0]


def test_titles_take_the_place_of_keys_and_names(board):
    titles = {entry.key: f"Method {i}" for i, entry in enumerate(board.entries)} | {board.datasets[0]: "Textures"}
    assert names_of(exported(board, titles)) == list(titles.values())[:-1]
    table = by_dataset(board, board.measures[0], titles)
    assert "Textures" in table.texts()[0]
    assert "Method 0" in table.latex()


def test_odd_names_are_escaped(tmp_path: Path):
    for setting in ("50%&#{}^~\\$", "y"):
        make_world(tmp_path, {"a_b": {"d": {"base": 0.5, "new": 0.5}}}, config={"x": setting}, images=20)
    runs = fresh_store(tmp_path).runs_frame().replace({"method": {"a_b": "a_b|c"}})
    table = exported(build_leaderboard(runs, board_settings(runs)[0]))
    row = next(line for line in table.latex().splitlines() if "50" in line and "textbackslash" in line)
    assert r"a\_b|c [x=50\%\&\#\{\}\textasciicircum{}\textasciitilde{}\textbackslash{}\$]" in row
    assert r"a\_b\|c" in table.markdown()


def test_latex_is_well_formed(board, world):
    """Braces and environments are closed, each column has a name, and each row a cell for each column."""
    one_accuracy = by_dataset(
        world({"coop": {"a": {"all": 0.7}}, "vpt": {"a": {"all": 0.6}}}, protocol="few-shot").board, "all"
    )
    assert one_accuracy.title.endswith(", accuracy, by dataset")
    for table in (exported(board), by_dataset(board), one_accuracy):
        body = table.latex()
        plain = re.sub(r"\\[\\{}&%#$]", "", body)
        assert plain.count("{") == plain.count("}")
        assert re.findall(r"\\begin\{(\w+)", body) == re.findall(r"\\end\{(\w+)", body)[::-1]
        rows = [line for line in re.sub(r"\\&", "", body).splitlines() if line.rstrip().endswith("\\\\")]
        (columns,) = {row.count("&") + 1 + extra_columns(row) for row in rows}
        (declared,) = re.findall(r"\\begin\{tabular\}\{([lrc@{}]+)\}", body)
        assert columns == len(re.sub(r"[^lrc]", "", declared))
        (head,) = (line for line in body.splitlines() if "Method" in line)
        assert all(name.strip() for name in head.split("&"))


def extra_columns(row: str) -> int:
    """Columns that cells of several columns add."""
    return sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", row))


@pytest.mark.slow  # the test above checks the form without LaTeX
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(board, tmp_path: Path):
    body = exported(board).latex() + by_dataset(board).latex()
    source = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + body + "\\end{document}"
    (tmp_path / "t.tex").write_text(source)
    subprocess.run(["pdflatex", "-interaction=batchmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_no_format_has_a_number_of_shots_for_all_training_images(world, form: str):
    rates = {"coop": {"d": {"base": 0.5, "new": 0.5}}}
    every = {"support": "all", "shots": 21, "task_fingerprint": "every"}
    text = export_leaderboards(form, runs=world(rates, (rates, every), images=20).folder)
    assert "2147483647" not in text
    assert ("all training images" in text) == (form != "csv")


def test_imported_runs_are_marked_in_every_format(made, board):
    foreign = made.board_of(made.runs.assign(imported=made.runs["method"] == "coop"))
    for table in (exported(foreign), *(by_dataset(foreign, name) for name in foreign.measures)):
        assert [name for name in names_of(table) if name.endswith("‡")] == ["coop ‡"]
        for text in (table.markdown(), table.latex()):
            assert "‡ Imported, not verified: coop: " in text or r"\ddag{} Imported, not verified: coop: " in text
    for rows in (board_rows(foreign), rows_by_dataset(foreign)):
        assert {row["entry"] for row in parsed(Table(rows).csv()) if row["imported"]} == {"coop"}
    assert "‡" not in exported(board).markdown()


def test_the_command_writes_a_file_and_refuses_a_setting_without_runs(made, tmp_path: Path, etl):
    export = ("export", "--runs", str(made.folder))
    assert etl(*export, "--format", "markdown", "--out", str(tmp_path / "t.md"))[0] == 0
    assert (tmp_path / "t.md").read_text().startswith("**ViT-demo.drawn")
    assert "match these options" in etl(*export, "--shots", "3")[2]


@pytest.mark.parametrize(
    ("spent", "texts"),
    [
        ([30, 400, 0, 90, 90], ["0.50 min", "6.67 min", "0 min", "1.50 min", "1.50 min"]),
        ([2, 36_000, 0, 100, 100], ["<0.01 h", "10.00 h", "0 h", "0.03 h", "0.03 h"]),
    ],
)
def test_a_column_of_times_has_one_unit_and_no_time_is_printed_as_zero(board, spent, texts):
    entries = tuple(
        replace(entry, cost=replace(entry.cost, prepare_seconds=0, train_seconds=time))
        for entry, time in zip(board.entries, spent, strict=True)
    )
    assert [row["training"] for row in exported(replace(board, entries=entries)).texts()] == texts
