"""Records of earlier versions are read without the fields that went; their checksums are verified before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from bundle_files import shard_files
from open_runs import open_run

from bench.errors import ShardError
from bench.record import DROPPED, ExternalCode
from bench.results.checksummed_json import SHARD_VERSION, encode_document
from bench.results.database import fresh_store
from bench.results.files import sha256
from bench.results.predictions import pack_predictions
from bench.results.shards import Shards

SETS = {"set_size": 1.5, "set_coverage": 1.0, "set_promise": 0.8, "set_images": 14, "set_threshold": 2.0}
AREAS = {"openworld_auc": 0.4, "near_ood_auroc": 0.9}


def earlier(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a record as an earlier version stored it."""
    scores = [content["scores"][0] | SETS, content["scores"][1]]
    return content | {"scores": scores, "open": content["open"] | AREAS}


def stored(folder: Path, *, broken: bool = False) -> str:
    """A run of an earlier version, with columns for sets and areas; returns its id."""
    record, predictions = open_run()
    tensors = safetensors.numpy.load(pack_predictions(predictions))
    tensors |= {"base/set_size": np.ones(12, np.int32), "open-base/open.within": np.zeros(12, np.int32)}
    packed = safetensors.numpy.save(tensors)
    document = {"shard_version": SHARD_VERSION, "predictions_bytes": len(packed), "predictions_sha256": sha256(packed)}
    content = encode_document(document, earlier(record.model_dump(mode="json")))
    Shards(folder).write(record, predictions)
    path, _ = shard_files(folder, record.run_id)
    path.write_bytes(content.replace(b"0.9", b"0.8") if broken else content)
    path.with_name(f"{record.run_id}.predictions.safetensors").write_bytes(packed)
    return record.run_id


def test_what_went_is_left_out_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    record, predictions = open_run()
    shard = Shards(tmp_path).read(stored(tmp_path))
    assert shard.record == record
    assert [item.split for item in shard.predictions] == sorted(item.split for item in predictions)
    assert set(fresh_store(tmp_path).runs_frame()["split"]) == {item.split for item in predictions}
    assert not set(DROPPED) & set(fresh_store(tmp_path).runs_frame().columns)


def test_a_changed_value_of_a_field_that_went_still_breaks_the_checksum(tmp_path: Path) -> None:
    assert Shards(tmp_path).read(stored(tmp_path, broken=True)) is None


def test_facts_of_code_of_others_that_went_are_left_out() -> None:
    facts = {"stand_ins": ["wandb"], "seconds": 3.0, "full_precision": True, "matched_texts": True, "service": "theirs"}
    kept = {"title": "Theirs", "weights_proved": False, "images_proved": True}
    assert ExternalCode.model_validate(kept | facts) == ExternalCode.model_validate(kept)


def test_runs_of_official_code_are_left_out_by_their_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record, predictions = open_run()
    Shards(tmp_path).write(record, predictions)
    spec = record.spec.model_copy(update={"method": "fork:Lab"})
    Shards(tmp_path).write(record.model_copy(update={"spec": spec, "run_id": spec.run_id}), predictions)
    with pytest.raises(ShardError, match=r"a run of fork:Lab, official code .* `etl-bench runs import-predictions`"):
        Shards(tmp_path).read(spec.run_id)
    assert set(fresh_store(tmp_path).runs_frame()["method"]) == {record.spec.method}
    assert "Left out: " in caplog.text


def test_a_run_of_a_feature_pack_is_refused_by_name(tmp_path: Path) -> None:
    record, _ = open_run()
    Shards(tmp_path).write(record)
    content = record.model_dump(mode="json")
    content["provenance"]["pack"] = "0" * 64
    document = {"shard_version": SHARD_VERSION, "predictions_bytes": 0, "predictions_sha256": None}
    shard_files(tmp_path, record.run_id)[0].write_bytes(encode_document(document, content))
    with pytest.raises(ShardError, match=rf"{record.run_id}.json .*provenance.pack.* move it away to compute"):
        Shards(tmp_path).record(record.run_id)
