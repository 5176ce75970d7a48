"""Models that are not CLIPs on the page: each beside the best CLIP rows, with what is stated of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from page_data import block_of
from report_sample import catalogue
from worlds import make_world

from bench.results import fresh_store
from bench.spec import OTHER_MODELS
from datasets_registry import EvalProtocol
from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.views import SiteView

TALKER = "external:Talker-7B"


def world(folder: Path, method: str, rate: float, **options: object) -> list[str]:
    """Ids of the runs of a method on DTD."""
    values = {"protocol": EvalProtocol.FEW_SHOT, "seed_spread": 0.0} | options
    return [record.run_id for record in make_world(folder, {method: {"dtd": {"all": rate}}}, **values)]


def page_of(folder: Path, external: dict[str, dict[str, object]]) -> SiteView:
    """The page of some runs; `external` is what the records of some state."""
    store = fresh_store(folder)
    runs, made = store.runs_frame(outcomes=True), store.provenance_frame()
    texts = [json.dumps({"external": external.get(run_id)}) for run_id in made["run_id"]]
    made = pd.DataFrame({"run_id": made["run_id"], "provenance": texts})
    return site_view(PageContent(runs, store.difficulty_frame(), catalogue(), package_version="0", made=made))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for method, rate in (("zero_shot", 0.5), ("coop", 0.7), ("maple", 0.6)):
        world(tmp_path / "runs", method, rate)
    return tmp_path / "runs"


def tables(view: SiteView, folder: Path) -> dict[str, dict[str, Any]]:
    """The tables of the part by id, from the written page."""
    page = render_site(view, folder / "index.html").read_text("utf-8")
    return {part[1]["id"]: part[1] for part in block_of(page)["sections"].get("other_models", []) if part[0] == "table"}


def test_a_model_stands_beside_the_best_rows_with_its_facts(runs: Path, tmp_path: Path) -> None:
    config = {"model": "Talker 7B", "prompt": "Which? {choices}", "decoding": "greedy"}
    (run_id,) = world(runs, TALKER, 0.6, seeds=(2,), backbone=OTHER_MODELS, config=config)
    stated = {"service": "a server", "matched_texts": True, "unanswered": 3, "ambiguous": 1}
    found = tables(page_of(runs, {run_id: stated}), tmp_path)
    pairs, facts = found["other_models-pairs"], found["other_models-facts"]
    rows = {row[1][0]: row for row in pairs["rows"]}
    assert list(rows) == ["CoOp", "Zero-shot CLIP"]
    for row, inputs in zip(rows.values(), ("16 shots", "0 shots"), strict=True):
        assert row[0] == ["Talker-7B", "16 shots, other inputs not stated"]
        assert row[1][1].endswith(inputs)
        difference, model, clip = (float(text.replace("−", "-")) for text in (row[2][0], row[3], row[4]))
        low, high = (float(end.replace("−", "-")) for end in row[2][1].split(" to "))
        assert difference == pytest.approx(model - clip, abs=0.011)
        assert low < difference < high
        assert (row[6], row[7][0]) == ("400", "1")
    assert "one seed" in pairs["caption"]
    ((model, *texts),) = facts["rows"]
    assert model == ["Talker-7B", "few-shot, 16 shots"]
    assert texts[:5] == ["Talker 7B", "not stated", "greedy", "a server", "not stated"]
    assert [cell[0] for cell in texts[5:7]] == ["3 of 400", "1 of 400"]
    assert texts[7] == "Which? {choices}"


def test_what_else_a_row_saw_is_one_of_its_inputs(runs: Path, tmp_path: Path) -> None:
    (run_id,) = world(runs, TALKER, 0.6, seeds=(2,), backbone=OTHER_MODELS)
    for uses, text in ((["texts"], "texts"), ([], "16 shots"), (None, "not stated")):
        view = page_of(runs, {run_id: {"uses": uses}})
        assert view.other_models is not None
        assert {pair.inputs.rpartition(", ")[2].removeprefix("other inputs ") for pair in view.other_models.pairs} == {
            text
        }


def test_a_model_without_a_clip_row_is_said_to_have_none(runs: Path, tmp_path: Path) -> None:
    world(runs, TALKER, 0.6, seeds=(2,), images=100, backbone=OTHER_MODELS)
    view = page_of(runs, {})
    assert tables(view, tmp_path).keys() == {"other_models-facts"}
    assert view.other_models is not None
    assert (view.other_models.pairs, len(view.other_models.models)) == ((), 1)


def test_the_part_is_there_with_such_rows_only(runs: Path, tmp_path: Path) -> None:
    without = page_of(runs, {})
    assert without.other_models is None
    assert 'id="other_models"' not in render_site(without, tmp_path / "a.html").read_text("utf-8")
    world(runs, TALKER, 0.6, seeds=(2,), backbone=OTHER_MODELS)
    page = render_site(page_of(runs, {}), tmp_path / "b.html").read_text("utf-8")
    assert 'id="other_models"' in page
    names = [method["name"] for setting in block_of(page)["settings"].values() for method in setting["methods"]]
    assert sum("Talker" in name for name in names) == 1  # on its own board
