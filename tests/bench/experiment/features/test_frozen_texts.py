"""Features of plain texts are computed once per list, survive damage, and never depend on earlier requests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from parity_kit import tiny_backbone

from bench.errors import CacheError
from bench.experiment.features.cache_folder import Budget
from bench.experiment.features.frozen_features import MAX_LISTS, FrozenTexts
from methods import Backbone, Passes

TEXTS = ["a photo of a cat.", "a photo of a great grey owl.", "a dog"]


def remembering(folder: Path | None) -> Backbone:
    shared = tiny_backbone()
    return replace(shared, passes=Passes(), text_memory=FrozenTexts(shared.digest, folder))


def test_features_are_those_of_the_tower_bit_for_bit(tmp_path: Path):
    plain = tiny_backbone().encode_texts(TEXTS)
    cold, warm = remembering(tmp_path), remembering(tmp_path)
    assert torch.equal(cold.encode_texts(TEXTS), plain)
    assert torch.equal(warm.encode_texts(TEXTS), plain)
    assert (cold.passes.text, warm.passes.text) == (len(TEXTS), 0)
    cold.encode_texts(TEXTS).zero_()
    assert torch.equal(cold.encode_texts(TEXTS), plain), "what a caller does to them stays with the caller"


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_list_is_encoded_once_and_another_list_is_another(tmp_path: Path, on_disk: bool):
    backbone = remembering(tmp_path if on_disk else None)
    for texts, passes in (
        (TEXTS, 3), (TEXTS, 3), (TEXTS[:2], 5), (TEXTS[::-1], 8), (["a\0b", "c"], 10), (["a", "b\0c"], 12),
    ):  # fmt: skip
        backbone.encode_texts(texts)
        assert backbone.passes.text == passes, "other lists have bits of their own, and texts do not run together"


@pytest.mark.parametrize("damage", [b"", b"no tensors at all"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage: bytes):
    expected = remembering(tmp_path).encode_texts(TEXTS)
    (path,) = tmp_path.rglob("*-text/*.safetensors")
    path.write_bytes(damage)
    backbone = remembering(tmp_path)
    assert torch.equal(backbone.encode_texts(TEXTS), expected)
    assert backbone.passes.text == 3
    assert path.stat().st_size > 100, "the file was replaced"


def test_memory_is_bounded():
    texts = FrozenTexts("d", None)
    for i in range(MAX_LISTS + 1):
        texts([str(i)], lambda: torch.zeros(1, 2))
    asked = []
    texts([str(MAX_LISTS)], lambda: asked.append("last") or torch.zeros(1, 2))
    texts(["0"], lambda: asked.append("first") or torch.zeros(1, 2))
    assert asked == ["first"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "features").write_text("a file in the way")
    with pytest.raises(CacheError, match="cannot be written.*another --cache"):
        FrozenTexts("d", tmp_path)(["a"], lambda: torch.zeros(1, 2))


def test_a_budget_makes_room_while_texts_are_written(tmp_path: Path):
    size = 2000
    texts = FrozenTexts("d", tmp_path, budget=Budget(tmp_path, 10 * size))
    for i in range(60):
        texts([str(i)], lambda: torch.zeros(1, 256))
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    assert 5 * size < kept <= 11 * size
