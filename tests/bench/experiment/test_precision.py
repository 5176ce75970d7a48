"""The precision is part of a run's identity, separates features in the store, and is rejected where it cannot work."""

from __future__ import annotations

from pathlib import Path

from half_precision import skipped_without_kernel
from tiny_runs import one_spec

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.features.inputs import load_inputs
from bench.sweep.rules import backbone_conflict
from methods import METHODS, parse_backbone


def test_runs_and_features_of_two_precisions_never_meet(tmp_path: Path):
    specs = [one_spec("clip_adapter", "clip_adapter.recipe.epochs=2", precision=how) for how in ("fp32", "bf16")]
    assert len({spec.run_id for spec in specs}) == 2
    load_inputs.cache_clear()
    with skipped_without_kernel():
        records = [runner.run_experiment(spec, RunContext(cache_dir=tmp_path))[0] for spec in specs]
    assert all(record.cost is not None and record.cost.shared_image_passes for record in records)
    kinds = {folder.name.partition("-")[2] for folder in (tmp_path / "features").iterdir()}
    assert kinds == {"fp32", "fp32-text", "bf16", "bf16-text"}


def test_fp16_is_for_methods_without_gradients_through_a_tower():
    backbone = parse_backbone("ViT-tiny.random")
    able = {name for name in METHODS if backbone_conflict(METHODS.get(name).info, backbone, "fp16") is None}
    assert {"zero_shot", "clip_adapter", "tip_adapter", "linear_probe"} <= able
    assert not able & {"coop", "vpt", "maple", "apex", "clip_lora"}
    assert all(backbone_conflict(METHODS.get(name).info, backbone, "bf16") is None for name in METHODS)


def test_imported_features_have_no_arithmetic():
    info = METHODS.get("zero_shot").info
    spec = parse_backbone("ViT-tiny.random")
    imported = type(spec)("features", "mine")
    assert "use --precision fp32" in str(backbone_conflict(info, imported, "bf16"))
