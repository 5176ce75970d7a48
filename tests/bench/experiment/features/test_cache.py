"""The feature cache as a folder: listed, verified, cleared, and limited in size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from counting_pixels import ADDRESSES, CountingPixels
from parity_kit import tiny_backbone
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.errors import CacheError, UsageError
from bench.experiment.features import cache_folder as cache
from bench.experiment.features.cache_folder import make_room
from bench.experiment.features.feature_blocks import address, damaged_files, pack_block
from bench.experiment.features.frozen_features import FeatureStore, FrozenTexts
from bench.experiment.features.inputs import shared_inputs
from bench.sweep import expand
from bench.sweep.driver import shared_features


def fill(folder: Path, backbone: str, shards: int, rows: int = 8) -> list[Path]:
    place = folder / "features" / backbone
    place.mkdir(parents=True)
    paths = []
    for i in range(shards):
        path = place / f"{i:032x}.safetensors"
        path.write_bytes(pack_block([address(f"{i}-{j}", "c") for j in range(rows)], torch.ones(rows, 4)))
        os.utime(path, (i, i))
        paths.append(path)
    return paths


def test_info_counts_by_backbone(tmp_path: Path) -> None:
    assert cache.cache_info(tmp_path) == []
    fill(tmp_path, "aa-fp32", 3)
    one = fill(tmp_path, "bb-fp32", 1)[0]
    first, second = cache.cache_info(tmp_path)
    assert (first.name, first.blocks) == ("aa-fp32", 3)
    assert (second.blocks, second.bytes) == (1, one.stat().st_size)


def test_the_least_recently_used_make_room_first(tmp_path: Path) -> None:
    paths = fill(tmp_path, "aa-fp32", 4)
    size = paths[0].stat().st_size
    os.utime(paths[0], (99, 99))
    assert make_room(tmp_path, limit=2 * size + 1) == 2 * size
    assert [p.exists() for p in paths] == [True, False, False, True]
    assert make_room(tmp_path, limit=2 * size) == 0


def test_reading_features_marks_their_shard_as_used(tmp_path: Path) -> None:
    for asked in ADDRESSES[:2]:
        FeatureStore(tiny_backbone(), tmp_path).get([asked], CountingPixels())
    paths = sorted((tmp_path / "features").glob("*/*.safetensors"))
    for path in paths:
        os.utime(path, (1, 1))
    FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES[:1], CountingPixels())
    assert sorted(p.stat().st_mtime > 1 for p in paths) == [False, True]


def test_verify_finds_damage_and_only_damage(tmp_path: Path, etl: Any) -> None:
    paths = fill(tmp_path, "aa-fp32", 3)
    paths[1].write_bytes(paths[1].read_bytes()[:-3])
    assert damaged_files(tmp_path) == [paths[1]]
    assert etl("doctor", "cache", "verify", "--cache", tmp_path)[0] == 1
    assert not paths[1].exists()
    assert etl("doctor", "cache", "verify", "--cache", tmp_path)[0] == 0


def test_clear_takes_one_backbone_or_all(tmp_path: Path, etl: Any) -> None:
    fill(tmp_path, "aa-fp32", 2)
    fill(tmp_path, "bb-fp32", 2)
    assert cache.clear_cache(tmp_path, "aa") > 0
    assert [c.blocks for c in cache.cache_info(tmp_path)] == [0, 2]
    with pytest.raises(CacheError, match="begins with 'zz'.*aa-fp32, bb-fp32"):
        cache.clear_cache(tmp_path, "zz")
    assert etl("doctor", "cache", "clear", "--cache", tmp_path)[0] == 0
    assert sum(c.bytes for c in cache.cache_info(tmp_path)) == 0


def test_sizes_are_read_or_refused() -> None:
    sizes = {"500": 500, "2K": 2048, "1.5M": 3 * 2**19, "20GiB": 20 * 2**30}
    assert {text: cache.parse_size(text) for text in sizes} == sizes
    with pytest.raises(UsageError, match="Size 'much' .* 500M or 20G"):
        cache.parse_size("much")


def test_folders_say_which_backbone_they_are_for(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    store = FeatureStore(backbone, tmp_path)
    store.get(ADDRESSES[:1], CountingPixels())
    FrozenTexts(backbone.digest, tmp_path, "bf16")(["a"], lambda: torch.zeros(1, 4))
    store.unprojected().get(ADDRESSES[:1], CountingPixels())
    assert damaged_files(tmp_path) == []
    found = {(one.slug, one.precision, one.kind) for one in cache.cache_info(tmp_path)}
    assert found == {(backbone.slug, *kind) for kind in (("fp32", "image"), ("bf16", "text"), ("fp32", "pooled"))}


def test_a_plan_says_what_its_runs_share(tmp_path: Path) -> None:
    axes = sweep_over(
        ["zero_shot", "clip_adapter", "vpt"], ["spectrum_basic", "spectrum_blur"], ["ViT-tiny.random"], seeds=(1, 2)
    )
    specs = expand(axes).specs
    (cold,) = shared_features(specs, tmp_path, "cpu")
    assert cold == "ViT-tiny.random: frozen features of 2 datasets, computed once for 6 of 10 runs"
    shared_inputs("ViT-tiny.random", RunContext(cache_dir=tmp_path)).backbone.encode_texts(["a"])
    (warm,) = shared_features(specs, tmp_path, "cpu")
    assert warm.startswith(f"{cold}; ")
    assert warm.endswith(" MiB of them are cached")
    plain, elsewhere = shared_features(specs, tmp_path, "cuda")
    assert plain == cold
    assert "MiB of cached features are from another kind of device" in elsewhere
    assert list(shared_features([], tmp_path, "cpu")) == []
