"""Frozen features are computed once, survive damage, and have the same bits in whatever order they are requested."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from counting_pixels import ADDRESSES, CountingPixels
from parity_kit import images, tiny_backbone
from torch import Tensor

from bench.errors import CacheError
from bench.experiment.features import feature_blocks
from bench.experiment.features.feature_blocks import BlockFolder, address, read_block
from bench.experiment.features.frozen_features import (
    ENCODE_BATCH,
    FeatureStore,
    encode_padded,
    fitting_pass,
    images_per_pass,
    pass_arithmetic,
)
from methods import Backbone, Precision


def plain(positions: Sequence[int] = range(20)) -> Tensor:
    with torch.no_grad():
        return tiny_backbone().encode_image(images("test")[list(positions)])


def test_features_are_those_of_the_tower_and_a_second_request_computes_nothing_in_this_process_or_the_next(
    tmp_path: Path,
) -> None:
    pixels = CountingPixels()
    store = FeatureStore(tiny_backbone(), tmp_path)
    cold = store.get(ADDRESSES, pixels)
    torch.testing.assert_close(cold, plain(), atol=1e-6, rtol=1e-6)
    assert sorted(pixels.asked) == list(range(20))
    again = CountingPixels()
    assert torch.equal(store.get(ADDRESSES, again), cold)
    assert torch.equal(FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES[::-1], again), cold.flip(0))
    assert again.asked == []


def test_bits_do_not_depend_on_what_was_asked_together(tmp_path: Path) -> None:
    whole = FeatureStore(tiny_backbone(), None).get(ADDRESSES, CountingPixels())
    store, shuffled = (FeatureStore(tiny_backbone(), None) for _ in range(2))
    for i in (7, 3, 19):
        alone = store.get([ADDRESSES[i]], lambda _, i=i: images("test")[i : i + 1])
        assert torch.equal(alone[0], whole[i])
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0)).tolist()
    got = shuffled.get([ADDRESSES[i] for i in order], lambda some: images("test")[[order[j] for j in some]])
    assert torch.equal(got, whole[order])


def test_only_what_is_missing_is_computed_and_a_repeated_image_once(tmp_path: Path) -> None:
    FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES[:12], CountingPixels())
    pixels = CountingPixels()
    features = FeatureStore(tiny_backbone(), tmp_path).get([*ADDRESSES, ADDRESSES[19]], pixels)
    assert sorted(pixels.asked) == list(range(12, 20))
    assert torch.equal(features[19], features[20])


def test_any_other_part_of_the_address_misses(tmp_path: Path) -> None:
    backbone, known = tiny_backbone(), address("image0", "center")
    other = Backbone(backbone.spec, copy.deepcopy(backbone.model))
    other.model.logit_scale.data += 1
    for tower, key, asked in (
        (backbone, known, [0]),
        (backbone, known, []),
        (backbone, address("image0'", "center"), [0]),
        (backbone, address("image0", "crop-1"), [0]),
        (other, known, [0]),
        (replace(backbone, precision=Precision.BF16), known, [0]),
    ):
        pixels = CountingPixels()
        FeatureStore(tower, tmp_path).get([key], pixels)
        assert pixels.asked == asked


def test_a_damaged_shard_is_computed_again(tmp_path: Path) -> None:
    cold = FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES, CountingPixels())
    (path,) = tmp_path.rglob("*.safetensors")
    content = path.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    for damaged in (content[:-100], flipped, b"", b"<html>"):
        path.write_bytes(damaged)
        assert read_block(path) is None
        pixels = CountingPixels()
        assert torch.equal(FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES, pixels), cold)
        assert len(pixels.asked) == 20
        assert read_block(path) is not None, "the shard was replaced"


def raising(error: BaseException) -> Callable[..., None]:
    def raises(*_: object) -> None:
        raise error

    return raises


def test_a_writer_that_dies_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES[:1], CountingPixels())
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["backbone.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("in the way")
    with pytest.raises(CacheError, match="created .*another --cache"):
        FeatureStore(tiny_backbone(), tmp_path)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureStore(tiny_backbone(), tmp_path)
    monkeypatch.setattr(feature_blocks, "write_atomically", raising(OSError(28, "No space left")))
    with pytest.raises(CacheError, match="No space left.*free"):
        store.get(ADDRESSES[:1], CountingPixels())


def test_pooled_features_are_what_the_tower_projects_and_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    store = FeatureStore(backbone, tmp_path)
    pooled = store.unprojected().get(ADDRESSES, CountingPixels())
    assert pooled.shape == (20, backbone.vision_width)
    torch.testing.assert_close(backbone.image_tower.project_to_joint_space(pooled), plain(), atol=1e-5, rtol=1e-5)
    untouched = CountingPixels()
    assert torch.equal(FeatureStore(backbone, tmp_path).unprojected().get(ADDRESSES, untouched), pooled)
    assert untouched.asked == []
    assert store.get(ADDRESSES, CountingPixels()).shape == (20, backbone.embed_dim)


def test_two_processes_that_want_the_same_features_compute_them_once(tmp_path: Path) -> None:
    begun, counted, second = threading.Event(), CountingPixels(), CountingPixels()

    def slow(some: Sequence[int]) -> Tensor:
        begun.set()
        time.sleep(0.2)  # the other one asks meanwhile
        return counted(some)

    with ThreadPoolExecutor(2) as pool:  # each with a store of its own, as in two processes
        first = pool.submit(FeatureStore(tiny_backbone(), tmp_path).get, ADDRESSES, slow)
        begun.wait()
        other = pool.submit(FeatureStore(tiny_backbone(), tmp_path).get, ADDRESSES, second)
    assert torch.equal(first.result(), other.result())
    assert (len(counted.asked), len(second.asked)) == (20, 0)
    assert not list(tmp_path.rglob("*.lock"))


def test_features_are_computed_here_if_the_other_process_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_blocks, "WAIT_SECONDS", 0.05)
    store, pixels = FeatureStore(tiny_backbone(), tmp_path), CountingPixels()
    with BlockFolder(store.folder).alone(ADDRESSES):  # another process, which does not come to its end
        features = store.get(ADDRESSES, pixels)
    assert torch.equal(features, FeatureStore(tiny_backbone(), None).get(ADDRESSES, CountingPixels()))
    assert len(pixels.asked) == 20


# Threads


def test_features_of_other_threads_are_computed_again(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        for threads, computed in ((1, 10), (2, 10), (2, 0), (1, 0)):
            torch.set_num_threads(threads)
            pixels = CountingPixels()
            FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES[:10], pixels)
            assert len(pixels.asked) == computed
    finally:
        torch.set_num_threads(before)


# The size of a pass


def test_the_cpu_keeps_its_size_and_its_address() -> None:
    assert images_per_pass(tiny_backbone()) == ENCODE_BATCH == 32
    assert pass_arithmetic(tiny_backbone()) == "fp32"


@pytest.mark.parametrize(
    ("tower", "tokens", "width", "size"),
    [
        ("ViT-B-32", 50, 768, 256),
        ("ViT-B-16", 197, 768, 128),
        ("ViT-L-14", 257, 1024, 64),
        ("ViT-L-14-336", 577, 1024, 32),
        ("a tower too large for the limit", 10_000, 4096, 32),
        ("ViT-tiny", 17, 64, 256),
    ],
)
def test_a_gpu_takes_more_images_of_a_smaller_tower(tower: str, tokens: int, width: int, size: int) -> None:
    assert fitting_pass(tokens, width) == size, tower


def test_padding_is_neither_returned_nor_counted() -> None:
    backbone = tiny_backbone()
    before = backbone.passes.image
    seen: list[torch.Size] = []

    def tower(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(pixels.shape)
        return pixels.flatten(1)[:, :3].double()

    some = images("test")[:5]
    found = encode_padded(backbone, some, tower, Fraction(1, 2), 8)
    torch.testing.assert_close(found, some.flatten(1)[:, :3], atol=0, rtol=0)  # also of its type
    assert seen[0][0] == 8
    assert backbone.passes.image - before == -Fraction(3, 2)
