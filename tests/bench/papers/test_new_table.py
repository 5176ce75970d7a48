"""A paper's table is checked before it enters the ledger, and is one file there."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.analysis.metrics.scores import harmonic_mean
from bench.cli.app import app
from bench.errors import UsageError
from bench.papers import new_table
from bench.papers import published_numbers as load
from bench.papers.new_table import check_table
from bench.papers.printed_averages import DATASETS
from bench.papers.published_numbers import ADDED_COLUMNS, published_frame

FACTS = {
    "reported_in": "Our paper",
    "source_table": "Table 1",
    "url": "https://arxiv.org/abs/2501.00001",
    "method": "vpt_text_adapter",
    "protocol": "base-to-new",
    "backbone": "ViT-B-16.openai",
    "shots": "16",
    "metric": "accuracy",
    "paper": "2501.00001",
}
BASE = {name: f"{80 + i}.00" for i, name in enumerate(DATASETS)}
NEW = {name: f"{40 + 6 * i}.00" for i, name in enumerate(DATASETS)}
H = {name: f"{harmonic_mean(float(BASE[name]), float(NEW[name])):.2f}" for name in DATASETS}


def row(split: str, cells: dict[str, str], average: str = "", **changes: str) -> dict[str, str]:
    return FACTS | {"split": split, "average": average} | cells | changes


def table(place: Path, *rows: dict[str, str], name: str = "ours.csv") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*ADDED_COLUMNS, *DATASETS, "average"], restval="")
    writer.writeheader()
    writer.writerows(rows)
    path = place / name
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def whole(of_means: bool = True) -> list[dict[str, str]]:
    mean_of_h = sum(map(float, H.values())) / 11
    average = harmonic_mean(85.0, 70.0) if of_means else mean_of_h
    return [row("base", BASE, "85.00"), row("new", NEW, "70.00"), row("H", H, f"{average:.2f}")]


@pytest.mark.parametrize(
    ("of_means", "said"), [(True, "H of the averages (1 row)"), (False, "mean of the datasets' H (1 row)")]
)
def test_a_correct_table_passes_and_its_convention_is_found(tmp_path: Path, of_means: bool, said: str) -> None:
    found = check_table(table(tmp_path, *whole(of_means)))
    assert found.problems == ()
    assert found.numbers == 36
    assert f"convention of the average H: {said}" in found.notes


def test_averages_and_h_that_do_not_follow_are_noted(tmp_path: Path) -> None:
    rows = whole()
    rows[0]["average"] = "85.50"
    rows[2] |= {"dtd": "60.00", "average": "11.00"}
    notes = " | ".join(check_table(table(tmp_path, *rows)).notes)
    assert "base: average is printed as 85.50" in notes
    assert f"harmonic mean of {H['dtd']}" in notes
    assert "H: average is printed as 11.00" in notes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reported_in": ""}, "line 2: reported_in is empty"),
        ({"url": "http://x"}, "url 'http://x' is no address under which the number can be looked up"),
        ({"protocol": "zero-shoot"}, "protocol 'zero-shoot' is unknown; allowed: base-to-new"),
        ({"split": "all"}, "split 'all' does not belong to base-to-new; allowed: base, new, H"),
        ({"backbone": "ViT-B/16"}, "backbone 'ViT-B/16' is not written as arch.tag"),
        ({"shots": "many"}, "shots 'many' is not a number"),
        ({"metric": "f1"}, "metric 'f1' is not accuracy"),
        ({"dtd": "0.71x"}, "dtd holds '0.71x', which is not an accuracy in per cent"),
        ({"dtd": "171.2"}, "dtd holds '171.2', which is not an accuracy in per cent"),
        ({"dtd": "٧١"}, "line 2: dtd holds '٧١'"),
        ({"dtd": "71.2±1e9"}, "line 2: dtd holds '71.2±1e9'"),
        ({"shots": str(10**20)}, "line 2: shots '1000"),
        ({"shots": "١٦"}, "line 2: shots '١٦'"),
        ({"label": "CoOp\x1b[31m"}, r"line 2: label 'CoOp\x1b[31m'"),
        ({"variant": "<b>ours</b>"}, "line 2: variant '<b>ours</b>'"),
        ({"reported_in": "Our\u2028paper"}, "line 2: reported_in"),
        ({"url": "https://doi.org/10.1000/<script>"}, "line 2: url 'https://doi.org/10.1000/<script>': it has '<'"),
        ({"source_table": "T" * 201}, "line 2: source_table has 201 characters"),
        (dict.fromkeys([*DATASETS, "average"], ""), "it holds no number"),
    ],
)
def test_a_wrong_line_is_a_problem(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    found = check_table(table(tmp_path, row("base", BASE) | changes))
    assert any(said in problem for problem in found.problems)


def test_repeated_rows_and_tables_of_the_ledger_are_problems(tmp_path: Path) -> None:
    found = check_table(table(tmp_path, row("base", BASE), row("base", NEW)))
    assert found.problems == ("two rows are of vpt_text_adapter, ViT-B-16.openai, 16 shots, base",)
    known = published_frame().query("method == 'coop' and split == 'base' and dataset == 'dtd'").iloc[0]
    again = row("base", {"dtd": "1.00"}, method="coop", reported_in=known.reported_in, source_table=known.source_table)
    (problem,) = check_table(table(tmp_path, again)).problems
    assert "coop, ViT-B-16.openai, 16 shots, base" in problem


def test_conflicts_errata_and_unknown_methods_are_noted(tmp_path: Path) -> None:
    rows = [
        row("base", {"eurosat": "90.19", "dtd": "79.44"}, method="coop", reported_in="ReHARK (2508.11668)"),
        row("base", {"eurosat": "90.19"}, method="coopp"),
    ]
    notes = " | ".join(check_table(table(tmp_path, *rows)).notes)
    assert "coop, ViT-B-16.openai, 16 shots, base: eurosat is 90.19, and 92.19 in" in notes
    assert "1 number printed by other tables too" in notes
    assert "known error of this source: Labels numbers of ResNet-50 as those of ViT-B/16." in notes
    assert "'coopp' is neither in the registry" in notes


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("method,split\n")
    with pytest.raises(UsageError, match="lacks the column 'reported_in'"):
        check_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text(",".join([*ADDED_COLUMNS, "dtdd"]) + "\n")
    with pytest.raises(UsageError, match="unknown column 'dtdd'"):
        check_table(tmp_path / "b.csv")
    with pytest.raises(UsageError, match="row below its header"):
        check_table(table(tmp_path))
    with pytest.raises(UsageError, match="No such file"):
        check_table(tmp_path / "none.csv")


def test_lines_are_counted_with_blank_lines_and_line_breaks_in_labels(tmp_path: Path) -> None:
    path = table(tmp_path, row("base", BASE, variant="a\nb"), row("new", NEW, label="<i>"))
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\n\n", 1), encoding="utf-8")
    found = [problem.split()[:3] for problem in check_table(path).problems]
    assert found == [["line", "4:", "variant"], ["line", "5:", "label"]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reported_in", "reported_in,dtd", "column 'dtd' twice"),
        ("Our paper", "Our, paper", "line 2: more cells"),
        ("Our paper", '"Our paper', "is not CSV"),
        ("Our paper", "x" * 140_000, "is not CSV"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = table(tmp_path, row("base", BASE))
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        check_table(path)


def test_the_largest_table_passes_and_a_larger_one_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_table, "MOST_ROWS", 3)
    rows = [row("base", {"dtd": "70.0"}, variant=f"v{i}") for i in range(4)]
    assert check_table(table(tmp_path, *rows[:3])).numbers == 3
    monkeypatch.setattr(csv, "DictReader", None)
    for ends in ("\n", "\r", "\r\n"):
        (tmp_path / "long.csv").write_text(ends.join("abcde") + ends, newline="")
        with pytest.raises(UsageError, match="at most 3 rows"):
            check_table(tmp_path / "long.csv")
    monkeypatch.setattr(new_table, "LARGEST_TABLE", 8)
    with pytest.raises(UsageError, match="more than 8 bytes"):
        check_table(tmp_path / "long.csv")


def test_the_ledger_is_read_once_for_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, *whole())
    check_table(path)
    read: list[str] = []
    monkeypatch.setattr(load, "csv_rows", lambda text: read.append(text) or [])
    check_table(path)
    assert read == []


def test_many_problems_are_counted(tmp_path: Path) -> None:
    found = check_table(table(tmp_path, *(row("base", {"dtd": "x"}, variant=f"v{i}") for i in range(120))))
    assert len(found.problems) == 101
    assert found.problems[-1] == "and 20 more"


def test_an_added_file_is_part_of_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(published_frame())
    there = load._added()
    monkeypatch.setattr(load, "_added", lambda: (*there, table(tmp_path, *whole()).read_text()))
    frame = published_frame()
    assert len(frame) == before + 36
    ours = frame[frame["reported_in"] == "Our paper"]
    assert ours[(ours["split"] == "base") & (ours["dataset"] == "imagenet")]["value"].item() == 0.8


def test_the_command_checks_and_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "bench" / "published").mkdir(parents=True)
    monkeypatch.setattr(new_table, "__file__", str(checkout / "bench" / "published" / "new_table.py"))
    path = table(tmp_path, *whole())

    def add(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["papers", "add", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    code, said = add(str(path))
    assert code == 0
    assert said.startswith("note: convention of the")
    assert said.endswith("\n36 numbers can be added\n")
    with pytest.raises(UsageError, match="not run from a checkout"):
        add(str(path), "--write")
    (checkout / "pyproject.toml").touch()
    assert add(str(path), "--write")[0] == 0
    copy = checkout / "bench" / "published" / "added" / "ours.csv"
    assert copy.read_bytes() == path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        add(str(path), "--write")
    with pytest.raises(UsageError, match="'Our Table.csv' cannot"):
        add(str(table(tmp_path, *whole(), name="Our Table.csv")), "--write")
    assert add(str(table(tmp_path, row("base", BASE, url="x"))))[0] == 1
