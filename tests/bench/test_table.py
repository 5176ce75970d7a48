"""Tables as text: in a pipe every column, in a terminal what fits without broken words."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from operator import itemgetter

import pytest

from bench.cli import print_text
from bench.table import Column, Mark, Score, Table, Tables, facts_text, grid_text, to_json

HEAD = ["rank", "method", "H", "base", "runs", "parameters"]
CELLS = [
    ["1–2", "Text prompts + visual adapter", "64.97 ± 1.77", "68.56 ± 2.37", "33/33", "17280"],
    ["1–10", "CLIP-Adapter", "65.18 ± 1.78", "66.62 ± 2.41", "9/33 *", "8"],
]
WIDTHS = (30, 40, 60, 80, 100)


def table_text(head, cells, width=None, spare=()) -> tuple[str, list[str]]:
    """The grid, and the columns that were left out."""
    columns = {title: [row[k] for row in cells] for k, title in enumerate(head)}
    grid, *notes = grid_text(columns, width, spare)
    left_out = " ".join(notes[0].split()).partition(": ")[2].split(", ") if notes else []
    return grid, left_out


def wide_text(rows, labels, width) -> str:
    return Table(rows, [Column(name, itemgetter(name)) for name in rows[0]], labels=labels).text(width)


@pytest.fixture
def wrapped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str, int | None], str]:
    """What a terminal of some width shows of a text."""

    def printed(text: str, width: int | None) -> str:
        monkeypatch.setattr("bench.cli._print.terminal_width", lambda _: width)
        print_text(text)
        return capsys.readouterr().out.removesuffix("\n")

    return printed


def test_without_a_width_each_row_is_one_line_with_every_column():
    text, left_out = table_text(HEAD, CELLS)
    lines = text.splitlines()
    assert (left_out, len(lines)) == ([], 4)
    assert lines[0].split() == HEAD
    assert lines[2].split("  ")[-1] == "17280"
    assert lines[3].endswith("         8"), "right-aligned numbers"


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(width: int):
    text, left_out = table_text(HEAD, CELLS, width, ["parameters", "runs"])
    assert max(map(len, text.splitlines())) <= width
    shown = text.splitlines()[0].split()
    assert [*shown, *left_out] == sorted([*shown, *left_out], key=HEAD.index)
    assert shown[:2] == HEAD[:2]


def test_spare_columns_go_first_in_their_order_then_the_last():
    left = {width: table_text(HEAD, CELLS, width, ["runs", "base"])[1] for width in range(40, 110)}
    orders = list(dict.fromkeys(map(tuple, left.values())))
    assert orders[-1] == ()
    assert ("runs",) in orders
    assert ("base", "runs") in orders
    assert ("base", "runs", "parameters") in orders
    assert left[109] == []


def test_words_and_short_cells_stay_whole():
    text = table_text(HEAD, CELLS, 60, ["parameters", "runs"])[0]
    for word in ("prompts", "visual", "adapter", "64.97 ± 1.77", "CLIP-Adapter"):
        assert word in text


def test_a_word_that_is_too_long_for_any_line_is_broken():
    text, left_out = table_text(["a", "b"], [["x" * 90, "y"]], 40)
    assert (max(map(len, text.splitlines())), left_out) == (40, [])
    assert text.count("x") == 90


def test_a_name_is_not_cut_and_a_long_path_may_be():
    name, path = "xlm-roberta-base-ViT-B-32.laion5b_s13b_b90k", "/a/long/folder/" * 5
    text, left_out = table_text(["backbone", "state", "place"], [[name, "ready", path]], 90)
    assert name in text.split()
    assert left_out == []
    assert path not in text.split()
    text, left_out = table_text(["backbone", "state", "place"], [[name, "ready", path]], 55)
    assert (name in text.split(), left_out) == (True, ["place"])


def test_a_column_that_has_room_again_comes_back():
    head, cells = ["name", "kind", "n", "summary"], [["one", "two", "3", "x" * 18]]
    text, left_out = table_text(head, cells, 20, ["n", "summary"])
    assert left_out == ["summary"]
    assert text.splitlines()[0].split() == ["name", "kind", "n"]


def test_a_command_is_not_broken(wrapped):
    command = "`etl-bench run -m coop -d dtd`"
    text, _ = table_text(["claim", "missing"], [["first", f"add the runs by {command} and look"]], 44)
    assert command in text
    assert command in wrapped(f"it lacks runs, and {command} adds them", 32).splitlines()
    assert wrapped("Next:\n  etl-bench compare a b", 12) == "Next:\n  etl-bench compare a b"


def test_wide_characters_take_two_cells():
    text, _ = table_text(["name", "n"], [["山" * 20, "1"]], 30)
    rows = text.splitlines()[2:]
    assert len(rows) == 2
    assert all(row.count("山") * 2 <= 28 for row in rows)


def test_lines_of_a_cell_stay_lines():
    text, _ = table_text(["verdict", "claim"], [["supported", "A sentence.\np 0.01"]], 80)
    assert text.splitlines()[2:] == ["supported  A sentence.", "           p 0.01"]


@pytest.mark.parametrize("width", [None, 40])
def test_an_empty_table_is_its_head(width: int | None):
    assert table_text(["claim", "p"], [], width)[0].splitlines()[0] == "claim  p"
    assert table_text([], [], width)[1] == []


def test_facts_begin_in_one_column_and_are_wrapped_there():
    text = facts_text({"name": "coop", "summary": "one two three four five six seven eight"}, 30)
    assert text.splitlines() == ["name     coop", "summary  one two three four", "         five six seven eight"]
    assert facts_text({}) == ""


def test_sentences_are_broken_between_words(wrapped):
    assert wrapped("one two three", 8) == "one two\nthree"
    assert wrapped("one two three", None) == "one two three"
    assert wrapped("/a/very/long/path here", 8) == "/a/very/long/path\nhere"


def test_columns_without_room_go_on_in_a_further_table_with_the_same_labels():
    row = {"method": "apex", **{f"data_{number}": "72.00 ± 1.00\n72.40 yes" for number in range(4)}}
    lines = wide_text([row], ("dataset", "method"), 40).splitlines()
    assert max(map(len, lines)) <= 40
    assert [line.split() for line in lines if "method" in line] == [
        ["method", "data_0", "data_1"],
        ["method", "data_2", "data_3"],
    ]
    assert sum("apex" in line for line in lines) == 2


@pytest.mark.parametrize("width", [60, 80])
def test_no_column_is_left_out_beside_wide_labels(width: int):
    for method in ("apex with [ensemble_weight=oracle]\nViT-B-16.openai, all training images", "x" * 70):
        row = {"dataset": "spectrum_landcover:test=10", "stands for": "stanford_cars", "method": method}
        numbers = {f"data_{number}": f"7{number}.00* ± 1.00\n72.4{number}* yes" for number in range(4)}
        text = wide_text([row | numbers], ("dataset", "stands for", "method"), width)
        assert max(map(len, text.splitlines())) <= width
        assert all("method" in line for line in text.splitlines() if "data_" in line)
        for cell in numbers.values():
            assert all(line in text for line in cell.split("\n"))


SCORES = Table(
    [
        {"entry": "a_b", "H": 0.717, "low": 0.705, "high": 0.729, "made": date(2026, 1, 2), "ids": ["1", "2"]},
        {"entry": "=c|", "H": float("nan"), "low": None, "high": None, "made": None, "ids": []},
    ],
    [
        "entry",
        Column("made on", lambda row: row["made"], in_papers=False),
        Column("H", lambda row: Score("71.70", "± 1.20", Mark.BEST, "2/3") if row["low"] else None),
    ],
    title="Two rows",
    caption="Bold: the best.",
)


def test_every_format_has_the_same_rows():
    assert SCORES.texts() == [
        {"entry": "a_b", "made on": "2026-01-02", "H": "71.70 ± 1.20 (2/3)"},
        {"entry": "=c|", "made on": "–", "H": "–"},
    ]
    assert [line.split()[0] for line in SCORES.text(None).splitlines()] == ["Two", "entry", "─" * 37, "a_b", "=c|"]
    assert "| a\\_b | **71.70** ± 1.20 (2/3) |" in SCORES.markdown()
    assert r"a\_b & \textbf{71.70} {\scriptsize $\pm$ 1.20} (2/3) \\" in SCORES.latex()
    assert SCORES.csv() == "entry,H,low,high,made\na_b,0.717,0.705,0.729,2026-01-02\n'=c|,nan,,,\n"
    assert json.loads(SCORES.json())[1] == {
        "entry": "=c|", "H": None, "low": None, "high": None, "made": None, "ids": []
    }  # fmt: skip
    assert "<td>a_b</td><td>2026-01-02</td>" in SCORES.html()
    assert SCORES.to_frame()["H"][0] == 0.717


def test_no_cell_of_a_csv_is_a_formula_and_all_rows_have_its_columns():
    """An oracle's row has one column more than the others."""
    texts = ["=HYPERLINK(1)", "@SUM(1)", "+1+cmd|' /C calc'!A0", "-2+3", "\t=1", "-0.5", "coop [x=1]"]
    head, *lines = Table([{"label": text} for text in texts] + [{"label": -0.5, "optimism": 0.1}]).csv().splitlines()
    assert head == "label,optimism"
    assert lines[:5] == [f"'{text}," for text in texts[:5]]
    assert lines[5:] == ["-0.5,", "coop [x=1],", "-0.5,0.1"]
    assert Table([{"label": "\r=1"}]).csv() == "label\n' =1\n"


def test_tables_of_several_settings_are_one_frame_that_begins_with_what_differs():
    tables = Tables(
        [replace(SCORES, setting={"backbone": "x", "shots": n}, notes=[f"note {n}"]) for n in (4, 16)], ["first"]
    )
    frame = tables.to_frame()
    assert (frame.columns[0], frame.columns[-1]) == ("shots", "backbone")
    assert list(frame["shots"]) == [4, 4, 16, 16]
    assert tables.notes == ("first", "note 4", "note 16")
    assert len(json.loads(tables.json())) == len(tables) == 2
    assert str(tables).count("Two rows") == tables.html().count("<caption>Two rows</caption>") == 2


def test_a_set_is_a_sorted_list_in_json():
    assert json.loads(to_json({"ids": frozenset({"b", "a"})})) == {"ids": ["a", "b"]}


def test_details_follow_the_rows_on_request():
    table = replace(SCORES, details=Table([{"dataset": "d"}]), below=lambda: "It is so.", facts=lambda: {"a": 1})
    assert table.text().splitlines()[-4:-1] == ["dataset", "───────", "d"]
    assert "dataset  " not in table.text(details=False)
    assert table.text().endswith("It is so.")
    assert json.loads(table.json()) == {"a": 1}
    assert list(table.to_frame()["dataset"])[2] == "d"
