"""Which results are stale, why, and where this is shown."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_difficulty, make_record, make_spec
from worlds import make_world

from bench import load_results
from bench.record import RunStatus
from bench.results import staleness
from bench.results.code_digests import machinery_digest, source_digest
from bench.results.shards import Shards
from bench.results.staleness import Staleness
from bench.sweep import Expansion, RerunPolicy, plan_runs
from methods import get_method
from reports.site.build import PageRequest, write_page


def record(**provenance):
    coop = get_method("coop")
    made = make_record(make_spec())
    now = {"method_digest": source_digest(coop), "machinery_digest": machinery_digest(coop)}
    return made.model_copy(update={"provenance": made.provenance.model_copy(update=now | provenance)})


@pytest.mark.parametrize(
    ("provenance", "reasons"),
    [
        ({}, ()),
        ({"method_digest": "old"}, ("the code of coop changed",)),
        ({"machinery_digest": "old"}, ("shared code that coop imports changed",)),
        ({"backbone_digest": "old"}, ("the weights of ViT-demo.drawn changed",)),
        ({"backbone_digest": ""}, ()),
        ({"dataset_check": "then"}, ("the files of spectrum_a changed",)),
        (
            {"method_digest": "old", "dataset_check": "then"},
            ("the code of coop changed", "the files of spectrum_a changed"),
        ),
    ],
)
def test_why_a_record_is_stale(provenance: dict, reasons: tuple[str, ...], monkeypatch):
    monkeypatch.setattr("bench.results.staleness.last_fingerprint", lambda name, root: "now")
    assert Staleness(None, lambda slug: "b").reasons(record(**provenance)) == reasons


def test_weights_are_left_out_where_nobody_loads_them_and_data_where_nobody_checked_them():
    assert Staleness(None).reasons(record(backbone_digest="old", dataset_check="then")) == ()


def test_a_plan_counts_what_is_stale_and_runs_it_only_if_told(tmp_path: Path):
    shards = Shards(tmp_path)
    fresh, old, failed = (make_spec(seed=seed) for seed in (1, 2, 3))
    for spec, change in ((fresh, {}), (old, {"method_digest": "old"})):
        made = record(**change)
        shards.write(made.model_copy(update={"spec": spec, "run_id": spec.run_id}))
    shards.write(make_record(failed, status=RunStatus.FAILED, scores=[]))
    expansion = Expansion((fresh, old, failed), ())
    made = plan_runs(expansion, shards)
    assert made.pending == (failed,)
    assert made.stale_reasons == {"the code of coop changed": 1}
    assert made.seen[fresh.run_id] == shards.stamp(fresh.run_id)
    assert plan_runs(expansion, shards, RerunPolicy.STALE).pending == (old, failed)
    assert plan_runs(expansion, shards, RerunPolicy.MISSING).pending == ()
    assert replace(made, pending=()).done == (fresh, old, failed)


def test_a_difficulty_of_other_weights_is_measured_again_where_weights_are_checked(tmp_path: Path):
    shards, spec = Shards(tmp_path), make_spec()
    place = (spec.backbone, spec.dataset)
    shards.difficulties.write(*place, make_difficulty(*place))
    for digest, wanted in ((None, ()), (lambda slug: "b", ()), (lambda slug: "other", (place,))):
        made = plan_runs(Expansion((spec,), ()), shards, RerunPolicy.STALE, Staleness(None, digest))
        assert made.difficulties == wanted


def test_a_rewrite_that_changed_no_prediction_leaves_results_valid(monkeypatch):
    coop = get_method("coop")
    now = [source_digest(coop), machinery_digest(coop)]
    old = record(method_digest="m", machinery_digest="s")
    assert Staleness(None).reasons(old) == ("the code of coop changed",)
    monkeypatch.setattr(staleness, "equivalent_code", lambda: {"coop": ["m", "s", *now]})
    assert Staleness(None).reasons(old) == ()
    monkeypatch.setattr(staleness, "equivalent_code", lambda: {"coop": ["m", "s", "between", "then", *now]})
    assert Staleness(None).reasons(old) == ()
    assert Staleness(None).reasons(record(method_digest="between", machinery_digest="then")) == ()
    assert Staleness(None).reasons(record(method_digest="m", machinery_digest="then")) == ("the code of coop changed",)
    monkeypatch.setattr(staleness, "equivalent_code", lambda: {"coop": ["m", "s", "later", now[1]]})
    assert Staleness(None).reasons(old) == ("the code of coop changed",)


def test_the_equivalent_versions_name_registered_methods_and_whole_digests():
    for name, versions in staleness.equivalent_code().items():
        assert get_method(name).info.name == name
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in versions)
        assert len(versions) % 2 == 0


# --- where it is shown ------------------------------------------------------------------------------------------------


@pytest.fixture
def old_coop(tmp_path: Path) -> Path:
    """CoOp was run with other code than today's, APEX with today's."""
    rates = {m: {d: {"base": r, "new": r} for d in "ab"} for m, r in {"coop": 0.6, "apex": 0.8}.items()}
    shards = Shards(tmp_path / "runs")
    for made in make_world(tmp_path / "runs", rates):
        cls = get_method(made.spec.method)
        digests = {"method_digest": source_digest(cls), "machinery_digest": machinery_digest(cls)}
        if made.spec.method == "coop" and made.spec.seed == 1:
            digests["method_digest"] = "old"
        stored = shards.read(made.run_id)
        provenance = made.provenance.model_copy(update=digests)
        shards.write(made.model_copy(update={"provenance": provenance}), stored.predictions)
    return tmp_path / "runs"


def test_leaderboard_and_comparison_mark_stale_results(old_coop: Path):
    table = load_results(old_coop).leaderboard()
    names = [row["method"] for row in table.rows]
    assert names == ["apex", "coop †"]
    (note,) = [note for note in table.notes if "stale" in note]
    assert "coop" in note
    assert "2 of 6 runs: the code of coop changed" in note
    assert "--rerun stale" in note
    assert [row["stale"] != "" for row in table.to_frame().to_dict("records")] == [False, True]
    assert any(
        "stale" in note and "coop: 2 of 6" in note for note in load_results(old_coop).compare("apex", "coop").notes
    )


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_exports_mark_stale_results(old_coop: Path, etl, form: str):
    code, out, _ = etl("export", "--format", form, "--runs", str(old_coop))
    assert code == 0
    assert "2 of 6 runs: the code of coop changed" in out
    assert form == "csv" or "coop †" in out


def test_the_page_marks_stale_results(old_coop: Path, tmp_path: Path):
    view = write_page(PageRequest(runs=old_coop, out=tmp_path / "page.html"))
    assert {entry.key: bool(entry.stale) for entry in view.boards[0].entries} == {"apex": False, "coop": True}
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("† older code") == 2, "in the leaderboard and beside the scores of each dataset"
    assert "CoOp (2 of 6 runs: the code of coop changed)." in page


def test_a_method_that_is_not_installed_is_not_called_stale():
    assert Staleness(None).code_reasons("someone_elses", "m", None) == []
