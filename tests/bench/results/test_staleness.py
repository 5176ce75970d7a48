"""Which results are stale, why, and where this is shown."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_difficulty, make_record, make_spec
from page_data import block_of, everything_of
from places import FIXTURES
from worlds import make_world

from bench import load_results
from bench.record import RunRecord, RunStatus
from bench.results.known_facts import known_methods
from bench.results.shards import Shards
from bench.results.staleness import Staleness, code_reasons
from bench.sweep import Plan, RerunPolicy, SweepRequest, plan_runs
from reports.site.build import PageRequest, write_page

REQUEST = SweepRequest.build(methods="coop", datasets="spectrum_basic")


def record(**provenance):
    made = make_record(make_spec())
    return made.model_copy(update={"provenance": made.provenance.model_copy(update=provenance)})


@pytest.mark.parametrize(
    ("provenance", "reasons"),
    [
        ({}, ()),
        ({"method_version": 1}, ()),
        ({"method_version": 2}, ("coop has version 1 now and had version 2",)),
        ({"method_digest": "old", "machinery_digest": "old"}, ()),
        ({"backbone_digest": "old"}, ("the weights of ViT-demo.drawn changed",)),
        ({"backbone_digest": ""}, ()),
        ({"dataset_check": "then"}, ("the files of spectrum_a changed",)),
        (
            {"method_version": 2, "dataset_check": "then"},
            ("coop has version 1 now and had version 2", "the files of spectrum_a changed"),
        ),
    ],
)
def test_why_a_record_is_stale(provenance: dict, reasons: tuple[str, ...], monkeypatch):
    monkeypatch.setattr("bench.results.staleness.last_fingerprint", lambda name, root: "now")
    assert Staleness(None, lambda slug: "b").reasons(record(**provenance)) == reasons


def test_the_digest_of_a_method_of_another_package_is_compared(monkeypatch):
    foreign = replace(known_methods().get("coop"), source_digest="now")
    monkeypatch.setattr("bench.results.staleness.known_methods", lambda: {"coop": foreign})
    assert code_reasons("coop", 1, "now") == []
    assert code_reasons("coop", 1, None) == []
    assert ["code of coop changed" in reason for reason in code_reasons("coop", 1, "old")] == [True]


def test_a_record_of_the_time_before_versions_is_current_and_is_written_as_it_was_read():
    (path,) = (FIXTURES / "stored_runs" / "shards").rglob("*.json")
    stored = json.loads(path.read_text("utf-8"))["record"]
    made = RunRecord.model_validate(stored)
    assert made.provenance.method_version == 1
    assert Staleness(None).reasons(made) == ()
    assert made.model_dump(mode="json")["provenance"] == stored["provenance"]


def test_weights_methods_and_data_that_are_not_here_are_left_out():
    assert code_reasons("someone_elses", 3, "m") == []
    assert Staleness(None).reasons(record(backbone_digest="old", dataset_check="then")) == ()


def test_a_plan_counts_what_is_stale_and_runs_it_only_if_told(tmp_path: Path):
    shards = Shards(tmp_path)
    fresh, old, failed = (make_spec(seed=seed) for seed in (1, 2, 3))
    for spec, change in ((fresh, {}), (old, {"method_version": 2})):
        made = record(**change)
        shards.write(made.model_copy(update={"spec": spec, "run_id": spec.run_id}))
    shards.write(make_record(failed, status=RunStatus.FAILED, scores=[]))
    expansion = Plan(REQUEST, (fresh, old, failed))
    made = plan_runs(expansion, shards)
    assert made.pending == (failed,)
    assert made.stale_reasons == {"coop has version 1 now and had version 2": 1}
    assert made.seen[fresh.run_id] == shards.stamp(fresh.run_id)
    assert plan_runs(expansion, shards, RerunPolicy.STALE).pending == (old, failed)
    assert plan_runs(expansion, shards, RerunPolicy.MISSING).pending == ()
    assert replace(made, pending=()).done == (fresh, old, failed)


def test_a_difficulty_of_other_weights_is_measured_again_where_weights_are_checked(tmp_path: Path):
    shards, spec = Shards(tmp_path), make_spec()
    place = (spec.backbone, spec.dataset)
    shards.difficulties.write(*place, make_difficulty(*place))
    for digest, wanted in ((None, ()), (lambda slug: "b", ()), (lambda slug: "other", (place,))):
        made = plan_runs(Plan(REQUEST, (spec,)), shards, RerunPolicy.STALE, Staleness(None, digest))
        assert made.difficulties == wanted


# --- where it is shown ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def old_coop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CoOp was run with another version than today's, APEX with today's."""
    rates = {m: {d: {"base": r, "new": r} for d in "ab"} for m, r in {"coop": 0.6, "apex": 0.8}.items()}
    shards = Shards(tmp_path_factory.mktemp("runs"))
    for made in make_world(shards.runs, rates, images=60):
        now = known_methods().get(made.spec.method).version
        version = now + 1 if made.spec.method == "coop" and made.spec.seed == 1 else now
        stored = shards.read(made.run_id)
        provenance = made.provenance.model_copy(update={"method_version": version})
        shards.write(made.model_copy(update={"provenance": provenance}), stored.predictions)
    return shards.runs


def test_leaderboard_and_comparison_mark_stale_results(old_coop: Path):
    table = load_results(old_coop).leaderboard()
    assert [row["method"] for row in table[0].texts()] == ["APEX", "CoOp †"]
    (note,) = [note for note in table.notes if "stale" in note]
    assert all(part in note for part in ("coop", "1 now and had version 2", "--rerun stale"))
    assert [row["stale"] != "" for row in table.to_frame().to_dict("records")] == [False, True]
    (note,) = [note for note in load_results(old_coop).compare("apex", "coop").notes if "stale" in note]
    assert "coop: 2 of 6" in note


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_exports_mark_stale_results(old_coop: Path, etl, form: str):
    code, out, _ = etl("export", "--format", form, "--runs", str(old_coop))
    assert code == 0
    assert "1 now and had version 2" in out
    assert form == "csv" or ("CoOp †" if form == "markdown" else r"CoOp \dag{}") in out


def test_the_page_marks_stale_results(old_coop: Path, tmp_path: Path):
    view = write_page(PageRequest(runs=old_coop, out=tmp_path / "page.html"))
    assert {entry.key: bool(entry.stale) for entry in view.boards[0].board.entries} == {"apex": False, "coop": True}
    page = (tmp_path / "page.html").read_text("utf-8")
    ((_, setting),) = block_of(page)["settings"].items()
    assert [method["name"] for method in setting["methods"] if "older code" in str(method.get("badges"))] == ["CoOp"]
    assert "1 now and had version 2)." in everything_of(page)
