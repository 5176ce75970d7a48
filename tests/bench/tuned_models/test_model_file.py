"""Model files: what is read back, their size, and one clear line for each kind of bad file."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from limited import limited

from bench.experiment import model_file
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import (
    ClassList,
    ModelFileError,
    ModelInfo,
    Novelty,
    list_models,
    model_bytes,
    read_model,
    read_model_info,
    write_model,
)
from bench.record import Provenance
from bench.spec import ExperimentSpec
from datasets_registry import EvalProtocol
from methods import BackboneSpec, Preprocessing, get_method, load_backbone

DIM, CLASSES, SHOTS = 512, 100, 16


def info_of(method: str = "linear_probe", *, classes: int = CLASSES, **changed: Any) -> ModelInfo:
    spec = ExperimentSpec(
        method=method,
        config=get_method("linear_probe").info.config().model_dump(mode="json"),
        recipe=None,
        backbone="ViT-B-16.openai",
        dataset="birds",
        task_fingerprint="0" * 32,
        draw="coop",
        protocol=EvalProtocol.FEW_SHOT,
        shots=SHOTS,
        seed=1,
    )
    provenance = Provenance(
        package_version="1", method_digest="m" * 64,
        git_commit=None, git_dirty=None, python="3.12", platform="Linux",
        packages={"torch": "2"}, device="cpu", threads=1, eval_batch=128, backbone_digest="b" * 32,
        support_digests=["5" * 32] * (classes * SHOTS),
    )  # fmt: skip
    values: dict[str, Any] = {
        "run_id": spec.run_id,
        "spec": spec,
        "classes": ClassList(names=tuple(f"class {i}" for i in range(classes)), template="a photo of a {}."),
        "open_vocabulary": False,
        "backbone_digest": "b" * 32,
        "image_size": 224,
        "embed_dim": DIM,
        "preprocessing": Preprocessing(),
        "support_images": classes * SHOTS,
        "scores": (),
        "provenance": provenance,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return ModelInfo(**values | changed)


def tensors(classes: int = CLASSES) -> dict[str, torch.Tensor]:
    weight = torch.randn(1, classes, DIM, dtype=torch.float64)
    return {
        "state.weight": weight,
        "state.bias": weight[..., 0].clone(),
        "novelty.means": torch.randn(classes, DIM).half(),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models" / "birds.safetensors"


def test_a_model_is_read_as_it_was_written(path: Path) -> None:
    novelty = Novelty(kind="class_mean", threshold=0.3, false_alarm_rate=0.05, source="support", n=9)
    info, values = info_of(novelty=novelty), tensors()
    write_model(path, model_bytes(info, values))
    read, found = read_model(path)
    assert read == info == read_model_info(path)
    assert found.keys() == values.keys()
    assert all(torch.equal(found[name], values[name]) for name in values)
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "# linear_probe on birds" in card
    assert "class_mean above 0.3, set by 9" in card
    assert "etl-bench predict birds.safetensors IMAGES" in card


def rewritten(path: Path, **changed: Any) -> None:
    """The file with another header, and its checksum as a person would leave it."""
    write_model(path, model_bytes(info_of(classes=3), tensors(3)))
    with safetensors.safe_open(path, "pt") as file:
        header = file.metadata()
    text = json.loads(header["etl-bench model"]) | changed
    header["etl-bench model"] = json.dumps(text)
    path.write_bytes(safetensors.torch.save(tensors(3), header))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format_version": 99}, "format 99, and this etl-bench reads format 1"),
        ({"format_version": None}, "no format version"),
        ({"image_size": 225}, "does not match its checksum"),
    ],
)
def test_a_changed_header_is_refused(changed: dict[str, Any], message: str, path: Path) -> None:
    rewritten(path, **changed)
    with pytest.raises(ModelFileError, match=message):
        read_model(path)


def test_each_bad_file_gets_its_line(path: Path) -> None:
    with pytest.raises(ModelFileError, match="is no model file"):
        read_model(path)
    write_model(path, model_bytes(info_of(classes=3), tensors(3)))
    whole = path.read_bytes()
    for damaged in (whole[:-9], b"", b"{}" * 400, whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"birds.safetensors is damaged \(.*keep-models"):
            read_model(path)
    path.write_bytes(safetensors.torch.save(tensors(3)))
    with pytest.raises(ModelFileError, match="another safetensors file"):
        read_model(path)
    (listed,) = list_models(path.parent)
    assert listed.info is None
    assert "is not a tuned model" in listed.problem


UNUSABLE = {
    "state.weight": torch.tensor([[[1.0, float("nan")]]]),
    "state.bias": torch.tensor([float("inf")]).half(),
    "novelty.means": torch.zeros(4, DIM),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_tensors_that_no_model_has_are_refused_in_one_line(name: str, path: Path) -> None:
    write_model(path, model_bytes(info_of(classes=3), tensors(3) | {name: UNUSABLE[name]}))
    with pytest.raises(ModelFileError, match=f"its tensor {name} (has values that are not|is .4, 512.)"):
        read_model(path)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"calibration": {"temperature": 1e-30}}, "calibration.temperature"),
        ({"calibration": {"temperature": 1e30}}, "calibration.temperature"),
        ({"classes": {"names": [], "template": "{}"}}, "classes.names"),
        ({"calibration": {"temperature": float("nan")}}, "calibration.temperature"),
        ({"classes": {"names": ["", "b", "c"], "template": "{}"}}, "classes.names.0"),
        ({"classes": {"names": ["a" * 1001, "b", "c"], "template": "{}"}}, "classes.names.0"),
        ({"classes": {"names": ["a"] * 100_001, "template": "{}"}}, "classes.names"),
        ({"image_size": 10**9}, "image_size"),
        ({"embed_dim": 10**9}, "embed_dim"),
    ],
)
def test_a_description_with_impossible_values_is_refused(changed: dict[str, Any], where: str, path: Path) -> None:
    rewritten(path, **changed)
    with pytest.raises(ModelFileError, match=rf"is damaged \({where}: "):
        read_model_info(path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child process")
def test_model_files_have_a_bounded_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten(path)
    monkeypatch.setattr(model_file, "LARGEST_MODEL", path.stat().st_size - 1)
    with pytest.raises(ModelFileError, match="most that is read"):
        read_model_info(path)
    monkeypatch.undo()
    path.write_bytes(safetensors.torch.save({}, {"etl-bench model": "[" + "{}," * 20_000_000, "sha256": ""}))
    assert "ModelFileError" in limited(lambda: read_model_info(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="is no model file"):
        read_model_info(path)


def test_another_backbone_or_method_is_refused() -> None:
    backbone = load_backbone(BackboneSpec("ViT-tiny", "random"))
    with pytest.raises(ModelFileError, match="weights of ViT-tiny.random"):
        restored_method(info_of(), tensors(), backbone)
    with pytest.raises(ModelFileError, match="which is not installed"):
        restored_method(info_of("tuned_by_magic", backbone_digest=backbone.digest), tensors(), backbone)
    with pytest.raises(ModelFileError, match="do not fit linear_probe"):
        restored_method(info_of(backbone_digest=backbone.digest), {}, backbone)
