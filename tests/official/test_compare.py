"""The comparison with official code: what can be checked without it, and the comparison itself where it is present."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import official_patches
import pytest
import torch
from compare import changed, compare, eurosat_reason, main, missing, rows, table
from official_jobs import COMMITS, COMPARISONS, Comparison
from our_side import copy_tensors, recipe_of
from parity_kit import class_set, support_view, tiny_backbone
from places import REAL_DATA
from recorded_run import RecordedRun

from datasets_registry import get_dataset
from methods import get_method, load_backbone, parse_backbone
from methods._parts.apex_parts import class_distances, ensemble_weight

CHECKOUTS = Path(os.environ.get("ETL_BENCH_OFFICIAL", "/nonexistent"))
EUROSAT = REAL_DATA / "real" / "eurosat"
PLAIN = COMPARISONS[0]


@pytest.mark.official_code
@pytest.mark.parametrize("one", COMPARISONS, ids=lambda one: one.name)
def test_our_predictions_are_the_official_ones(one: Comparison) -> None:
    assert missing(one, CHECKOUTS) is None
    assert eurosat_reason(EUROSAT) is None
    for row in compare(one, checkouts=CHECKOUTS, eurosat=EUROSAT, seed=1, steps=3):
        assert row.draw
        assert row.alike == row.images, row
        assert row.loss < 1e-5


def prepared(one: Comparison) -> Any:
    method_class = get_method(one.method)
    config = method_class.info.config.model_validate(dict(one.settings))
    method = method_class(tiny_backbone(), config, torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    return method


@pytest.mark.parametrize("one", COMPARISONS, ids=lambda one: one.name)
def test_every_trained_tensor_starts_at_an_official_one(one: Comparison) -> None:
    method = prepared(one)
    official = {f"init/{name}": np.full(t.shape, 7.0, np.float32) for name, t in one.tensors(method).items()}
    if one.method == "apex":
        official |= {f"reference/clip_model_temp.{name.removeprefix('init/image_encoder.')}": value
                     for name, value in official.items() if name.endswith(("VPT", "VPT_shallow"))}  # fmt: skip
        official = {name.replace("clip_model_temp.", "clip_model_temp.visual."): v for name, v in official.items()}
    copy_tensors(replace(one, computed=()), method, official)
    assert all((parameter == 7).all() for parameter in method.trainable.parameters())


def test_a_start_that_is_computed_otherwise_is_named() -> None:
    (one,) = (one for one in COMPARISONS if one.name == "LP++")
    official = {f"init/{name}": t.detach().clone().numpy() for name, t in one.tensors(prepared(one)).items()}
    copy_tensors(one, prepared(one), official)
    official["init/alpha"] *= 1.01
    with pytest.raises(ValueError, match=r"LP\+\+: alpha starts at other values; the largest difference is"):
        copy_tensors(one, prepared(one), official)


def test_a_tensor_that_one_side_lacks_is_named() -> None:
    with pytest.raises(ValueError, match=r"trained tensors differ in \['prompt_learner.ctx', 'prompt_learner.other'\]"):
        copy_tensors(PLAIN, prepared(PLAIN), {"init/prompt_learner.other": np.zeros(3, np.float32)})


def test_the_patches_of_all_comparisons_exist() -> None:
    assert all(hasattr(official_patches, one.patch) for one in COMPARISONS if one.patch)
    assert {name for one in COMPARISONS for name in one.needs} == set(COMMITS)


def test_an_official_schedule_becomes_a_recipe() -> None:
    optim = {
        "NAME": "adadelta", "LR": 0.15, "MOMENTUM": 0.9, "WEIGHT_DECAY": 1e-3, "WARMUP_TYPE": "linear",
        "WARMUP_EPOCH": 1, "WARMUP_MIN_LR": 1e-2, "WARMUP_CONS_LR": 1e-5,
    }  # fmt: skip
    ours = recipe_of(optim, 30)
    assert (ours["optimizer"], ours["warmup"], ours["warmup_lr"], ours["epochs"]) == ("adadelta", "linear", 1e-2, 30)
    assert recipe_of(optim | {"WARMUP_TYPE": "constant"}, 30)["warmup_lr"] == 1e-5


def test_the_ensemble_is_active_where_new_classes_are_compared() -> None:
    (one,) = (one for one in COMPARISONS if one.classes == "base")
    names, backbone = get_dataset("eurosat").class_names, load_backbone(parse_backbone(one.backbone))
    texts = [backbone.encode_texts([f"a photo of a {name}." for name in some]) for some in (names[5:], names[:5])]
    weight = ensemble_weight(*class_distances(*texts, "max"), beta=4.0, eps=0.05)
    assert (weight < 0.6).sum() == 3


# What the table says


def recorded(predicted: list[int]) -> RecordedRun:
    samples = [SimpleNamespace(key=f"2750/River/River_{i}.jpg", label=i % 3) for i in range(4)]
    part = SimpleNamespace(samples=samples)
    task: Any = SimpleNamespace(support=part, validation=part, evals=[SimpleNamespace(name="all", samples=samples)])
    logits = torch.nn.functional.one_hot(torch.tensor(predicted), 3).float()
    return RecordedRun(task, losses=[2.0, 1.0], logits={"all": logits})


def official_recording(predicted: list[int]) -> dict[str, Any]:
    lists = {
        f"{part}_images": np.array([f"River/River_{i}.jpg" for i in range(4)]) for part in ("train", "val", "test")
    }
    lists |= {f"{part}_labels": np.array([0, 1, 2, 0]) for part in ("train", "val", "test")}
    logits = np.eye(3, dtype=np.float32)[predicted]
    return {**lists, "losses": np.array([2.0, 1.1]), "logits": logits, "logits_before": logits + 2}


def test_a_row_counts_what_differs() -> None:
    (row,) = rows(PLAIN, official_recording([0, 1, 2, 1]), recorded([0, 1, 2, 2]), seed=2)
    assert (row.images, row.alike, row.classes, row.draw, row.steps) == (4, 3, 3, True, 2)
    assert row.loss == pytest.approx(0.1 / 1.1)
    assert (row.logits, row.moved) == (1, 2)
    assert "| 3 of 4 |" in table([row])


def test_different_predictions_agree_only_where_rounding_explains_them() -> None:
    (row,) = rows(PLAIN, official_recording([0, 1, 2, 1]), recorded([0, 1, 2, 2]), seed=2)
    assert not row.agrees
    assert not replace(row, noise=0.1).agrees
    assert replace(row, noise=0.3).agrees
    assert "| 1e+00 (3e-01) |" in table([replace(row, noise=0.3)])
    assert not replace(row, noise=0.3, draw=False).agrees


def test_the_noise_is_the_largest_change_of_three() -> None:
    others = [recorded([0, 1, 2, 2]) for _ in range(3)]
    others[1].logits["all"] += 0.25
    assert changed(recorded([0, 1, 2, 2]), others, "all") == 0.25


def test_another_draw_is_a_no_and_other_test_images_are_an_error() -> None:
    other = official_recording([0, 1, 2, 1])
    other["train_images"] = other["train_images"][::-1]
    (row,) = rows(PLAIN, other, recorded([0, 1, 2, 1]), seed=1)
    assert not row.draw
    assert "| NO |" in table([row])
    other["test_images"] = other["test_images"][::-1]
    with pytest.raises(ValueError, match="the test images differ"):
        list(rows(PLAIN, other, recorded([0, 1, 2, 1]), seed=1))


# What is absent


def test_absent_checkouts_are_named_with_their_commits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "2750").mkdir()
    (tmp_path / "split_zhou_EuroSAT.json").write_text(json.dumps({"train": [], "val": [], "test": []}))
    assert main(["--checkouts", str(tmp_path / "none"), "--eurosat", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(COMPARISONS)
    assert said[0].startswith("skipped: CoOp, 16 vectors: no checkout of CoOp (commit ff61507) at ")


def test_an_absent_eurosat_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkouts", str(tmp_path), "--eurosat", str(tmp_path / "eurosat")]) == 2
    assert capsys.readouterr().err == f"skipped: no EuroSAT: {tmp_path / 'eurosat' / '2750'} does not exist\n"
