"""Exports: ONNX gives the logits of the model, refusals name the method and the reason, and no part remains."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from short_settings import short_overrides, short_recipe_overrides
from sweep_requests import sweep_over
from tiny_runs import BACKBONE, DATASET

from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment import runner
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import ModelInfo, read_model, write_model
from bench.experiment.task import load_task
from bench.extensions.model_tools.description import ExportError
from bench.extensions.model_tools.exports import export_model
from bench.results import FILE_LIST
from bench.sweep import expand
from datasets_registry import EvalProtocol
from methods import Batch, Method, get_method

SLOW = ["lp_plus_plus", "clip_fit", "prolip", "rpo"]  # the others cover the same lines
FAMILIES = ["tip_adapter", "vpt", "mma", "clip_lora", "apex", *(pytest.param(m, marks=pytest.mark.slow) for m in SLOW)]


@lru_cache
def content(method: str) -> bytes:
    chosen = short_overrides(method) + (short_recipe_overrides(method) if get_method(method).info.recipes else [])
    axes = sweep_over(
        [method], [DATASET], [BACKBONE], protocol=EvalProtocol.FEW_SHOT, shots=(2,), seeds=(1,),
        overrides=chosen,
    )  # fmt: skip
    (spec,) = expand(axes).specs
    return runner.run_and_keep(spec, RunContext(keep_models="all"))[2]


def model(method: str, folder: Path) -> tuple[ModelInfo, Method, Path]:
    path = folder / "model.safetensors"
    write_model(path, content(method))
    info, tensors = read_model(path)
    return info, restored_method(info, tensors, shared_inputs(BACKBONE, RunContext()).backbone), path


def some_images(info: ModelInfo) -> torch.Tensor:
    """Pixels of some test images."""
    inputs, (split,) = shared_inputs(BACKBONE, RunContext()), load_task(info.spec, RunContext()).evals
    from bench.experiment.features.views import CENTER_VIEW

    return inputs.pixels(split.images, split.samples[:7], CENTER_VIEW)


def own_logits(info: ModelInfo, method: Method, pixels: torch.Tensor) -> torch.Tensor:
    b = method.backbone
    batch = Batch(
        None,
        features=lambda: b.encode_image(pixels),
        pooled=lambda: b.encode_image(pixels, project=False),
        pixels=lambda: pixels,
        hidden=lambda first: b.image_hidden(pixels, first),
        needs=method.info.needs,
    )
    with torch.no_grad():
        return method.classifier(info.classes.class_set)(batch)


@pytest.mark.parametrize("method", FAMILIES)
def test_onnx_gives_the_logits_of_the_model_on_real_images(method: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    pytest.importorskip("onnx", reason="needs onnx")
    info, trained, source = model(method, tmp_path)
    pixels = some_images(info)
    expected = own_logits(info, trained, pixels)
    out = tmp_path / "made" / "m.onnx"
    export_model(info, trained, "onnx", out, source=source)
    session = runtime.InferenceSession(out, providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels.numpy()})
    assert np.abs(logits - expected.numpy()).max() <= 1e-4 * expected.abs().max()
    own = (expected / info.calibration.temperature).softmax(dim=1)
    assert np.abs(probabilities - own.numpy()).max() < 1e-4
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == list(info.classes.names)
    assert json.loads(said["preprocessing"])["mean"] == list(info.preprocessing.mean)
    assert float(said["temperature"]) == info.calibration.temperature


def test_a_refusal_names_the_method_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    info, trained, source = model("plot_pp", tmp_path)
    message = "plot_pp cannot be exported as onnx, because its computation depends on the images"
    with pytest.raises(ExportError, match=message):
        export_model(info, trained, "onnx", tmp_path / "out" / "m", source=source)
    assert not (tmp_path / "out").exists()


def test_an_export_with_other_logits_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    info, trained, source = model("lp_plus_plus", tmp_path)
    real = runtime.InferenceSession.run
    monkeypatch.setattr(runtime.InferenceSession, "run", lambda *args: [1.001 * one for one in real(*args)])
    with pytest.raises(ExportError, match="exported model gives other"):
        export_model(info, trained, "onnx", tmp_path / "m.onnx", source=source)
    assert not (tmp_path / "m.onnx").exists()


def test_without_onnx_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    info, trained, source = model("lp_plus_plus", tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExportError, match=r"needs onnx.*clip-etl-bench\[onnx\]"):
        export_model(info, trained, "onnx", tmp_path / "m.onnx", source=source)


def test_a_folder_for_the_hub_holds_model_card_classes_and_preprocessing(tmp_path: Path) -> None:
    info, _, source = model("lp_plus_plus", tmp_path)
    out = tmp_path / "hub"
    export_model(info, None, "hf-folder", out, source=source)
    assert sorted(path.name for path in out.iterdir()) == [
        FILE_LIST, "README.md", "classes.json", "config.json", "model.safetensors", "preprocessing.json",
    ]  # fmt: skip
    _, header, card = (out / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(header)
    assert front["pipeline_tag"] == "image-classification"
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == pytest.approx(info.scores[0].accuracy, abs=1e-6)
    assert "A tuned CLIP classifier" in card
    assert read_model(out / "model.safetensors")[0] == info
    assert json.loads((out / "classes.json").read_text()) == list(info.classes.names)
    (out / "mine").touch()
    export_model(info, None, "hf-folder", out, source=source)
    (out / "README.md").write_text("mine")
    with pytest.raises(UsageError, match="README.md exists already"):
        export_model(info, None, "hf-folder", out, source=source)
    export_model(info, None, "hf-folder", out, source=source, force=True)
    assert (out / "mine").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"hub", "model.safetensors", "model.md"}


def test_a_file_is_replaced_with_force_only(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    info, trained, source = model("zero_shot", tmp_path)
    out = tmp_path / "model.onnx"
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists already.* Choose another"):
        export_model(info, trained, "onnx", out, source=source)
    assert out.read_text() == "mine"
    export_model(info, trained, "onnx", out, source=source, force=True)
    assert out.stat().st_size > 1000
