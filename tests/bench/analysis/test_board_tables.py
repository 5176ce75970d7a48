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
from bench.analysis.board_tables import NO_TITLES, dataset_table, leaderboard_table, rows_by_dataset
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.measures import HConvention
from bench.results.database import fresh_store
from bench.score_texts import percent, reach_text
from bench.table import Mark, Score, Table


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


def exported(board, runs, titles=NO_TITLES) -> Table:
    return leaderboard_table(board, board_verdicts(board), titles)


def by_dataset(board, runs, measure, titles=NO_TITLES) -> Table:
    return dataset_table(board, board_verdicts(board)[measure], titles)


def cells_of(table: Table) -> dict[str, dict[str, Score]]:
    """The scores by entry and title of the column."""
    shown = {row["entry"]: {column.title: column.value(row) for column in table.columns} for row in table.rows}
    return {entry: {t: v for t, v in cells.items() if isinstance(v, Score)} for entry, cells in shown.items()}


def names_of(table: Table) -> list[str]:
    return [row["method"] for row in table.texts()]


def test_numbers_are_those_of_the_board(world):
    board, runs = world
    table = exported(board, runs)
    ranges = board_verdicts(board)["H"].ranks
    for entry, texts in zip(board.entries, table.texts(), strict=True):
        assert (texts["method"], texts["rank"]) == (entry.key, ranges[entry.key])
        assert texts["runs"] == f"{entry.n}/{entry.expected}"
        for measure in ("H", "base", "new"):
            estimate, score = board.average(entry.key, measure), cells_of(table)[entry.key][measure]
            assert score.mean == percent(estimate.mean)
            assert score.reach == reach_text(estimate.mean, estimate.low, estimate.high) != ""


def test_the_best_and_its_ties_are_marked(world):
    board, runs = world
    marks = {entry: cells["H"].mark for entry, cells in cells_of(exported(board, runs)).items()}
    assert marks[board.entries[0].key] is Mark.BEST
    assert {marks[name] for name in ("coop", "maple", "apex")} == {Mark.BEST, Mark.TIES}
    assert marks["clip_adapter"] is marks["zero_shot"] is Mark.NONE


def test_an_incomplete_entry_is_never_marked(folder: Path):
    runs = fresh_store(folder).runs_frame(outcomes=True)
    best = (runs["method"] == "apex") & (runs["dataset"] == "a")
    runs.loc[best, "accuracy"] = 0.999  # by far the best average, but a seed is missing
    runs = runs[~(best & (runs["seed"] == 1))]
    board = build_leaderboard(runs, board_settings(runs)[0])
    cells = cells_of(exported(board, runs))
    marks = {entry: {score.mark for score in scores.values()} for entry, scores in cells.items()}
    assert marks["apex"] == {Mark.NONE}
    assert Mark.BEST in marks["coop"] | marks["maple"]


def test_a_table_without_intervals_has_the_same_means(world):
    board, _ = world
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
    for text, start in ((table.markdown(), "| "), (table.latex(), "")):
        lines = [line for line in text.splitlines() if line.count("|" if start else "&") > 4][1 if not start else 2 :]
        cells = [re.split(r"\||&", line.strip("| \\")) for line in lines]
        assert [[re.findall(r"\d+\.\d\d", cell)[:1] for cell in row[2:5]] for row in cells] == on_page
        assert [row[0].strip().replace("--", "–") for row in cells] == ranks
    best = cells_of(table)[board.entries[0].key]["new"].mean
    assert f"**{best}**" in table.markdown()
    assert f"\\textbf{{{best}}}" in table.latex()
    assert "H: harmonic mean of base" in table.caption
    of_means = exported(replace(board, convention=HConvention.H_OF_MEANS), runs).caption
    assert "average new accuracy." in of_means


def test_a_table_of_demo_trainings_says_so(world):
    board, runs = world
    demo = replace(board, entries=tuple(replace(entry, recipe_name="demo") for entry in board.entries))
    for table in (exported, partial(by_dataset, measure="H")):
        for form in (Table.markdown, Table.latex):
            assert "recipe demo" in form(table(demo, runs))
            assert "recipe demo" not in form(table(board, runs))


def test_every_column_of_latex_has_a_name_and_the_caption_names_the_accuracy(tmp_path: Path):
    make_world(tmp_path, {"coop": {"a": {"all": 0.7}}, "vpt": {"a": {"all": 0.6}}}, protocol="few-shot")
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    board = build_leaderboard(runs, board_settings(runs)[0])
    table = by_dataset(board, runs, "all")
    assert table.title.endswith(", accuracy, by dataset")
    (head,) = (line for line in table.latex().splitlines() if "Method" in line)
    assert all(name.strip() for name in head.split("&"))


def test_the_table_of_one_measure_by_dataset(world):
    board, runs = world
    rows = rows_by_dataset(board)
    assert len(rows) == 5 * 3 * 3
    one = next(row for row in rows if (row["entry"], row["dataset"], row["measure"]) == ("coop", "b", "H"))
    ids = list(board.array.ids("coop", "b"))
    assert (one["mean"], one["n"], one["run_ids"]) == (board.score("coop", "b", "H").mean, 3, ids)
    assert float(next(csv.DictReader(io.StringIO(Table(rows).csv())))["mean"]) == round(rows[0]["mean"], 6)
    table = by_dataset(board, runs, "base")
    assert names_of(table) == [entry.key for entry in board.entries]
    cells = cells_of(table)
    for entry in board.entries:
        means = {d: percent(board.score(entry.key, d, "base").mean) for d in board.datasets}
        assert {dataset: score.mean for dataset, score in cells[entry.key].items()} == means
    for dataset in board.datasets:
        assert [scores[dataset].mark for scores in cells.values()].count(Mark.BEST) == 1


def test_a_number_with_a_missing_seed_shows_its_coverage_and_is_never_the_best(world):
    _, runs = world
    lost = runs[~((runs["method"] == "apex") & (runs["dataset"] == "a") & (runs["seed"] == 2))].copy()
    lost.loc[(lost["method"] == "apex") & (lost["dataset"] == "a"), "accuracy"] = 0.99
    board = build_leaderboard(lost, board_settings(lost)[0])
    table = by_dataset(board, lost, "base")
    score = cells_of(table)["apex"]["a"]
    assert (score.mean, score.coverage, score.mark) == ("99.00", "2/3", Mark.NONE)
    assert "99.00 " in table.markdown()


def test_frames_begin_with_what_tells_rows_apart(world):
    board, runs = world
    assert list(exported(board, runs).to_frame())[:5] == ["entry", "title", "method", "label", "rank"]


def test_csv_has_six_digits_titles_and_ranges_of_ranks_but_no_run_ids(world):
    board, _ = world
    ranks = board_verdicts(board)["H"].ranks
    titles = {entry.key: entry.key.upper() for entry in board.entries}
    rows = list(csv.DictReader(io.StringIO(Table(board_rows(board, ranks, titles)).csv())))
    assert [float(row["H"]) for row in rows] == [round(row["H"], 6) for row in board_rows(board)]
    assert [row["title"] for row in rows] == [row["entry"].upper() for row in rows]
    assert {row["entry"]: row["rank"] for row in rows if row["rank"]} == ranks
    assert list(rows[0])[:2] == ["entry", "title"]
    assert "run_ids" not in rows[0]


def test_titles_take_the_place_of_keys_and_names(world):
    board, runs = world
    titles = {entry.key: f"Method {i}" for i, entry in enumerate(board.entries)} | {board.datasets[0]: "Textures"}
    assert names_of(exported(board, runs, titles)) == list(titles.values())[:-1]
    table = by_dataset(board, runs, board.measures[0], titles)
    assert "Textures" in table.texts()[0]
    assert "Method 0" in table.latex()


def test_odd_names_are_escaped(tmp_path: Path):
    make_world(tmp_path, {"a_b": {"d": {"base": 0.5, "new": 0.5}}}, config={"x": "50%&#{}^~\\$"})
    make_world(tmp_path, {"a_b": {"d": {"base": 0.5, "new": 0.5}}}, config={"x": "y"})
    runs = fresh_store(tmp_path).runs_frame().replace({"method": {"a_b": "a_b|c"}})
    table = exported(build_leaderboard(runs, board_settings(runs)[0]), runs)
    row = next(line for line in table.latex().splitlines() if "50" in line and "textbackslash" in line)
    assert r"a\_b|c [x=50\%\&\#\{\}\textasciicircum{}\textasciitilde{}\textbackslash{}\$]" in row
    assert r"a\_b\|c" in table.markdown()


def test_latex_is_well_formed(world):
    """Braces and environments are closed, and each row of a table has a cell for each column."""
    board, runs = world
    for table in (exported(board, runs), by_dataset(board, runs, "H")):
        body = table.latex()
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
    body = exported(board, runs).latex() + by_dataset(board, runs, "H").latex()
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
    assert Table(rows).csv() == "entry,optimism\na,\nb,0.1\n"


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
    (row,) = csv.DictReader(io.StringIO(Table([{"label": text, "run_ids": ["1"]}]).csv(), newline=""))
    assert row["label"] == written


def test_imported_runs_are_marked_in_every_format(world):
    board, runs = world
    foreign = runs.assign(imported=runs["method"] == "coop")
    board = build_leaderboard(foreign, board_settings(foreign)[0])
    tables = [exported(board, foreign), *(by_dataset(board, foreign, name) for name in board.measures)]
    for table in tables:
        assert [name for name in names_of(table) if name.endswith("‡")] == ["coop ‡"]
        for text in (table.markdown(), table.latex()):
            assert "‡ Imported, not verified: coop: " in text or r"\ddag{} Imported, not verified: coop: " in text
    for rows in (board_rows(board), rows_by_dataset(board)):
        marked = [row for row in csv.DictReader(io.StringIO(Table(rows).csv())) if row["imported"]]
        assert {row["entry"] for row in marked} == {"coop"}
    assert "‡" not in exported(*world).markdown()
