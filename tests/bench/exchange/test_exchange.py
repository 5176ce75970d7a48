"""Exports in the formats of other projects are valid there, and hold the numbers of the board."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml
from fake_runner import answered, make_record, make_spec, rescored
from huggingface_hub import ModelCard
from places import FIXTURES
from typer.testing import CliRunner

from bench.analysis.leaderboard import Leaderboard, leaderboards
from bench.cli.app import app
from bench.errors import UsageError
from bench.exchange.every_eval_ever import eee_documents
from bench.exchange.hugging_face import model_cards, yaml_text
from bench.results.shards import Shards
from bench.store import fresh_store

SCHEMA = json.loads((FIXTURES / "exchange" / "every-eval-ever-0.3.0.schema.json").read_text())
MADE = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3):
        record, predictions = answered(seed)
        Shards(folder).write(record, predictions)
        spec = make_spec(method="vpt", seed=seed, epoch_selection="oracle")
        scores = [
            rescored(item, n).model_copy(update={"selected_on_test": "epoch 1", "optimism": 0.1})
            for item, n in zip(predictions, (7, 3), strict=True)
        ]
        Shards(folder).write(make_record(spec, scores=scores), predictions)
    return folder


@pytest.fixture(scope="module")
def board(runs: Path) -> Leaderboard:
    (found,) = leaderboards(fresh_store(runs).runs_frame(outcomes=True))
    return found


def test_every_document_is_valid_and_holds_the_scores(board: Leaderboard) -> None:
    documents = eee_documents([board], organization="A lab", made=MADE)
    assert len(documents) == 2
    for document in documents.values():
        jsonschema.validate(document, SCHEMA)
    document = next(d for d in documents.values() if d["model_info"]["additional_details"]["method"] == "coop")
    scores = {item["evaluation_result_id"]: item["score_details"] for item in document["evaluation_results"]}
    cell = board.entry("coop").cells["spectrum_a"]
    assert set(scores) == {f"{name}/{m}" for name in ("spectrum_a", "average") for m in ("base", "new", "H")}
    for measure, estimate in cell.scores.items():
        found = scores[f"spectrum_a/{measure}"]
        assert found["score"] == estimate.mean
        assert found["uncertainty"]["num_samples"] == 3
        assert found["uncertainty"]["confidence_interval"]["lower"] == estimate.low
        assert json.loads(found["details"]["run_ids"]) == list(cell.run_ids)
    assert document["retrieved_timestamp"] == f"{MADE.timestamp():.0f}"


def test_the_schema_notices_a_wrong_document(board: Leaderboard) -> None:
    document = next(iter(eee_documents([board], organization="A lab", made=MADE).values()))
    del document["eval_library"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_the_hub_reads_the_cards_back(board: Leaderboard) -> None:
    cards = model_cards([board])
    text = next(text for name, text in cards.items() if name.endswith("/coop.md"))
    results = ModelCard(text).data.eval_results
    assert {(item.dataset_name, item.metric_type) for item in results} == {
        ("spectrum_a", "accuracy"), ("average", "accuracy"),
    }  # fmt: skip
    values = [item.metric_value for item in results if item.dataset_name == "spectrum_a"]
    scores = board.entry("coop").cells["spectrum_a"].scores
    assert values == [round(100 * scores[measure].mean, 4) for measure in ("base", "new", "H")]
    oracle = next(text for name, text in cards.items() if "vpt" in name)
    assert "Test labels selected settings or epochs" in oracle
    assert all(item.metric_name.endswith("selected on test labels") for item in ModelCard(oracle).data.eval_results)


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": [1, 2.5, "x: y # z"], "c": {"d": [], "e": {}}, "f": None, "g": True},
        {"list": [{"a": {"b": "- c"}, "d": [{"e": "'"}]}, "yes"], "text": "é\n\"'"},
    ],
)
def test_yaml_is_read_back_equal(value: object) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


@pytest.mark.parametrize(("form", "suffix"), [("eee", "json"), ("hf", "md")])
def test_the_command_writes_a_folder(runs: Path, tmp_path: Path, form: str, suffix: str) -> None:
    arguments = ["export", "--format", form, "--runs", str(runs)]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    written = sorted(tmp_path.rglob(f"*.{suffix}"))
    assert len(written) == 2
    assert all(str(path) in done.stdout for path in written)
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, UsageError)
    assert f"--format {form} writes a folder of files; name it with --out." in str(refused.exception)
