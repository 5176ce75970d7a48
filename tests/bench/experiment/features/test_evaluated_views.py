"""Evaluated images are decoded once and stored as bytes; no number depends on whether they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from noise_images import SAMPLES, NoiseImages
from numpy.typing import NDArray
from parity_kit import tiny_backbone
from tiny_runs import forget_loaded, outcome, spec_of
from torch import Tensor

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.features import cache_folder as cache
from bench.experiment.features.feature_blocks import address, damaged_files
from bench.experiment.features.frozen_features import FeatureStore
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.view_pixels import EvaluatedViews, RenderedViews
from bench.experiment.features.views import CENTER_VIEW
from datasets_registry import get_dataset
from methods import Backbone, Needs

ROW = 32 * 32 * 3
"""Bytes of an image of the tiny tower."""
ROOMY = 10**9
ADDRESSES = [address(f"digest-{sample.key}", CENTER_VIEW.key) for sample in SAMPLES]


def inputs_in(folder: Path | None, limit: int = ROOMY, backbone: Backbone | None = None) -> Inputs:
    """As a new process has them."""
    tower = backbone or tiny_backbone()
    return Inputs(tower, FeatureStore(tower, None), lambda memory: EvaluatedViews(memory, folder, limit))


def evaluated(inputs: Inputs, images: NoiseImages, needs: Needs = "pixels", size: int = 6) -> Tensor:
    batches = inputs.evaluation_batches(images, SAMPLES, frozenset({needs}), size)
    return torch.cat([batch.hidden(1) if needs == "hidden" else batch.pixels for batch in batches])


def stored(folder: Path) -> list[Path]:
    return sorted(folder.glob("features/*-pixels/*.safetensors"))


def at_once(n: int, call: Callable[[], object]) -> None:
    with ThreadPoolExecutor(n) as pool:
        for done in [pool.submit(call) for _ in range(n)]:
            done.result()


@pytest.mark.parametrize("needs", ["pixels", "hidden"])
def test_the_next_process_decodes_no_image_and_gets_the_same_bits(tmp_path: Path, needs: Needs) -> None:
    images, later = NoiseImages(), NoiseImages()
    plain, cold = (evaluated(inputs_in(folder), images, needs) for folder in (None, tmp_path))
    assert images.loaded == [sample.key for sample in SAMPLES] * 2
    assert torch.equal(plain, cold)
    assert torch.equal(evaluated(inputs_in(tmp_path), later, needs, size=9), plain)
    assert later.loaded == []


def test_images_beyond_the_limit_are_decoded_and_not_stored(tmp_path: Path) -> None:
    limit = 13 * ROW  # two batches of five and the headers of their blocks, but no third
    images, later = NoiseImages(), NoiseImages()
    evaluated(inputs_in(tmp_path, limit), images, size=5)
    assert len(stored(tmp_path)) == 2
    assert sum(path.stat().st_size for path in stored(tmp_path)) <= limit
    assert torch.equal(evaluated(inputs_in(tmp_path, limit), later, size=5), evaluated(inputs_in(None), images))
    assert later.loaded == [sample.key for sample in SAMPLES[10:]]
    evaluated(inputs_in(tmp_path / "none", 0), images)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("damage", ["changed", "short", "gone"])
def test_a_broken_block_is_decoded_and_stored_again(tmp_path: Path, damage: str) -> None:
    plain = evaluated(inputs_in(tmp_path), NoiseImages())
    path = stored(tmp_path)[1]
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:] if damage == "changed" else content[:-7])
    if damage == "gone":
        path.unlink()
    images, later = NoiseImages(), NoiseImages()
    assert torch.equal(evaluated(inputs_in(tmp_path), images), plain)
    assert len(images.loaded) in (6, 2), "six and two images"
    evaluated(inputs_in(tmp_path), later)
    assert later.loaded == []
    assert damaged_files(tmp_path) == []


def test_views_that_memory_has_dropped_are_read_and_not_decoded(tmp_path: Path) -> None:
    store, asked = EvaluatedViews(RenderedViews(4, limit=5 * 48), tmp_path, ROOMY), []

    def render(positions: Sequence[int]) -> list[NDArray[np.uint8]]:
        asked.extend(positions)
        return [np.full((4, 4, 3), i, dtype=np.uint8) for i in positions]

    for _ in range(2):
        for view, i in zip(store.get(ADDRESSES, render), range(20), strict=True):
            assert (view == i).all()
    assert asked == list(range(20))


def test_backbones_share_images_of_one_size_and_preprocessing(tmp_path: Path) -> None:
    evaluated(inputs_in(tmp_path), NoiseImages())
    how = tiny_backbone().preprocessing
    for other, decoded in ((replace(how, mean=(0.5, 0.5, 0.5)), 0), (replace(how, resize_mode="squash"), 20)):
        backbone = copy(tiny_backbone())
        backbone.spec = replace(backbone.spec, given_preprocessing=other)
        images, fresh = NoiseImages(), inputs_in(None, backbone=backbone)
        assert torch.equal(evaluated(inputs_in(tmp_path, backbone=backbone), images), evaluated(fresh, NoiseImages()))
        assert len(images.loaded) == decoded
    assert [(entry.kind, entry.blocks) for entry in cache.cache_info(tmp_path)] == [("pixels", 4)] * 2
    assert {entry.slug for entry in cache.cache_info(tmp_path)} == {
        "32 pixels, bicubic, shortest",
        "32 pixels, bicubic, squash",
    }


def test_two_processes_at_once_decode_each_image_once(tmp_path: Path) -> None:
    images = NoiseImages()
    at_once(2, lambda: evaluated(inputs_in(tmp_path), images))
    assert sorted(images.loaded, key=int) == [sample.key for sample in SAMPLES]


def test_a_folder_that_cannot_be_written_is_read_and_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, content: bytes) -> None:
        tries.append(path)
        raise OSError(28, "No space left on device")

    tries: list[Path] = []
    images = NoiseImages()
    inputs_in(tmp_path).evaluated_pixels(images, SAMPLES[:6])
    monkeypatch.setattr("bench.experiment.features.feature_blocks.write_atomically", full)
    assert torch.equal(evaluated(inputs_in(tmp_path), images), evaluated(inputs_in(None), NoiseImages()))
    assert images.loaded == [sample.key for sample in SAMPLES]
    assert len(tries) == 1
    (warning,) = caplog.messages
    assert "written (No space left" in warning


@pytest.mark.parametrize("method", ["vpt", "mma"])
def test_no_bit_of_a_run_depends_on_what_is_stored(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, outcomes, decoded = spec_of(method), [], []
    source = type(get_dataset("spectrum_basic").reader(None).images)
    load = source.load
    monkeypatch.setattr(source, "load", lambda images, key: decoded.append(key) or load(images, key))
    roomy, tight = RunContext(cache_dir=tmp_path), RunContext(cache_dir=tmp_path / "tight", pixel_limit=30 * ROW)
    counts = []
    for context in (RunContext(), roomy, roomy, tight):
        forget_loaded()
        decoded.clear()
        outcomes.append(outcome(runner.run_experiment(spec, context)))
        counts.append(len(decoded))
    assert outcomes == outcomes[:1] * 4
    assert counts[0] == counts[1] == counts[2] + sum(score["n"] for score in outcomes[0][0]), "training images only"


def test_rendered_views_are_kept_while_there_is_room_whatever_the_threads() -> None:
    views = RenderedViews(32, limit=10 * 32 * 32 * 3)
    images = NoiseImages()

    def ask() -> None:
        for sample in SAMPLES:
            (view,) = views.get_all(images, sample.key, [CENTER_VIEW])
            assert view.shape == (32, 32, 3)

    at_once(4, ask)
    before = len(images.loaded)
    views.get_all(images, SAMPLES[-1].key, [CENTER_VIEW])
    assert len(images.loaded) == before
    views.get_all(images, SAMPLES[0].key, [CENTER_VIEW])
    assert len(images.loaded) == before + 1
