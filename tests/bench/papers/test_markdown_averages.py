"""The averages of the ledger as Markdown."""

import re

import pandas as pd

from bench.analysis import metrics
from bench.papers import averages_table, published_frame, registered, select
from bench.papers.printed_averages import DATASETS
from bench.papers.published_numbers import PUBLISHED_COLUMNS

FACTS = {
    "variant": "", "label": "", "protocol": "base-to-new", "backbone": "ViT-B-16.openai", "shots": 16,
    "metric": "accuracy", "paper": "", "url": "https://example.org", "standing": "unknown", "over": "", "note": "",
}  # fmt: skip


def numbers(method: str, paper: str, values: dict[str, float], **facts: object) -> list[dict[str, object]]:
    """A printed average for each split."""
    return [
        {**FACTS, "method": method, "reported_in": paper, "source_table": "Table 1", "dataset": "average",
         "over": ",".join(DATASETS), "split": split, "value": value / 100, **facts}
        for split, value in values.items()
    ]  # fmt: skip


def table(rows: list[dict[str, object]]) -> list[list[str]]:
    """The cells of the rows of the only table."""
    text = averages_table(pd.DataFrame(rows, columns=list(PUBLISHED_COLUMNS)), registered())
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert text.count("| method |") == 1
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_own_numbers_stand_first_and_the_spread_is_of_all_papers() -> None:
    printed = {"base": 82.0, "new": 60.0, "H": 69.3}
    rows = numbers("coop", "A", {**printed, "H": 70.0}) + numbers("coop", "B", {**printed, "H": 70.0})
    rows += numbers("coop", "Own", printed, standing="own") + numbers("coop", "C", {**printed, "H": 71.5})
    ((title, base, new, h, inputs, spread, source),) = table(rows)
    assert (title, base, new, h) == ("CoOp", "82.00", "60.00", "69.30")
    assert (inputs, spread, source) == ("none", "69.30 to 71.50 (4 papers)", "[Own, Table 1](https://example.org)")
    ((*_, h, _, _, source),) = table([row for row in rows if row["reported_in"] != "Own"])
    assert (h, source[:2]) == ("70.00", "[A"), "printed by most"


def test_inputs_are_named_and_untrained_methods_stand_in_each_table() -> None:
    rows = numbers("promptkd", "A", {"H": 83.7}) + numbers("atprompt_on:maple", "A", {"H": 79.2})
    rows += numbers("zero_shot", "A", {"H": 71.7}, shots=0) + numbers("aligned_norm", "A", {"H": 81.0})
    assert {row[0]: row[4] for row in table(rows)} == {
        "PromptKD": "teacher, unlabelled images",
        "AlignedNorm": "unknown inputs",
        "MaPLe + ATPrompt": "outside texts",
        "Zero-shot CLIP": "none",
    }


def test_a_mean_of_printed_numbers_is_marked() -> None:
    cells = [
        {**FACTS, "method": "coop", "reported_in": "A", "source_table": "Table 1", "dataset": name, "split": split,
         "value": (base + 5 * index) / 100}
        for split, base in (("base", 40.0), ("new", 20.0))
        for index, name in enumerate(DATASETS)
    ]  # fmt: skip
    ((_, base, new, h, *_),) = table(cells)
    assert (base, new, h) == ("65.00*", "45.00*", f"{metrics.harmonic_mean(65.0, 45.0):.2f}*")
    assert averages_table(pd.DataFrame(cells[1:12], columns=list(PUBLISHED_COLUMNS)), registered()) == ""


def test_the_averages_of_the_ledger_are_one_row_for_each_method() -> None:
    frame = select(published_frame(), protocol="base-to-new", backbone="ViT-B-16.openai", shots=[0, 16])
    text = averages_table(frame, registered())
    assert text.startswith("**base-to-new, ViT-B-16.openai, 16 shots")
    titles = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    assert len(titles) == len(set(titles)) > 50
    (apex,) = [line for line in text.splitlines() if line.startswith("| APEX |")]
    assert "| 83.99 | 76.76 | 80.04 | none |" in apex


def test_the_command_prints_them(etl) -> None:
    code, out, err = etl("papers", "published", "-m", "promptkd", "--protocol", "base-to-new", "--format", "markdown")
    assert (code, err) == (0, "")
    assert "teacher, unlabelled images" in out
    for arguments in (["--json"], ["--ledger"], ["--list", "method"]):
        assert etl("papers", "published", "--format", "markdown", *arguments)[0] == 2
    assert etl("papers", "published", "--format", "latex")[0] == 2
    code, _, err = etl("papers", "published", "-m", "promptkd", "-d", "dtd", "--format", "markdown")
    assert (code, "-d" in err) == (2, True)
