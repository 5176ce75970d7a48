"""The tree of results is valid for mteb, and holds the scores of every run and the main scores of the boards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fake_runner import answered, make_difficulty, make_record, make_score, make_spec
from open_runs import open_run
from places import FIXTURES

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.leaderboard_building import build_leaderboards
from bench.analysis.metrics.scores import harmonic_mean
from bench.boards.exchange.mteb_results import results_tree
from bench.record import RunRecord
from bench.results import FILE_LIST
from bench.results.database import fresh_store
from bench.results.shards import Shards

Etl = Callable[..., tuple[int, str, str]]
SCHEMA = json.loads((FIXTURES / "exchange" / "mteb-2.26.24-results.schema.json").read_text())
TASK = "spectrum_a.base-to-new.16-shots.coop"


def exported(folder: Path) -> tuple[dict[str, Any], list[Leaderboard]]:
    """The exported documents of a runs folder by name, all of them valid, and its boards."""
    boards = list(build_leaderboards(fresh_store(folder).runs_frame(outcomes=True)))
    shards = Shards(folder)
    files = {
        name: json.loads(text) for name, text in results_tree(boards, shards.record, shards.difficulties.read).items()
    }
    for name, document in files.items():
        kind = "model_meta" if name.endswith("model_meta.json") else "task_result"
        jsonschema.validate(document, SCHEMA | {"$ref": f"#/$defs/{kind}"})
    return files, boards


def of_method(files: dict[str, Any], method: str, task: str = TASK) -> dict[str, Any]:
    """The scores of a method on a task."""
    (found,) = (doc for name, doc in files.items() if f"__{method}." in name and name.endswith(f"/{task}.json"))
    (scores,) = found["scores"]["test"]
    return scores


@pytest.fixture
def records(tmp_path: Path) -> list[RunRecord]:
    """Three seeds of CoOp in a runs folder."""
    made = []
    for seed in (1, 2, 3):
        record, predictions = answered(seed)
        Shards(tmp_path).write(record, predictions)
        made.append(record)
    return made


def test_every_score_of_every_run_is_there(records: list[RunRecord], tmp_path: Path) -> None:
    files, (board,) = exported(tmp_path)
    scores = of_method(files, "coop")
    estimate = board.entry("coop").cells["spectrum_a"].scores["H"]
    assert scores["main_score"] == estimate.mean
    assert scores["confidence_interval"] == [estimate.low, estimate.high]
    for measure, found in board.entry("coop").cells["spectrum_a"].scores.items():
        assert scores["intervals"][measure] == {
            "mean": found.mean,
            "interval": [found.low, found.high],
            "covers": found.covers,
            "seeds": 3,
            "test_images": found.images,
        }
    experiments = scores["scores_per_experiment"]
    assert [item["run_id"] for item in experiments] == [record.run_id for record in records]
    for item, record in zip(experiments, records, strict=True):
        assert item["seed"] == record.spec.seed
        assert item["main_score"] == harmonic_mean(*(score.accuracy for score in record.scores))
        for score in record.scores:
            values = score.model_dump(exclude={"split", "selected_on_test", "optimism"})
            assert item["splits"][score.split] == values
    for split in ("base", "new"):
        mean = sum(record.score(split).ece for record in records) / 3
        assert scores["splits"][split]["ece"] == pytest.approx(mean, abs=1e-15)
        assert "n" not in scores["splits"][split]
    assert scores["selected_on_test"] is False


def test_the_model_is_a_method_on_a_backbone_and_its_revision_the_settings_and_the_code(
    records: list[RunRecord], tmp_path: Path
) -> None:
    other = make_record(make_spec(config={"n_ctx": 8}), scores=records[0].scores)
    Shards(tmp_path).write(other, answered(1)[1])
    newer = records[0].provenance.model_copy(update={"method_digest": "newer"})
    Shards(tmp_path).write(make_record(make_spec(dataset="spectrum_b"), provenance=newer))
    files, _ = exported(tmp_path)
    metas = [document for name, document in files.items() if name.endswith("/model_meta.json")]
    assert {meta["name"] for meta in metas} == {"clip-etl-bench/coop.ViT-demo.drawn"}
    assert len({meta["revision"] for meta in metas}) == 3
    for name, document in files.items():
        _, folder, revision, file = name.split("/")
        assert folder == "clip-etl-bench__coop.ViT-demo.drawn"
        meta = files[f"results/{folder}/{revision}/model_meta.json"]
        assert meta["revision"] == revision
        if document is not meta:
            assert document["task_name"] == file.removesuffix(".json")
            (scores,) = document["scores"]["test"]
            for item in scores["scores_per_experiment"]:
                assert Shards(tmp_path).record(item["run_id"]).spec.config == meta["loader_kwargs"]["config"]
    assert metas[0]["citation"].startswith("@")


def test_the_revision_of_the_data_is_the_digest_of_its_test_images(records: list[RunRecord], tmp_path: Path) -> None:
    def revision() -> str:
        return next(doc["dataset_revision"] for name, doc in exported(tmp_path)[0].items() if TASK in name)

    assert len(revision()) == 40
    Shards(tmp_path).difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    assert revision() == "d"


def test_times_are_those_of_all_runs(records: list[RunRecord], tmp_path: Path) -> None:
    document = next(doc for name, doc in exported(tmp_path)[0].items() if TASK in name)
    assert document["evaluation_time"] == pytest.approx(3 * 1.3)
    assert document["date"] == records[0].created_at.timestamp()
    assert document["mteb_version"] is None


def test_an_oracle_is_marked(tmp_path: Path) -> None:
    scores = [
        make_score(split, 0.5).model_copy(update={"selected_on_test": "epoch 1", "optimism": 0.1})
        for split in ("base", "new")
    ]
    Shards(tmp_path).write(make_record(make_spec(epoch_selection="oracle"), scores=scores))
    found = of_method(exported(tmp_path)[0], "coop")
    assert found["selected_on_test"] is True
    assert "Test labels selected settings or epochs" in found["notes"]


def test_few_shot_and_open_scores(tmp_path: Path) -> None:
    Shards(tmp_path).write(make_record(make_spec(protocol="few-shot"), scores=[make_score("all", 0.25)]))
    Shards(tmp_path).write(*open_run(1))
    files, _ = exported(tmp_path)
    scores = of_method(files, "coop", "spectrum_a.few-shot.16-shots.coop")
    assert scores["main_score"] == scores["splits"]["all"]["accuracy"] == 0.25
    assert set(of_method(files, "coop")["splits"]) == {"base", "new", "open-base", "open-new"}


def test_each_target_is_a_task(tmp_path: Path) -> None:
    spec = make_spec(protocol="cross-dataset", dataset="imagenet", targets=("dtd", "eurosat"))
    scores = [make_score("dtd", 0.4), make_score("all", 0.9), make_score("eurosat", 0.3)]
    Shards(tmp_path).write(make_record(spec, scores=scores))
    files, _ = exported(tmp_path)
    for dataset, accuracy in (("imagenet", 0.9), ("dtd", 0.4), ("eurosat", 0.3)):
        found = of_method(files, "coop", f"{dataset}.cross-dataset.from-imagenet.16-shots.coop")
        assert found["main_score"] == found["scores_per_experiment"][0]["main_score"] == accuracy
        assert set(found["splits"]) == {"all"}


def test_the_schema_notices_a_wrong_document(records: list[RunRecord], tmp_path: Path) -> None:
    files, _ = exported(tmp_path)
    document = next(doc for name, doc in files.items() if TASK in name)
    del document["scores"]["test"][0]["main_score"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA | {"$ref": "#/$defs/task_result"})


def test_the_command_writes_the_tree(records: list[RunRecord], etl: Etl, tmp_path: Path) -> None:
    code, out, _ = etl("export", "--format", "mteb", "--runs", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 0
    written = sorted(path for path in (tmp_path / "out").rglob("*.json") if path.name != FILE_LIST)
    assert [path.name for path in written] == ["model_meta.json", f"{TASK}.json"]
    assert sorted(out.split()) == [str(path) for path in written]
    assert written[0].parent.parent.parent == tmp_path / "out" / "results"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # imports of mteb and its dependencies warn
def test_mteb_reads_the_tree(records: list[RunRecord], etl: Etl, tmp_path: Path) -> None:
    mteb = pytest.importorskip("mteb", reason="needs mteb; pip install mteb")
    etl("export", "--format", "mteb", "--runs", str(tmp_path), "--out", str(tmp_path / "out"))
    from mteb.models.model_meta import ModelMeta

    cache = mteb.ResultCache(tmp_path / "out")
    (path,) = cache.get_cache_paths(include_remote=False)
    meta = ModelMeta.model_validate_json_resolved((path.parent / "model_meta.json").read_text())
    result = cache.load_task_result(TASK, meta, raise_if_not_found=True)
    scores = of_method(exported(tmp_path)[0], "coop")
    assert result.main_score == scores["main_score"]
    assert result.scores["test"][0]["scores_per_experiment"] == scores["scores_per_experiment"]
    assert result.date.timestamp() == records[0].created_at.timestamp()
    assert (meta.name, meta.revision) == ("clip-etl-bench/coop.ViT-demo.drawn", path.parent.name)
