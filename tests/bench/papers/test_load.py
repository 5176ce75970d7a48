import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_runner import make_record, make_spec

from bench.api.results import load_results
from bench.errors import UsageError
from bench.papers import published_numbers as load
from bench.papers.addresses import is_address
from bench.papers.printed_averages import DATASETS
from bench.papers.published_numbers import KEYS, published_difficulty, published_frame, published_methods, select
from bench.results import known_methods
from bench.results.database import Store
from bench.results.shards import Shards
from methods import Extra, Family, stored_facts

ROOT = Path(__file__).parents[3]
DATA = ROOT / "docs" / "data" / "numbers-without-address.csv"
METHODS_HERE = tuple(stored_facts().methods)

SKIP_TUNING = "base-to-new table (DePT column = KgCoOp+DePT; CoPrompt re-run by the authors)"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return published_frame()


def test_every_cell_is_present_with_its_source(frame):
    """7,427 cells of the literature, less 16 that repeat APEX's Table 1 and 1,373 without an address, 1,530 of APEX's
    tables and 548 added."""
    assert len(frame) == 7427 - 16 - 1373 + 1530 + 548
    assert (frame["reported_in"] != "").all()
    assert frame["reported_in"].nunique() == 51
    assert frame.loc[frame["metric"] == "accuracy", "value"].between(0, 1).all()


def test_no_table_repeats_a_number(frame):
    place = ["method", "variant", "label", "protocol", "backbone", "shots", "dataset", "split", "metric", "paper"]
    assert not frame.duplicated([*place, "reported_in", "source_table"]).any()


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


def test_averages_of_apex_are_the_means_of_its_rows(frame):
    table = frame[(frame["source_table"] == "Table 2 (Adadelta, 20 seeds)") & (frame["method"] == "apex")]
    for split in ("base", "new", "H"):
        rows = table[table["split"] == split].set_index("dataset")["value"]
        assert rows[list(DATASETS)].mean() == pytest.approx(rows["average"], abs=6e-5)


def test_a_mislabelled_backbone_is_corrected_and_noted(frame):
    rehark = frame[frame["reported_in"].str.contains("ReHARK")]
    assert set(rehark["backbone"]) == {"RN50.openai"}
    assert rehark["note"].str.contains("ResNet-50 as those of ViT-B/16").all()


def test_the_three_seeds_of_timo_are_averaged(frame):
    rows = frame[(frame["method"] == "timo") & (frame["shots"] == 16)].set_index("dataset")
    assert rows.loc["caltech101", "printed"] == "93.06"  # of 93.2252, 92.8600 and 93.1034
    assert rows.loc["caltech101", "spread"] == pytest.approx(0.0019)
    assert "searched on the tested" in rows.loc["imagenet", "note"]


def test_a_biomedical_average_is_of_biomedical_datasets(frame):
    rows = frame[frame["backbone"] == "BiomedCLIP.pmc15m"]
    assert (len(rows), set(rows["dataset"])) == (68, {"average"})
    few, base = (rows[rows["protocol"] == name].iloc[0] for name in ("few-shot", "base-to-new"))
    assert set(few["over"].split(",")) - set(base["over"].split(",")) == {"busi"}
    printed = rows[(rows["method"] == "biomedcoop") & (rows["split"] == "H")].iloc[0]
    assert (printed["printed"], printed["convention"]) == ("75.07", "h_of_means")


def test_every_erratum_matches_a_cell(frame):
    for erratum in csv.DictReader(load._text("errata.csv").splitlines()):
        marked = frame[
            frame["reported_in"].str.contains(erratum["reported_in"], regex=False)
            & frame["note"].str.contains(erratum["note"], regex=False)
        ]
        sources = frame["reported_in"].str.contains(erratum["reported_in"], regex=False)
        assert not marked.empty or not sources.any(), erratum  # a source that is not in the ledger yet
    assert (frame["note"] != "").sum() < 220
    dtd = frame[(frame["metric"] == "relative_transfer_difficulty_as_printed") & (frame["dataset"] == "dtd")]
    assert dtd["note"].iloc[0].startswith("Likely 4.95e-2")


def test_spreads_are_kept(frame):
    assert frame["spread"].notna().sum() > 80
    assert frame["spread"].max() < 0.2


def test_difficulty_is_chance_over_accuracy():
    table = published_difficulty()
    row = table[(table["dataset"] == "eurosat") & (table["backbone"] == "ViT-B-16.openai")].iloc[0]
    assert row["relative_transfer_difficulty"] == pytest.approx(0.1 / 0.4784)


def test_selection(frame):
    chosen = select(frame, methods=["coop"], datasets=["dtd"], protocol="base-to-new", shots=[16], splits=["new"])
    assert set(chosen["method"]) == {"coop"}
    assert len(chosen) > 3
    with pytest.raises(UsageError, match="has method 'cop'.*'coop'.*--list method"):
        select(frame, methods=["cop"])
    with pytest.raises(UsageError, match=r"shots '3'.* Known: 0, 1, 2, "):
        select(frame, methods=["coop"], shots=[3])
    with pytest.raises(UsageError, match="Those of method zero_shot have protocol .*zero-shot"):
        select(frame, methods=["zero_shot"], protocol="few-shot")


def test_a_query_reads_them_as_a_table(tmp_path: Path, frame):
    Shards(tmp_path).write(make_record(make_spec()))
    results = load_results(tmp_path)
    stored = results.query("select * from published")
    assert np.sort(stored["value"]).tolist() == np.sort(frame["value"]).tolist()
    counted = results.query("select count(*) as n from published, runs where published.dataset = 'eurosat'")
    assert counted["n"][0] == len(frame[frame["dataset"] == "eurosat"])
    assert "published" not in Store(tmp_path).query("show tables")["name"].tolist()


def test_the_command_sql_reads_them_also_without_runs(etl, tmp_path: Path, frame):
    code, out, err = etl("runs", "sql", "select count(*) as n from published", "--runs", tmp_path / "none", "--json")
    assert (code, json.loads(out)) == (0, [{"n": len(frame)}])
    assert "no runs" in err


def test_the_command(etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # a clone may have the runs of a demo
    code, out, err = etl("papers", "published", "-m", "apex", "-d", "eurosat", "--splits", "new", "--json")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert {row["dataset"] for row in rows} == {"eurosat"}
    assert rows[0]["reported_in"].startswith("APEX")
    code, out, err = etl("papers", "published", "-m", "apex", "-d", "eurosat", "--splits", "new", "--shots", "16")
    assert "79.89" in out
    assert "not independent" in err
    assert "base-to-new" in etl("papers", "published", "--list", "protocol")[1]
    code, _, err = etl("papers", "published", "--list", "colour")
    assert code == 2
    assert "Allowed: method, dataset" in err


def test_every_number_has_an_address(frame):
    assert [url for url in frame["url"].unique() if not is_address(url)] == []


def test_numbers_without_an_address_are_listed_and_not_in_the_ledger(frame):
    kept = list(csv.DictReader(DATA.read_text(encoding="utf-8").splitlines()))
    facts = ("reported_in", "source_table", *KEYS)
    assert sum(bool(value) for row in kept for name, value in row.items() if name not in facts) == 1373
    page = (ROOT / "docs" / "numbers-without-address.md").read_text(encoding="utf-8")
    assert all(row["reported_in"].partition(" ")[0] in page for row in kept if "LoRA" not in row["reported_in"])
    assert not {row["reported_in"] for row in kept} & set(frame["reported_in"])


def test_h_that_does_not_fit_base_and_new_is_an_erratum(frame):
    place = ["reported_in", "source_table", "method", "variant", "label", "backbone", "shots", "dataset"]
    accuracies = frame[(frame["metric"] == "accuracy") & (frame["protocol"] == "base-to-new") & (frame["over"] == "")]
    accuracies = accuracies.assign(shots=accuracies["shots"].fillna(-1))
    table = accuracies.set_index([*place, "split"])["value"].unstack("split").dropna(subset=["base", "new", "H"])
    assert len(table) > 1300
    off = table[(2 * table["base"] * table["new"] / (table["base"] + table["new"]) - table["H"]).abs() >= 0.001]
    noted = set(accuracies[accuracies["note"] != ""][place].itertuples(index=False, name=None))
    assert len(off) > 20
    assert [key for key in off.index if key not in noted] == []


def test_every_method_says_what_it_uses_and_where_that_was_read(frame):
    published, registered = published_methods(), known_methods()
    assert set(published) == {name for name in frame["method"] if ":" not in name} - set(registered)
    assert len({one.title for one in published.values()}) == len(published)
    allowed = set(map(str, Extra))
    for one in published.values():
        assert one.source, one
        assert one.uses is None or set(one.uses) <= allowed, one
        assert one.family in set(map(str, Family)), one
        assert one.uses is None or (one.year and one.venue and is_identifier(one.paper)), one
    assert sum(one.uses is None for one in published.values()) <= 4
    for name in METHODS_HERE:
        facts = registered.get(name)
        assert is_identifier(facts.paper), name
        assert facts.venue, name
        assert facts.year, name
        assert "/" in facts.code, name


def test_the_paper_of_a_row_is_that_of_its_method(frame):
    rows = frame[["method", "paper"]].drop_duplicates()
    known = {name: {one.paper} for name, one in published_methods().items()}
    for name in {*METHODS_HERE, *frame["method"]} - set(known):
        host = name.partition(":")[2] or name  # DePT around ATPrompt is in the paper of ATPrompt
        known[name] = {known_methods().get(name).paper, known_methods().get(host).paper}
    off = [(m, paper) for m, paper in rows.itertuples(index=False) if paper not in known[m]]
    assert off == []


def is_identifier(text: str) -> bool:
    """Whether a paper can be looked up: an arXiv id, an OpenReview or DOI identifier, or an address."""
    plain = re.fullmatch(r"\d{4}\.\d{4,5}|openreview:[\w-]+|doi:10\.\d{4,9}/\S+", text)
    return bool(plain) or is_address(text) or text.startswith("https://github.com/")


def test_a_narrow_terminal_keeps_the_source_of_each_number(etl, monkeypatch):
    monkeypatch.setattr("bench.cli._print.terminal_width", lambda _: 80)
    code, out, _ = etl("papers", "published", "-m", "coop", "-d", "eurosat", "--protocol", "base-to-new")
    assert code == 0
    assert {"source", "protocol"} <= set(out.splitlines()[0].split())
