"""Short form of `make differential`: a few steps of five methods beside the plain re-implementation."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import differential
import numpy as np
import plain_methods
import plain_training
import pytest
from differential import METHODS, Setting, paired, real_features, settings_of
from places import REAL_DATA

FEATURES = REAL_DATA / "features" / "vitb32"


LENGTHS: dict[str, tuple[int, float | None]] = {
    "coop": (8, 0.2), "clip_adapter": (4, 0.5), "tip_adapter_f": (10, 0.01), "vpt": (4, 0.02), "apex": (12, None),
}  # fmt: skip
"""Epochs and learning rate: a few steps that move the logits enough for weight decay to show. None: published."""


def short(method: str, seed: int = 1) -> Setting:
    epochs, lr = LENGTHS[method]
    return Setting(method, "spectrum_sketch", seed, shots=2, epochs=epochs, lr=lr, every=5)


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", METHODS)
def test_draw_losses_and_predictions_are_those_of_the_plain_side(method: str) -> None:
    for row in paired(short(method)):
        assert row.draw
        assert row.within, row
        assert row.alike == row.images


def test_another_seed() -> None:
    for row in paired(short("clip_adapter", seed=2)):
        assert row.within, row
        assert row.alike == row.images


def write_features(folder: Path) -> None:
    """Generated features in the files of the real ones: four classes that overlap."""
    numbers = np.random.default_rng(0)
    texts = numbers.normal(size=(4, 64)).astype(np.float32)
    classes = [{"label": i, "imagenet_index": i, "classname": f"kind {i}"} for i in range(len(texts))]
    (folder / "text_overlap.json").write_text(json.dumps({"oxford_pets": classes, "caltech101": classes}))
    np.savez(folder / "imagenet.npz", text_b=texts)
    for name in ("oxford_pets", "caltech101"):
        arrays = {}
        for part, each in (("train16", 16), ("val", 4), ("test", 10)):
            labels = np.arange(len(texts)).repeat(each)
            arrays[f"{part}_l"] = labels
            arrays[f"{part}_f"] = (texts[labels] + numbers.normal(size=(len(labels), 64))).astype(np.float32)
        np.savez(folder / f"{name}.npz", **arrays)


@pytest.mark.parametrize("data", ["generated", pytest.param("real", marks=pytest.mark.real_data)])
def test_imported_features(data: str, tmp_path: Path) -> None:
    if data == "generated":
        write_features(tmp_path)
    with real_features(FEATURES if data == "real" else tmp_path) as backbones:
        stored = [setting for setting in settings_of([1], backbones) if setting.dataset in backbones]
        assert len(stored) == 4
        for setting in stored:
            for row in paired(replace(setting, epochs=3)):
                assert row.within, row
                assert row.alike == row.images


# That the comparison finds a difference


def draw_with_the_next_seed(train: Any, val: Any, shots: int, seed: int) -> Any:
    return plain_training.draw(train, val, shots, seed + 1)


def test_another_draw_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differential, "draw", draw_with_the_next_seed)
    assert not any(row.draw or row.within for row in paired(short("clip_adapter")))


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_weight_decay_is_found(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS[method], "training", replace(METHODS[method].training, weight_decay=0.0))
    assert not all(row.within for row in paired(short(method)))


@pytest.mark.parametrize("change", [{"warmup_lr": 1e-3}, {"crop_scale": (0.5, 1.0)}], ids=str)
def test_another_setting_is_found(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_methods.VPT, "training", replace(plain_methods.VPT.training, **change))
    assert not any(row.within for row in paired(short("vpt")))


def test_another_number_of_steps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_methods.VPT, "training", replace(plain_methods.VPT.training, batch_size=8))
    with pytest.raises(ValueError, match="12 steps here, 4"):
        paired(short("vpt"))


def test_another_nearest_class_distance_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ensemble of APEX touches new classes only."""
    monkeypatch.setattr(plain_methods.APEX, "EPS", 10.0)
    base, new = paired(short("apex"))
    assert base.within
    assert not new.within


def test_the_plain_side_uses_none_of_our_code() -> None:
    for path in Path(plain_methods.__file__).parent.glob("plain_*.py"):
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not imported & {"bench", "methods", "datasets_registry", "reports"}, path
