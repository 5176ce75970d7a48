"""The comparison with official code: what can be checked without it, and the comparison itself where it is present."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from compare import (
    HERE,
    OfficialCodeError,
    Places,
    changed,
    compare,
    eurosat_reason,
    main,
    missing,
    rows,
    run_official,
    table,
    times_table,
)
from comparison_jobs import COMMITS, COMPARISONS, SHOTS, Comparison
from official_task import weights_file
from our_side import copy_tensors, follow_order, recipe_of
from parity_kit import class_set, support_view, tiny_backbone
from places import REAL_DATA
from recorded_run import RecordedRun
from small_datasets import write_dataset
from stopwatch import Stopwatch
from tuned_clips import CLIPS, tuned_clip

from methods import get_method, load_backbone, parse_backbone

CHECKOUTS = Path(os.environ.get("ETL_BENCH_OFFICIAL", "/nonexistent"))
EUROSAT = REAL_DATA / "real" / "eurosat"
PLAIN = COMPARISONS[0]


@pytest.mark.official_code
@pytest.mark.parametrize("one", COMPARISONS, ids=lambda one: one.name)
def test_our_predictions_are_the_official_ones(one: Comparison, tmp_path: Path) -> None:
    assert not missing(one, CHECKOUTS)
    assert not eurosat_reason(EUROSAT)
    for row in compare(one, Places(CHECKOUTS, EUROSAT, tmp_path / "clips"), seed=1, steps=3):
        assert row.draw is not False
        assert row.alike == row.images, row
        assert row.loss is None or row.loss < 1e-5


def prepared(one: Comparison) -> Any:
    method_class = get_method(one.method)
    settings = {key: value for key, value in one.settings.items() if not key.startswith("recipe.")}
    config = method_class.info.config.model_validate(settings)
    method = method_class(tiny_backbone(), config, torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    return method


@pytest.mark.parametrize("one", [one for one in COMPARISONS if one.tensors], ids=lambda one: one.name)
def test_every_trained_tensor_starts_at_an_official_one(one: Comparison) -> None:
    method = prepared(one)
    assert one.tensors
    official = {f"init/{name}": np.full(t.shape, 7.0, np.float32) for name, t in one.tensors(method).items()}
    copy_tensors(replace(one, computed=()), method, official)
    assert all((parameter == 7).all() for parameter in method.trainable.parameters())


def test_a_start_that_is_computed_otherwise_is_named() -> None:
    (one,) = (one for one in COMPARISONS if one.name == "LP++")
    official = {f"init/{name}": t.detach().clone().numpy() for name, t in (one.tensors or dict)(prepared(one)).items()}
    copy_tensors(one, prepared(one), official)
    official["init/alpha"] *= 1.01
    with pytest.raises(ValueError, match=r"LP\+\+: alpha starts"):
        copy_tensors(one, prepared(one), official)


def test_tensors_that_no_loss_depends_on_are_left_out_and_others_that_one_side_lacks_are_named() -> None:
    method = prepared(PLAIN)
    official = {"init/prompt_learner.ctx": np.full(method.trainable.ctx.shape, 7.0, np.float32)}
    official["init/prompt_learner.other"] = np.zeros(3, np.float32)
    copy_tensors(replace(PLAIN, unused=("prompt_learner.other",)), method, official)
    assert (method.trainable.ctx == 7).all()
    del official["init/prompt_learner.ctx"]
    with pytest.raises(ValueError, match=r"differ in \['prompt_learner.ctx', 'prompt_learner.other'\]"):
        copy_tensors(PLAIN, method, official)


def test_each_comparison_has_what_it_names() -> None:
    assert {name for one in COMPARISONS for name in one.needs} == set(COMMITS)
    assert {one.backbone for one in COMPARISONS} <= {*CLIPS, "ViT-demo.drawn"}
    adapters = {path.stem for path in (HERE / "adapters").glob("*.py")}
    assert {one.adapter for one in COMPARISONS if not one.trainer} == adapters


def test_an_official_schedule_becomes_a_recipe() -> None:
    optim = {
        "NAME": "adadelta", "LR": 0.15, "MOMENTUM": 0.9, "WEIGHT_DECAY": 1e-3, "WARMUP_TYPE": "linear",
        "WARMUP_EPOCH": 1, "WARMUP_MIN_LR": 1e-2, "WARMUP_CONS_LR": 1e-5,
    }  # fmt: skip
    ours = recipe_of(optim, 30)
    assert (ours["optimizer"], ours["warmup"], ours["warmup_lr"], ours["epochs"]) == ("adadelta", "linear", 1e-2, 30)
    assert recipe_of(optim | {"WARMUP_TYPE": "constant"}, 30)["warmup_lr"] == 1e-5


# The official side


STAND_IN = Comparison(
    "stand-in", "coop", "repository", "OffsetText", None, "configs/trainer.yaml", also=(), classes="base",
)  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A small repository, and EuroSAT with four classes."""
    folder = tmp_path_factory.mktemp("places")
    shutil.copytree(Path(__file__).parents[1] / "support" / "stand_in_repository", folder / "repository")
    write_dataset(folder / "data", "eurosat", train=SHOTS, val=SHOTS)
    return Places(folder, folder / "data" / "eurosat", folder / "clips")


def official(one: Comparison, places: Places, work: Path) -> dict[str, Any]:
    return run_official(
        one, places, backbone="ViT-tiny.random", root=places.eurosat.parent, work=work, seed=1, steps=2, given={}
    )


def test_official_code_trains_and_is_tested_on_both_halves(places: Places, tmp_path: Path) -> None:
    found = official(STAND_IN, places, tmp_path)
    assert len(found["loss/loss"]) == 2
    assert found["loss/loss"][1] < found["loss/loss"][0]
    assert (found["init/offset"] == 0).all()
    assert np.abs(found["logits"] - found["logits_before"]).max() > 0
    assert found["logits"].shape == found["logits_new"].shape == (4, 2)
    assert json.loads(str(found["optim"]))["NAME"] == "sgd"
    assert len(found["train_images"]) == 4 * SHOTS
    assert all(found["seconds"] > 0)
    assert not (places.checkouts / "repository" / "output").exists()


def test_an_adapter_works_with_our_images_and_weights(places: Places, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text(
        "def train(task):\n"
        "    images, labels = next(iter(task.train_loader(len(task.classes.lists['train']), shuffle=False)))\n"
        "    task.keep_start('images', images)\n"
        "    return lambda classes: [row for images, _ in classes.test_loader\n"
        "                            for row in task.clip.encode_image(images)[:, :2].tolist()]\n"
    )
    found = official(replace(STAND_IN, adapter=str(adapter.with_suffix("")), trainer=""), places, tmp_path)
    assert found["init/images"].shape[:2] == (2 * SHOTS, 3)
    assert found["logits"].shape == found["logits_new"].shape == (4, 2)


def test_official_code_that_fails_is_an_error_with_its_last_lines(places: Places, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"KeyError: 'NoTrainer'\" >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(OfficialCodeError, match="repository ended with 1:\nKeyError: 'NoTrainer'"):
        official(STAND_IN, replace(places, python=str(python)), tmp_path)


def test_code_that_is_recorded_in_this_process_gets_our_weights(places: Places, tmp_path: Path) -> None:
    weights_file(tiny_backbone(), tmp_path / "clip.pt")
    code = (
        "import sys\nfrom pathlib import Path\nfrom on_the_cpu import import_official, serve_weights\n"
        "import_official(Path(sys.argv[1]), Path())\nserve_weights(Path(sys.argv[2]))\n"
        "import clip\nprint(clip.load('ViT-B/16')[0].conv.dtype)\n"
    )
    words = [sys.executable, "-c", code, str(places.checkouts / "repository"), str(tmp_path / "clip.pt")]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(HERE)}, capture_output=True, text=True, check=True)
    assert done.stdout == "torch.float32\n"


def test_a_tuned_clip_is_made_once_and_separates_its_images(tmp_path: Path) -> None:
    pixels = torch.randn(4, 3, 32, 32).repeat_interleave(10, dim=0)
    labels = torch.arange(4).repeat_interleave(10)
    folder = tuned_clip("tiny", tmp_path, pixels, labels, ["river", "forest", "highway", "sea"])
    stored = (folder / "open_clip_model.safetensors").stat().st_mtime_ns
    backbone = load_backbone(parse_backbone(f"local-dir:{folder}"))
    assert float(backbone.logit_scale) == pytest.approx(100, rel=1e-3)
    tuned_clip("tiny", tmp_path, pixels, labels, ["river", "forest", "highway", "sea"])
    assert (folder / "open_clip_model.safetensors").stat().st_mtime_ns == stored


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
    return {**lists, "loss/loss": np.array([2.0, 1.1]), "logits": logits, "logits_before": logits + 2}


def test_a_row_counts_what_differs_and_agrees_only_where_rounding_explains_it() -> None:
    (row,) = rows(PLAIN, official_recording([0, 1, 2, 1]), recorded([0, 1, 2, 2]), seed=2)
    assert (row.images, row.alike, row.classes, row.draw, row.steps) == (4, 3, 3, True, 2)
    assert row.loss == pytest.approx(0.1 / 1.1)
    assert (row.logits, row.moved) == (1, 2)
    assert "| 3/4 |" in table([row])
    assert not row.agrees
    assert not replace(row, noise=0.1).agrees
    assert replace(row, noise=0.3).agrees
    assert "| 1e+00 (3e-01) |" in table([replace(row, noise=0.3)])
    assert not replace(row, noise=0.3, draw=False).agrees


def test_small_losses_are_compared_with_a_smallest_one() -> None:
    official = official_recording([0, 1, 2, 1]) | {"loss/loss": np.array([2.0, 0.0])}
    (row,) = rows(PLAIN, official, replace(recorded([0, 1, 2, 1]), losses=[2.0, 1e-6]), seed=1)
    assert row.loss == pytest.approx(1e-3)


def test_the_times_are_medians_by_training_with_their_ratio() -> None:
    (row,) = rows(PLAIN, official_recording([0, 1, 2, 1]), recorded([0, 1, 2, 1]), seed=1)
    seeds = [replace(row, seed=seed, cpu=(6.0 * seed, 2.0), wall=(9.0, 4.0)) for seed in (1, 2, 3)]
    other = replace(row, name="other", split="new", cpu=(1.0, 1.0), wall=(1.0, 1.0))
    lines = times_table([*seeds, other, replace(row, name="without steps")]).splitlines()
    assert lines[2] == f"| {PLAIN.name} | 2 | 12.00 | 2.00 | 6.0 |"
    assert lines[3] == "| other | 2 | 1.00 | 1.00 | 1.0 |"
    assert lines[-1] == "2 trainings: the median ratio is 3.5, the lowest 1.0."
    assert times_table([row]) == ""


def test_a_pause_does_not_count() -> None:
    stopwatch = Stopwatch()
    assert stopwatch.seconds() is None
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    stopwatch.start()
    stopwatch.pausing(time.sleep)(0.2)
    weight.sum().backward()
    optimizer.step()
    seconds = stopwatch.seconds()
    assert seconds is not None
    assert seconds[1] < 0.2


def test_a_method_follows_the_official_batches_of_each_epoch() -> None:
    method = prepared(PLAIN)
    follow_order(method, [[[1, 0], [3, 2]], [[2, 3]]])
    assert [images.tolist() for images in method.arrange([torch.arange(4)])] == [[1, 0], [3, 2]]
    assert [images.tolist() for images in method.arrange([torch.arange(4)])] == [[2, 3]]


def test_drawn_classes_and_images_are_the_official_ones() -> None:
    (one,) = (one for one in COMPARISONS if one.name == "DPC on CoOp, share 1, base to new")
    method = prepared(one)
    method.begin_stage(1)
    labels = method.support.labels.tolist()
    chosen = [labels.index(2), labels.index(3)]
    one.given(method, {"kept/negatives": np.asarray(json.dumps([chosen, chosen]))})
    assert method.negatives([0, 1], [[0, 2, 1, 3], [1, 0, 2, 3]]) == [2, 3]
    assert [method.places[c][method.drawn(2)] for c in (2, 3)] == chosen
    with pytest.raises(ValueError, match=r"are \[3, 2\] here and \[2, 3\] there"):
        method.negatives([0, 1], [[3, 2, 0, 1], [1, 0, 2, 3]])


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


def test_without_an_official_draw_the_table_says_ours_and_a_loss_that_is_not_comparable_is_left_out() -> None:
    one = replace(PLAIN, adapter="some", loss="")
    (row,) = rows(one, official_recording([0, 1, 2, 1]), recorded([0, 1, 2, 1]), seed=1)
    assert (row.draw, row.loss, row.agrees) == (None, None, True)
    assert "| ours |" in table([row])
    assert "| 0.0/0.0 |  |" in table([replace(row, accuracy=0.0, our_accuracy=0.0)])


# What is absent


def test_absent_checkouts_are_named_with_their_commits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "2750").mkdir()
    (tmp_path / "split_zhou_EuroSAT.json").write_text(json.dumps({"train": [], "val": [], "test": []}))
    assert main(["--checkouts", str(tmp_path / "none"), "--eurosat", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(COMPARISONS)
    assert said[0].startswith("skipped: CoOp, 16 vectors: no")


def test_an_absent_eurosat_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkouts", str(tmp_path), "--eurosat", str(tmp_path / "eurosat")]) == 2
    assert capsys.readouterr().err == f"skipped: no EuroSAT: {tmp_path / 'eurosat' / '2750'} does not exist\n"
