"""A paper's tables from our runs, in Python and on the command line. The runs are faked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from worlds import make_world

from bench.api import list_experiments, reproduce_paper
from bench.api.reproducing import ReproducedExperiment
from bench.api.running import run_request
from bench.errors import UsageError
from bench.papers import (
    TableRow,
    own_rows,
    printed_numbers,
    reproduced_rows,
    table_texts,
)
from bench.papers.reproduced_table import TableCell
from bench.results import Shards, fresh_store
from bench.sweep import SweepLog, SweepRequest, unfinished_sweeps
from bench.sweep.sweep_files import planned_run_ids

FAST = {"on": "synthetic", "runner": "fake_runner", "jobs": 0, "progress": "none"}
TABLE_2 = "Table 2 (Adadelta, 20 seeds)"
PAPER = "APEX (EMNLP 2024, 2311.15569)"


def reproduced(what: str, runs: Path, **options: object) -> ReproducedExperiment:
    (found,) = reproduce_paper("apex", what, runs=runs, **(FAST | options))
    return found


def test_a_listing_counts_runs_and_names_what_is_missing(tmp_path: Path) -> None:
    listing = list_experiments("apex", runs=tmp_path)
    table = {row["name"]: row for row in listing.rows}
    assert (table["table-2"]["runs"], table["table-2"]["done"]) == (11 + 6 * 220, 0)
    assert (table["table-13"]["gpu_hours"], table["all"]["gpu_hours"]) == (28, 1122)
    assert {"eurosat", "ViT-B-16.openai"} <= set(table["table-2"]["missing"])
    assert sum(row["runs"] for row in listing.rows) > 2 * table["all"]["runs"] > 2 * table["table-2"]["runs"]
    notes = "\n".join(listing.values()["notes"])
    assert "datasets fetch all-of coop imagenet_shifts --data-root FOLDER`" in notes
    assert "datasets fetch stanford_cars --unverified-mirrors --data-root FOLDER`" in notes
    assert "datasets check imagenet --data-root FOLDER`" in notes
    assert notes.count("\n") == 5, "one line for each way to get what is missing"
    assert notes.count("ViT-B-16.openai") == 1


def test_the_listing_counts_what_a_synthetic_table_has_done(tmp_path: Path) -> None:
    changes = {"datasets": ["eurosat"], "methods": ["zero_shot", "apex"]}
    before = {row["name"]: row for row in list_experiments("apex", on="synthetic", runs=tmp_path, **changes).rows}
    assert (before["table-2"]["runs"], before["table-2"]["done"]) == (3, 0)
    reproduced("table-2", tmp_path, **changes)
    after = {row["name"]: row for row in list_experiments("apex", on="synthetic", runs=tmp_path, **changes).rows}
    assert (after["table-2"]["runs"], after["table-2"]["done"]) == (3, 3)
    assert after["table-8"]["done"] == 2, "shares published runs"


@pytest.fixture(scope="module")
def table_1(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReproducedExperiment]:
    """A synthetic table and its folder."""
    folder = tmp_path_factory.mktemp("table")
    return folder, reproduced("table-1", folder, datasets=["eurosat", "dtd"])


def test_a_synthetic_table_is_marked_compared_with_nothing_and_resumed(
    table_1: tuple[Path, ReproducedExperiment],
) -> None:
    folder, first = table_1
    assert first.exit_code == 0
    assert first.verdicts == {}
    assert any(note.startswith("synthetic: ") and "recipe demo" in note for note in first.notes)
    assert {row.dataset for row in first.rows} == {"spectrum_angles:test=10", "spectrum_landcover:test=10", "average"}
    assert {row.method for row in first.rows} >= {"zero_shot", "vpt_text_adapter", "apex [ensemble_weight=oracle]"}
    shards = Shards(folder).scan()
    again = reproduced("table-1", folder, datasets=["eurosat", "dtd"])
    assert (Shards(folder).scan(), len(again.run_ids)) == (shards, len(shards))


def test_a_table_has_a_sweep_for_each_of_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = reproduced("table-13", tmp_path, datasets=["eurosat"], progress="plain")
    assert found.exit_code == 0
    text = capsys.readouterr().err
    assert "24 runs, 0 done" in text
    assert len(found.run_ids) == len(Shards(tmp_path).scan()) == 24
    assert unfinished_sweeps(tmp_path) == []
    files = sorted(len(planned_run_ids(file)) for file in (tmp_path / "sweeps").iterdir())
    assert files == [2, 22]


def test_real_data_that_is_missing_is_left_out_and_the_printed_table_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"on": None, "datasets": ["eurosat"], "backbones": "ViT-tiny.random", "progress": "plain"}
    found = reproduced("table-2", tmp_path, **options)
    assert found.exit_code == 3
    assert "eurosat" in found.left_out[0]
    apex = next(row for row in found.rows if (row.method, row.dataset) == ("APEX", "eurosat"))
    assert (apex.cells["new"].printed, apex.cells["new"].ours) == ("79.89", None)
    capsys.readouterr()
    reproduced("table-16", tmp_path, **options)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("with ")]
    assert [re.search(r": (\d+) runs?, 0 done", line)[1] for line in lines] == ["1", "0"], "runs to do"


def test_ours_stands_beside_the_printed_number_of_its_recipe_and_settings(tmp_path: Path) -> None:
    rates = {"apex": {"eurosat": {"base": 0.9, "new": 0.7989}}, "zero_shot": {"eurosat": {"base": 0.5648, "new": 0.2}}}
    make_world(tmp_path, rates, backbone="ViT-B-16.openai", seed_spread=0.0, images=4000)
    store = fresh_store(tmp_path)
    published = printed_numbers(PAPER, [TABLE_2])
    rows = {
        (row.method, row.dataset): row.cells
        for row in reproduced_rows(published, store.runs_frame(), store.difficulty_frame())
    }
    apex = rows["APEX", "eurosat"]["new"]
    assert apex.printed == "79.89"
    assert apex.ours == pytest.approx(79.89, abs=1)
    assert apex.reach.startswith("± ")
    assert rows["CLIP (zero-shot)", "eurosat"]["new"].verdict == "not reproduced"
    assert rows["MaPLe", "eurosat"]["new"].ours is None
    assert len(rows) == 6 * 12, "every printed row"
    (own,) = [
        row for row in own_rows(store.runs_frame(), published) if (row.method, row.dataset) == ("apex", "eurosat")
    ]
    assert own.cells["new"].printed == "79.89"


def test_the_command_prints_the_table(tmp_path: Path, monkeypatch, etl) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["papers", "reproduce", "apex", "table-5", "--on", "synthetic", "--runner", "fake_runner", "--jobs", "0"]
    code, out, err = etl(*command, "-d", "eurosat", "--seeds", "1,", "--log", "none")
    assert (code, "spectrum_angles:test=10" in out, "compared with none" in err) == (0, True, True)
    assert not (tmp_path / "runs").exists(), "its synthetic runs are not those of `run`"
    _, listing, _ = etl("papers", "reproduce", "apex", "--on", "synthetic", "--json")
    assert len(json.loads(listing)["experiments"]) == 23
    _, listing, _ = etl("papers", "reproduce", "tip-adapter", "--runs", tmp_path)
    assert "few-shot" in listing.splitlines()[-1], "how to run one of the list"


def test_a_stand_in_may_be_named_and_says_what_it_stands_for(tmp_path: Path) -> None:
    by_paper = reproduced("table-2", tmp_path, datasets="eurosat", methods="zero_shot")
    by_stand_in = reproduced("table-2", tmp_path, datasets="spectrum_angles", methods="zero_shot")
    assert by_paper.rows == by_stand_in.rows
    assert [row.stands_for for row in by_paper.rows] == ["eurosat"]
    assert by_paper.table().rows[0]["stands for"] == "eurosat"


def test_a_table_of_one_measure_has_a_column_for_each_dataset_in_the_order_of_the_paper(tmp_path: Path) -> None:
    part = {"datasets": "dtd,eurosat", "methods": "tip_adapter", "seeds": "1,"}
    (found,) = reproduce_paper("tip-adapter", "few-shot", runs=tmp_path, **FAST, **part)
    named, *lines = found.table().rows
    assert list(named.values()) == ["(stands for)", "dtd", "eurosat", None]
    assert [line["method"] for line in lines] == [f"tip_adapter\n{shots}" for shots in ("1 shot", "2 shots", "4 shots")]


def test_the_source_is_first_and_the_average_says_that_it_leaves_it_out(tmp_path: Path) -> None:
    part = {"datasets": "eurosat", "methods": "clip_adapter", "seeds": "1,"}
    (found,) = reproduce_paper("apex", "table-3", on="synthetic", runs=tmp_path, progress="none", jobs=0, **part)
    assert [row.stands_for for row in found.rows] == ["imagenet", "eurosat", ""]
    assert any("without the source spectrum_basic" in note for note in found.notes)


def test_a_table_without_some_of_its_runs_has_no_averages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def averages(experiment: ReproducedExperiment) -> set[str]:
        return {row.method for row in experiment.rows if row.dataset == "average"}

    part = {"datasets": "eurosat,dtd", "methods": "zero_shot,apex", "seeds": "1,"}
    whole = reproduced("table-2", tmp_path, **part)
    assert averages(whole) == {"zero_shot", "apex"}
    apex_ids = {run_id for run_id in whole.run_ids if Shards(tmp_path).record(run_id).spec.method == "apex"}
    carry_out = run_request

    def stopped(request: SweepRequest, log: SweepLog) -> object:
        outcome = carry_out(request, log)
        for path in tmp_path.glob(f"shards/??/{min(apex_ids)}.*"):
            path.unlink()
        return outcome

    monkeypatch.setattr("bench.api.running.run_request", stopped)
    part_of_it = reproduced("table-2", tmp_path, **part)
    assert part_of_it.rows
    assert not averages(part_of_it)
    assert any("not finished, of apex:" in note for note in part_of_it.notes)


MINE = f"""
title = "Mine"
address = "arXiv:2311.15569"
[table-1]
title = "One"
printed = ["{TABLE_2}"]
[[table-1.sweep]]
methods = ["zero_shot"]
datasets = ["spectrum_basic"]
backbones = ["ViT-demo.drawn"]
"""


def test_the_runs_of_a_users_file_are_shown_whatever_the_ledger_prints(tmp_path: Path) -> None:
    paper = tmp_path / "mine.toml"
    paper.write_text(f'reported-in = "{PAPER}"{MINE}')
    (experiment,) = reproduce_paper(str(paper), runs=tmp_path / "runs", **FAST | {"on": None})
    assert [row.dataset for row in experiment.rows] == ["spectrum_basic"]
    assert experiment.rows[0].cells["new"].ours is not None
    assert any("other settings" in note for note in experiment.notes)
    paper.write_text(MINE)
    with pytest.raises(UsageError, match="line 6.*reported-in"):
        reproduce_paper(str(paper), runs=tmp_path / "runs", **FAST | {"on": None})


def test_a_known_misprint_is_marked_and_said(tmp_path: Path) -> None:
    published = printed_numbers(PAPER, ["Table 16"])
    rows = reproduced_rows(published, published.iloc[:0], published.iloc[:0])
    (line,) = table_texts(rows)
    assert [name for name, text in line.items() if "misprint" in str(text)] == ["dtd"]
    found = reproduced("table-16", tmp_path, on=None, datasets="dtd", backbones="ViT-tiny.random")
    assert any("4.95e-3" in note and "Likely 4.95e-2" in note for note in found.notes)


def test_the_legend_names_the_one_measure_and_the_star_only_if_they_are_there(tmp_path: Path, etl) -> None:
    command = ["--on", "synthetic", "--runner", "fake_runner", "--jobs", "0", "-d", "eurosat", "--seeds", "1,"]
    command += ["--log", "none", "--runs", str(tmp_path)]
    _, _, several = etl("papers", "reproduce", "seed-board", "few-shot", *command, "-m", "tip_adapter,zero_shot")
    _, _, one = etl("papers", "reproduce", "apex", "table-2", *command, "-m", "apex")
    assert "All are accuracies in %" in several
    assert "*" in several
    assert "in %" not in one
    assert "*" not in one


def line(method: str, *, dataset: str = "eurosat", setting: str = "", **cells: TableCell) -> TableRow:
    return TableRow(method, dataset, setting, cells or {"base": TableCell("70.1")})


def test_the_best_of_ours_and_of_the_printed_numbers_is_marked_on_each_dataset() -> None:
    numbers = {"a": ("70.1", 71.004), "b": ("72.4", 70.996), "c": ("", None)}
    rows = [line(name, base=TableCell(*cell, "± 1.00"), new=TableCell(cell[0])) for name, cell in numbers.items()]
    lines = list(table_texts(rows))
    assert [one["base"] for one in lines] == ["71.00* ± 1.00\n70.1", "71.00* ± 1.00\n72.4*", None]
    assert [one["new"] for one in lines] == ["70.1", "72.4*", None]
    cells = TableCell("70.1", 71), TableCell("72.4", 72), TableCell("90.1", 80, ranked=False)
    texts = [one["eurosat"] for one in table_texts([line(str(place), new=cell) for place, cell in enumerate(cells)])]
    assert texts == ["71.00\n70.1", "72.00*\n72.4*", "80.00\n90.1"], "an oracle is not the best"


def test_the_average_is_last_whatever_the_rows_before_it_have() -> None:
    places = (("a", "dtd"), ("a", "average"), ("b", "dtd"), ("b", "eurosat"), ("b", "average"))

    def texts(*splits: str) -> list[dict[str, object]]:
        cells = dict.fromkeys(splits, TableCell("70.1"))
        return list(table_texts([line(method, dataset=dataset, **cells) for method, dataset in places]))

    assert list(texts("base")[0]) == ["method", "dtd", "eurosat", "average"]
    assert [one["dataset"] for one in texts("base", "new")] == ["dtd", "dtd", "eurosat", "average", "average"]


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (["ViT-B-16, 1 shot", "RN50, 1 shot"], ["a\nViT-B-16, 1 shot", "a\nRN50, 1 shot"]),
        (["RN50, 1 shot", "RN50, 4 shots"], ["a\n1 shot", "a\n4 shots"]),
        (["RN50, 1 shot"], ["a"]),
    ],
)
def test_a_setting_stands_below_the_method_if_there_are_several(settings: list[str], shown: list[str]) -> None:
    rows = [line("a", setting=setting) for setting in settings]
    assert [one["method"] for one in table_texts(rows)] == shown


def test_rows_selected_with_test_labels_are_not_ranked(table_1: tuple[Path, ReproducedExperiment]) -> None:
    published = printed_numbers(PAPER, ["Table 1"])
    for rows in (
        reproduced_rows(published, published.iloc[:0], published.iloc[:0]),
        table_1[1].rows,
    ):
        ranked = {row.method: {cell.ranked for cell in row.cells.values()} for row in rows}
        oracles = {name for name in ranked if "oracle" in name or "optimal" in name}
        assert oracles
        assert all(found == {name not in oracles} for name, found in ranked.items())


def test_a_wrong_printed_table_is_refused_before_anything_runs(tmp_path: Path) -> None:
    paper = tmp_path / "mine.toml"
    paper.write_text(
        'title = "Mine"\naddress = "arXiv:2311.15569"\nreported-in = "APEX (EMNLP 2024, 2311.15569)"\n'
        '[table-1]\ntitle = "One"\nprinted = ["Table 99"]\n'
        '[[table-1.sweep]]\nmethods = ["zero_shot"]\ndatasets = ["eurosat"]\n'
    )
    with pytest.raises(UsageError, match=r"line 6.*99"):
        reproduce_paper(str(paper), "table-1", on="synthetic", runs=tmp_path / "runs", progress="none")
    assert not (tmp_path / "runs").exists()


def test_without_runs_a_file_shows_the_printed_numbers_of_its_methods_and_datasets(tmp_path: Path) -> None:
    paper = tmp_path / "mine.toml"
    paper.write_text(
        f'title = "Mine"\naddress = "arXiv:2311.15569"\nreported-in = "{PAPER}"\n'
        '[table-1]\ntitle = "One"\nprinted = ["Table 9 (SGD)"]\n'
        '[[table-1.sweep]]\nmethods = ["zero_shot", "maple"]\ndatasets = ["eurosat"]\nbackbones = ["ViT-tiny.random"]\n'
    )
    (table,) = reproduce_paper(str(paper), "table-1", runs=tmp_path / "runs", progress="none")
    assert [row.dataset for row in table.rows] == ["eurosat", "eurosat"]
    assert {row.cells["H"].printed for row in table.rows} == {"60.03", "77.89"}


TWO_TABLES = """
title = "Mine"
address = "arXiv:2311.15569"
[sweep]
backbones = ["ViT-tiny.random"]
methods = ["zero_shot", "vpt"]
[table-1]
title = "One"
[[table-1.sweep]]
datasets = ["eurosat"]
[table-2]
title = "Two"
[[table-2.sweep]]
datasets = ["dtd", "stanford_cars"]
"""


def test_each_table_names_the_data_that_it_lacks_and_one_line_says_where_it_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text(TWO_TABLES)
    found = reproduce_paper(str(tmp_path / "mine.toml"), runs=tmp_path / "runs", progress="plain")
    lacking = [[name in " ".join(one.left_out) for name in ("eurosat", "dtd", "stanford_cars")] for one in found]
    assert lacking == [[True, False, False], [False, True, True]]
    assert [len(one.left_out) for one in found] == [1, 1]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("missing data: ")]
    assert all(name in line for name in ("eurosat", "dtd", "stanford_cars"))


def test_several_tables_are_counted_as_one_and_may_have_patterns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = tmp_path / "mine.toml"
    paper.write_text(
        'title = "Mine"\naddress = "arXiv:2311.15569"\n[sweep]\nmethods = ["zero_shot", "vpt_text*"]\nseeds = 2\n'
        '[table-1]\ntitle = "One"\n[[table-1.sweep]]\ndatasets = ["spectrum_b*"]\n'
        '[table-2]\ntitle = "Two"\n[[table-2.sweep]]\ndatasets = ["spectrum_angles"]\n'
    )
    found = reproduce_paper(str(paper), runs=tmp_path / "runs", **FAST | {"on": None, "progress": "plain"})
    number = sum(len(one.run_ids) for one in found)
    assert number == len(Shards(tmp_path / "runs").scan()) == 3 * (1 + 2)
    counts = re.findall(r"^\[(\d+)/(\d+)\]", capsys.readouterr().err, re.MULTILINE)
    assert counts == [(str(done), str(number)) for done in range(1, number + 1)]
