"""The CSV files of the ledger: their columns, cells and sources, and whether their numbers follow from one another.

Whoever adds the table of a paper as a file in `bench/papers/added/` runs this file. A printed number that contradicts
its own table is kept as printed, with a row in `errata.csv`.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from statistics import fmean, harmonic_mean
from typing import get_args

import pandas as pd
import pytest

import bench.papers
from bench.papers import published_difficulty, published_methods
from bench.papers.printed_averages import AVERAGE
from bench.papers.published_numbers import ADDED_COLUMNS, PrintedNumber, numbers_of
from bench.results import known_methods
from methods import Extra, Family, stored_facts

LEDGER = Path(bench.papers.__file__).parent
SKIP_TUNING = "base-to-new table (DePT column = KgCoOp+DePT; CoPrompt re-run by the authors)"
SPLITS = {
    "base-to-new": ("base", "new", "H"),
    "few-shot": ("all",),
    "zero-shot": ("all",),
    "test-time": ("all",),
    "cross-dataset": ("all", "target"),
    "domain-generalization": ("all", "target"),
}
CELL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?(±[0-9]{1,3}(\.[0-9]{1,6})?)?")
ADDRESS = re.compile(
    r"https://arxiv\.org/(abs|pdf)/\d{4}\.\d{4,5}(v\d+)?|https://doi\.org/10\.\d{4,9}/\S+"
    r"|https://openreview\.net/(forum|pdf)\?id=[\w-]+|https://openaccess\.thecvf\.com/content\S+"
    r"|https://(aclanthology\.org|proceedings\.mlr\.press|(proceedings|papers)\.n(eur)?ips\.cc|ojs\.aaai\.org"
    r"|www\.ecva\.net|link\.springer\.com|ieeexplore\.ieee\.org|dl\.acm\.org)/\S+"
    r"|https://github\.com/[\w.-]+/[\w.-]+/(issues/\d+|blob/[0-9a-f]{7,40}/\S+)"
    r"|[\w.-]+/[\w.-]+@[0-9a-f]{7,40}[:/]\S+"
)
"""Addresses under which a number stays: of a paper, of an issue, or of a file at a commit."""


def table(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines(), strict=True))


def wrong_fields(line: dict[str, str]) -> Iterator[str]:
    """The columns of a row, and datasets, whose text is not allowed."""
    allowed = {
        "reported_in": ".+",
        "source_table": ".+",
        "url": ADDRESS.pattern,
        "method": ".+",
        "protocol": "|".join(SPLITS),
        "split": "|".join(SPLITS.get(line["protocol"], ())),
        "backbone": r"[A-Za-z0-9._-]+\.[A-Za-z0-9._-]+",
        "shots": "[0-9]{0,6}",
        "metric": "accuracy",
    }
    yield from (name for name, pattern in allowed.items() if not re.fullmatch(pattern, line[name]))
    cells = {name: cell for name, cell in line.items() if name not in ADDED_COLUMNS and cell}
    yield from (name for name, cell in cells.items() if not CELL.fullmatch(cell) or float(cell.split("±")[0]) > 100)
    yield from [] if cells else ["no number"]


@pytest.mark.parametrize("file", sorted((LEDGER / "added").glob("*.csv")), ids=lambda file: file.stem)
def test_an_added_table_has_the_columns_and_cells_of_the_ledger(file: Path) -> None:
    lines = table(file)
    datasets = {*table(LEDGER / "tables.csv")[0], *table(LEDGER / "difficulty.csv")[0]}
    assert list(lines[0])[: len(ADDED_COLUMNS)] == list(ADDED_COLUMNS)
    assert set(lines[0]) - set(ADDED_COLUMNS) <= datasets
    assert {number: found for number, line in enumerate(lines, 2) if (found := list(wrong_fields(line)))} == {}


def test_wrong_fields_are_found() -> None:
    (line, *_) = table(LEDGER / "added" / "timo.csv")
    wrong = {"url": "http://x", "backbone": "RN50", "shots": "many", "metric": "f1", "dtd": "0.71x"}
    assert [[*wrong_fields(line | {name: text})] for name, text in wrong.items()] == [[name] for name in wrong]
    for cell in ("171.2", "71.2±1e9"):
        assert list(wrong_fields(line | {"dtd": cell})) == ["dtd"]


ROW = ("method", "variant", "label", "protocol", "backbone", "shots", "split", "reported_in", "source_table")


@pytest.fixture(scope="module")
def rows(frame: pd.DataFrame) -> dict[tuple[object, ...], dict[str, PrintedNumber]]:
    """The accuracies of each row of a table, by what the row is of (`ROW`) and by dataset."""
    found = defaultdict(dict)
    for number in numbers_of(frame[frame["metric"] == "accuracy"]):
        found[tuple(getattr(number, name) for name in ROW)][number.dataset] = number
    return found


def test_an_average_that_is_not_the_mean_of_its_datasets_is_an_erratum(rows) -> None:
    compared, off = 0, []
    for place, cells in rows.items():
        average = cells.get(AVERAGE)
        if average is None or average.split == "H" or not set(average.datasets) <= set(cells):
            continue
        compared += 1
        values = [cells[name].printed for name in average.datasets]
        digits = min(len(text.partition(".")[2]) for text in [*values, average.printed])
        gap = abs(fmean(map(float, values)) - float(average.printed))
        if gap > 1.1 * 0.1**digits and not any(number.note for number in cells.values()):
            off.append((*place, round(gap, 3)))
    assert compared > 90
    assert off == []


def test_h_that_does_not_fit_base_and_new_is_an_erratum(rows) -> None:
    """H, base and new of one dataset stand in three rows of a table."""
    triples = defaultdict(dict)
    for (*place, split, paper, table), cells in rows.items():
        for number in cells.values():
            if not number.over:
                triples[*place, paper, table, number.dataset][split] = number
    whole = [of_split for of_split in triples.values() if {"base", "new", "H"} <= set(of_split)]
    off = [one for one in whole if abs(harmonic_mean([one["base"].value, one["new"].value]) - one["H"].value) >= 0.001]
    assert (len(whole) > 1300, len(off) > 20) == (True, True)
    assert [one["H"] for one in off if not any(number.note for number in one.values())] == []


def test_a_copied_row_that_differs_in_one_digit_is_an_erratum(rows) -> None:
    """Two tables print the same row of a method but for one digit of one cell: one of the two cells is a misprint."""
    copies = defaultdict(list)
    for (method, variant, _, *place), cells in rows.items():
        copies[method, variant, *place[:4]].append(cells)
    misprints, unmarked = 0, []
    for pair in (pair for tables in copies.values() for pair in combinations(tables, 2)):
        texts = ({name: number.printed for name, number in cells.items()} for cells in pair)
        if (dataset := dataset_with_another_digit(*texts)) is not None:
            misprints += 1
            unmarked += [] if any(cells[dataset].note for cells in pair) else [[cells[dataset] for cells in pair]]
    assert unmarked == []
    assert misprints > 20


SHARED_CELLS = 4
"""Fewest datasets of two rows that are taken for copies of one another; two trainings agree on fewer by chance."""


def dataset_with_another_digit(cells: Mapping[str, str], others: Mapping[str, str]) -> str | None:
    """The dataset whose numbers differ, if two rows are equal but for one digit of one cell; None otherwise."""
    shared = [name for name in cells if name in others]
    different = [name for name in shared if not same_number(cells[name], others[name])]
    if len(shared) < SHARED_CELLS or len(different) != 1:
        return None
    first, second = cells[different[0]], others[different[0]]
    digits = sum(a != b for a, b in zip(first, second, strict=False))
    return different[0] if len(first) == len(second) and digits == 1 else None


def same_number(first: str, second: str) -> bool:
    """Whether two printed numbers are equal, as far as the shorter one is printed."""
    if len(first) == len(second):
        return first == second
    digits = min(len(text.partition(".")[2]) for text in (first, second))
    return abs(float(first) - float(second)) < 0.51 * 0.1**digits


def test_every_cell_is_present_with_its_source(frame):
    """7,427 cells of the literature, less 16 that repeat APEX's Table 1 and 1,373 without an address, 1,530 of APEX's
    tables and 548 added."""
    assert len(frame) == 7427 - 16 - 1373 + 1530 + 548
    assert not frame.duplicated([*ADDED_COLUMNS, "dataset"]).any(), "no table repeats a number"
    assert (frame["reported_in"] != "").all()
    assert frame["reported_in"].nunique() == 51
    assert [url for url in frame["url"].unique() if not ADDRESS.fullmatch(url)] == []
    assert frame["spread"].notna().sum() > 80
    assert frame["spread"].max() < 0.2
    assert frame.loc[frame["metric"] == "accuracy", "value"].between(0, 1).all()


@pytest.mark.parametrize(
    ("method", "dataset", "split", "table", "printed"),
    [
        ("apex", "eurosat", "new", "Table 2 (Adadelta, 20 seeds)", "79.89"),
        ("promptsrc", "eurosat", "new", "Table 10", "71.60"),
        ("zero_shot", "average", "H", "Table 10", "71.70"),
        ("coop", "imagenet", "base", SKIP_TUNING, "76.47"),
        ("mmrl_pp", "eurosat", "H", "Base-to-New, column Paper", "89.58"),
        ("clip_svd", "average", "H", "Base-to-Novel Generalization (Natural Domain)", "80.13"),
        ("hicropl", "average", "new", "Results on B2N", "77.99"),
        ("promptsrc", "eurosat", "new", "comment of 2023-09-14: the authors' repetition", "73.83"),
    ],
)  # fmt: skip
def test_numbers_are_as_printed(frame, method, dataset, split, table, printed):
    rows = frame[(frame["source_table"] == table) & (frame["variant"] == "") & (frame["backbone"] == "ViT-B-16.openai")]
    rows = rows[(rows["method"] == method) & (rows["dataset"] == dataset) & (rows["split"] == split)]
    assert set(rows["printed"]) == {printed}
    assert rows["value"].iloc[0] == pytest.approx(float(printed) / 100)


def test_the_three_seeds_of_timo_are_averaged_and_the_backbone_of_rehark_is_corrected(frame):
    rows = frame[(frame["method"] == "timo") & (frame["shots"] == 16)].set_index("dataset")
    assert rows.loc["caltech101", "printed"] == "93.06"  # of 93.2252, 92.8600 and 93.1034
    assert rows.loc["caltech101", "spread"] == pytest.approx(0.0019)
    assert "searched on the tested" in rows.loc["imagenet", "note"]
    rehark = frame[frame["reported_in"].str.contains("ReHARK")]
    assert set(rehark["backbone"]) == {"RN50.openai"}
    assert rehark["note"].str.contains("ResNet-50 as those of ViT-B/16").all()


def test_a_biomedical_average_is_of_biomedical_datasets(frame):
    rows = frame[frame["backbone"] == "BiomedCLIP.pmc15m"]
    assert (len(rows), set(rows["dataset"])) == (68, {"average"})
    few, base = (rows[rows["protocol"] == name].iloc[0] for name in ("few-shot", "base-to-new"))
    assert set(few["over"].split(",")) - set(base["over"].split(",")) == {"busi"}
    printed = rows[(rows["method"] == "biomedcoop") & (rows["split"] == "H")].iloc[0]
    assert (printed["printed"], printed["convention"]) == ("75.07", "h_of_means")


def test_every_erratum_matches_a_cell(frame):
    for erratum in csv.DictReader((LEDGER / "errata.csv").read_text(encoding="utf-8").splitlines()):
        marked = frame[
            frame["reported_in"].str.contains(erratum["reported_in"], regex=False)
            & frame["note"].str.contains(erratum["note"], regex=False)
        ]
        sources = frame["reported_in"].str.contains(erratum["reported_in"], regex=False)
        assert not marked.empty or not sources.any(), erratum  # a source that is not in the ledger yet
    assert (frame["note"] != "").sum() < 220
    dtd = frame[(frame["metric"] == "relative_transfer_difficulty_as_printed") & (frame["dataset"] == "dtd")]
    assert dtd["note"].iloc[0].startswith("Likely 4.95e-2")


def test_difficulty_is_chance_over_accuracy():
    table = published_difficulty()
    row = table[(table["dataset"] == "eurosat") & (table["backbone"] == "ViT-B-16.openai")].iloc[0]
    assert row["relative_transfer_difficulty"] == pytest.approx(0.1 / 0.4784)


def test_every_method_says_what_it_uses_and_where_that_was_read(frame):
    published, registered = published_methods(), known_methods()
    assert set(published) == {name for name in frame["method"] if ":" not in name} - set(registered)
    assert len({one.title for one in published.values()}) == len(published)
    allowed = set(get_args(Extra))
    for one in published.values():
        assert one.source, one
        assert one.uses is None or set(one.uses) <= allowed, one
        assert one.family in get_args(Family), one
        assert one.uses is None or (one.year and one.venue and is_identifier(one.paper)), one
    assert sum(one.uses is None for one in published.values()) <= 4
    for name in stored_facts()["methods"]:
        facts = registered.get(name)
        assert is_identifier(facts.paper), name
        assert facts.venue, name
        assert facts.year, name
        assert "/" in facts.code, name


def test_the_paper_of_a_row_is_that_of_its_method(frame):
    rows = frame[["method", "paper"]].drop_duplicates()
    known = {name: {one.paper} for name, one in published_methods().items()}
    for name in {*stored_facts()["methods"], *frame["method"]} - set(known):
        host = name.partition(":")[2] or name  # DePT around ATPrompt is in the paper of ATPrompt
        known[name] = {known_methods().get(name).paper, known_methods().get(host).paper}
    off = [(m, paper) for m, paper in rows.itertuples(index=False) if paper not in known[m]]
    assert off == []


def is_identifier(text: str) -> bool:
    """Whether a paper can be looked up: an arXiv id, an OpenReview or DOI identifier, or an address."""
    plain = re.fullmatch(r"\d{4}\.\d{4,5}|openreview:[\w-]+|doi:10\.\d{4,9}/\S+", text)
    return bool(plain) or bool(ADDRESS.fullmatch(text)) or text.startswith("https://github.com/")
