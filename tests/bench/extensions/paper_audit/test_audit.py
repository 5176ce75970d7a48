"""What an audit finds in tables with known faults, and that it reads every complete table of the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.api.reporting import build_report
from bench.errors import UsageError
from bench.extensions.paper_audit import Audit, audit, complete_tables
from bench.extensions.paper_audit.baselines import Reading
from bench.extensions.paper_audit.examine import audited
from bench.extensions.paper_audit.ledger import complete_table, ledger_tables, numbers, short_source
from bench.extensions.paper_audit.page import parts_of_tables
from bench.papers import DATASETS, published_frame

SKIP = "skiptuning-base-to-new-table"
SPLITS = ("base", "new")
UNCOUNTED = "Method,PACS art,PACS cartoons,DTD,Avg\nCoOp,90,94,60,81.33\nMine,91,95,61,88.33\n"
WITH_A_GAP = "Method,DTD,Pets,AID\nCoOp,70.1,,90.1\nMaPLe,71.2,90.2,91.3\nSkip Tuning,72,91,92\n"


def printed(method: str, table: str = SKIP) -> dict[str, list[float]]:
    """The numbers of a method in a table of the ledger, by split."""
    row = next(row for row in complete_table(table).rows if row.method == method)
    return {split: [row.number(split, name) or 0.0 for name in DATASETS] for split in SPLITS}


def written(place: Path, rows: dict[str, dict[str, list[float]]]) -> Path:
    """A base-to-new table as CSV, with rows by label."""
    lines = [",".join(["Method", "Split", *DATASETS])]
    for label, cells in rows.items():
        lines += [",".join([label, split, *(f"{value:.2f}" for value in cells[split])]) for split in SPLITS]
    path = place / "ours.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def moved(cells: dict[str, list[float]], points: float) -> dict[str, list[float]]:
    """Numbers that are all higher by some points, up to 100."""
    return {split: [min(value + points, 100.0) for value in values] for split, values in cells.items()}


def found_for(place: Path, rows: dict[str, dict[str, list[float]]], **options: object) -> Audit:
    return audit(written(place, rows), **options)


def test_copied_numbers_are_found_and_a_changed_one_is_named(tmp_path: Path) -> None:
    coop = printed("dept")
    coop["new"][8] += 0.5
    base = found_for(tmp_path, {"KgCoOp + DePT": coop, "Mine": moved(coop, 1)}).row("KgCoOp + DePT").baseline
    assert (base.reading, base.from_own) == (Reading.SAME, True)
    assert [text.split()[0] for text in base.differing] == ["dtd"]


@pytest.mark.parametrize(("points", "reading"), [(-3.0, Reading.BELOW), (+3.0, Reading.ABOVE), (-0.4, Reading.WITHIN)])
def test_a_baseline_stands_beside_what_other_tables_print(tmp_path: Path, points: float, reading: Reading) -> None:
    row = moved(printed("promptsrc"), points)
    base = found_for(tmp_path, {"PromptSRC": row, "Mine": printed("promptsrc")}).row("PromptSRC").baseline
    assert base.reading == reading
    assert base.low is not None
    assert base.high is not None
    assert (base.here < base.low, base.here > base.high) == (reading == Reading.BELOW, reading == Reading.ABOVE)


def test_a_method_without_another_table_is_not_one_whose_means_cannot_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(WITH_A_GAP, encoding="utf-8")
    rows = {row.label: row.baseline for row in audit(path).rows}
    assert {label: base.reading for label, base in rows.items()} == {
        "CoOp": Reading.INCOMPARABLE,
        "MaPLe": Reading.INCOMPARABLE,
        "Skip Tuning": Reading.ALONE,
    }


def test_what_other_tables_print_leaves_out_the_table_itself() -> None:
    places = {one.place for one in numbers() if one.method == "skip_tuning"}
    (row,) = [row for row in audit(SKIP).rows if row.method == "skip_tuning"]
    assert row.baseline.tables == 0
    assert complete_table(SKIP).place in places


def test_recipes_of_the_ledger_are_named() -> None:
    texts = " ".join(audit("apex-table-2").sections()["Baselines"])
    assert "adadelta" in texts
    assert all(label in texts for label in ("CoCoOp", "MaPLe", "ProGrad"))


def test_unequal_inputs_are_named() -> None:
    found = audit("promptkd-table-1")
    assert found.row("PromptKD").uses == ("teacher", "unlabelled images")
    assert found.unequal == ("Zero-shot CLIP", "CoOp", "CoCoOp", "MaPLe", "PromptSRC")
    assert audit(SKIP).unequal == ()


def test_a_large_gain_is_beyond_chance_and_a_small_one_is_not(tmp_path: Path) -> None:
    row = moved(printed("promptsrc"), -5)
    for points, beyond in ((0.3, False), (3.0, True), (-3.0, True)):
        found = found_for(tmp_path, {"PromptSRC": row, "Mine": moved(row, points)})
        assert (found.claim, found.rival) == ("Mine", "PromptSRC")
        assert [gain.beyond for gain in found.gains.values()] == [beyond] * 3
        assert found.gains["new"].points == pytest.approx(points)
        assert (found.settle == {}) == beyond


def test_more_seeds_make_chance_smaller_and_the_images_stay(tmp_path: Path) -> None:
    row = printed("promptsrc")
    rows = {"PromptSRC": row, "Mine": moved(row, 1)}
    few, many = (found_for(tmp_path, rows, seeds=seeds).gains["new"] for seeds in (3, 30))
    assert many.images == few.images < many.reach < few.reach


def test_what_would_settle_a_gain_is_a_command(tmp_path: Path) -> None:
    row = printed("promptsrc")
    found = found_for(tmp_path, {"PromptSRC": row, "MaPLe": moved(row, -0.7)}, claim="PromptSRC")
    assert found.settle["new"].everywhere is not None
    run, compare = found.commands
    assert f"--seeds {max(one.everywhere for one in found.settle.values() if one.everywhere)}" in run
    assert run.startswith("etl-bench run -m promptsrc,maple -d imagenet,")
    assert compare == "etl-bench compare promptsrc maple"


def test_the_commands_are_ones_that_the_harness_plans(etl) -> None:
    run = audit("apex-table-3").commands[0].replace("--data-root FOLDER", "--print-toml")
    code, out, err = etl(*run.split()[1:])
    assert code == 0, err
    assert '"apex"' in out


def test_an_unknown_method_is_not_compared_with_other_tables(tmp_path: Path) -> None:
    row = printed("promptsrc")
    audited_table = found_for(tmp_path, {"Mine": row, "PromptSRC": row})
    found = audited_table.row("Mine")
    assert (found.method, found.uses, found.baseline.reading) == ("", None, Reading.UNKNOWN)
    sections = audited_table.sections()
    assert not any("Mine" in text for text in sections["Arithmetic"]), "its gain is examined too"
    assert any("Mine" in text for text in sections["Baselines"])


def test_a_row_is_called_the_best_other_one_only_if_it_is(tmp_path: Path) -> None:
    row = printed("promptsrc")
    rows = {"Mine": row, "Mine small": moved(row, -1), "PromptSRC": moved(row, -2), "MaPLe": moved(row, -3)}
    for claim, rival, best in ((None, "PromptSRC", False), ("Mine", "Mine small", True), ("MaPLe", "Mine", True)):
        found = found_for(tmp_path, rows, claim=claim)
        assert (found.rival, "best other row" in found.answer) == (rival, best)
    found = audit(SKIP, claim="TCP")
    assert (found.rival, "not of this paper" in found.answer) == ("Skip Tuning", False)


def test_datasets_without_a_known_number_of_test_images_are_read_without_chance(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(UNCOUNTED, encoding="utf-8")
    found = audit(path)
    assert (found.claim, found.rival, found.uncounted) == ("", "", ("pacs_art", "pacs_cartoon"))
    assert [label for label, _ in found.arithmetic] == ["Mine"]
    assert any("pacs_art, pacs_cartoon" in text for text in found.sections()["Gain and chance"])


def test_without_known_spreads_no_gain_is_called_beyond_chance() -> None:
    found = audit("rmadapter-table-2")
    assert all(not gain.beyond for row in found.rows for gain in row.gains.values())
    assert found.settle == {}


def test_methods_whose_names_differ_by_a_plus_sign_are_two(tmp_path: Path) -> None:
    row = printed("promptsrc")
    rows = {"MMRL": row, "MMRL++": moved(row, -1), "SS-Text": moved(row, -2), "SS-Text+": moved(row, -3)}
    found = found_for(tmp_path, rows, claim="MMRL++")
    assert found.claim == "MMRL++"
    assert [row.method for row in found.rows] == ["mmrl", "mmrl_pp", "ss_text", "ss_text_plus"]


def test_the_claim_may_be_chosen_and_a_wrong_one_is_refused() -> None:
    assert audit(SKIP, claim="tcp").claim == "TCP"
    with pytest.raises(UsageError, match="CoPrompt"):
        audit(SKIP, claim="CoPromt")


def test_a_table_in_fractions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Method,DTD,EuroSAT\nCoOp,0.70,0.80\nMine,0.72±0.01,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="fractions; give per cent"):
        audit(path)


def test_a_file_that_is_missing_and_one_that_is_no_text_have_their_own_reasons(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        audit(tmp_path / "none.tex")
    (tmp_path / "a.csv").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        audit(tmp_path / "a.csv")


@pytest.mark.parametrize("name", [row["table"] for row in complete_tables()])
def test_every_complete_table_of_the_ledger_is_read(name: str) -> None:
    found = audited(complete_table(name))
    assert found.claim != found.rival
    frame = published_frame()
    place = (frame["reported_in"] == found.table.place[0]) & (frame["source_table"] == found.table.place[1])
    setting = (frame["backbone"] == found.table.backbone) & frame["dataset"].isin(found.table.averaged)
    shots = frame["shots"].fillna(0).isin([0, found.table.shots])
    here = frame[place & setting & shots & (frame["variant"] == "") & (frame["metric"] == "accuracy")]
    labels = {(method, label) for method, label in here[["method", "label"]].itertuples(index=False)}
    assert len(found.table_rows()) == len(labels)
    assert set(found.gains) == set(found.table.measures)
    for gain in found.gains.values():
        assert 0.1 < gain.images <= gain.reach < 4
        assert abs(gain.points) < 40
    assert len(found.arithmetic) <= found.checked
    assert all(text and "nan" not in text for texts in found.sections().values() for text in texts)
    assert not [text for texts in found.sections().values() for text in texts if "wrong" in text]
    others = {
        one.method
        for one in numbers()
        if (one.protocol, one.backbone) == (found.table.protocol, found.table.backbone)
        and one.shots in (0, found.table.shots)
        and one.place != found.table.place
    }
    for row in found.rows:
        assert row.method
        if row.baseline.reading != Reading.OWN:
            assert (row.baseline.reading == Reading.ALONE) == (row.method not in others)


def test_each_table_has_a_name_of_its_own_and_a_source() -> None:
    tables = ledger_tables()
    assert len({(one.place, one.protocol, one.backbone, one.shots) for one in tables.values()}) == len(tables)
    for table in tables.values():
        source, _, of_table = short_source(table.place).partition(", ")
        assert source.partition(" ")[0] in table.place[0]
        assert table.place[1].startswith(of_table)


def test_the_claims_that_exceed_chance_on_new_classes() -> None:
    """The numbers of a plain computation of the means and of +-0.93 points, for the papers' own methods."""
    names = ("skiptuning", "dept", "promptkd-table-1", "rmadapter-table-1", "transagent-table-1", "onpokd-table-1")
    found = [next(audited(table) for key, table in ledger_tables().items() if key.startswith(name)) for name in names]
    assert [round(one.gains["new"].points, 2) for one in found] == [1.43, 0.41, 4.64, 0.13, 1.53, 1.4]
    assert [one.gains["new"].beyond for one in found] == [True, False, True, False, True, True]


def test_the_command_prints_the_findings_and_findings_change_no_exit_code(etl, tmp_path: Path) -> None:
    row = printed("promptsrc")
    path = written(tmp_path, {"PromptSRC": moved(row, -5), "Mine": row})
    code, out, _ = etl("papers", "audit", str(path), "--out", str(tmp_path / "page.html"))
    assert code == 0
    for heading in ("Arithmetic", "Baselines", "Inputs", "Gain and chance", "Assumptions"):
        assert f"\n{heading}\n" in out
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<tr>") == 3
    code, out, _ = etl("papers", "audit", str(path), "--json")
    stated = json.loads(out)
    assert (code, stated["claim"], stated["rows"][0]["baseline"]["reading"]) == (0, "Mine", "below all others")
    assert (etl("papers", "audit", str(tmp_path))[0], etl("papers", "audit", "nothing")[0]) == (2, 2)


def test_the_list_of_tables_has_names_that_the_command_takes(etl) -> None:
    code, out, _ = etl("papers", "audit", "--json")
    assert code == 0
    assert [row["table"] for row in json.loads(out)] == list(ledger_tables())


def test_a_page_of_others_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--out"):
        audit(SKIP, out=path)
    audit(SKIP, out=path, force=True)
    assert "Skip Tuning" in path.read_text(encoding="utf-8")


def test_the_page_of_published_numbers_has_a_row_for_each_table(tmp_path: Path) -> None:
    (part,) = parts_of_tables()
    (_, fold) = part.parts
    rows = fold[4][1][1]["rows"]
    assert len(rows) == len([one for one in map(audited, ledger_tables().values()) if one.rival])
    assert parts_of_tables("test-time") == []
    page = build_report(tmp_path / "page.html", source="published", protocol="cross-dataset")
    assert part.title in page.read_text(encoding="utf-8")
