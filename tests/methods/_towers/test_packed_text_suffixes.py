"""Packing suffixes into rows loses no position, mixes no classes, and leaves rows nearly full."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_kit import class_set, tiny_backbone
from plain_text_tower import encode_plain
from rounding import assert_equal_but_for_rounding

from methods import TextPrompts, frozen_prompts
from methods._towers.packed_text_suffixes import pack_suffixes

lengths_of_classes = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def of_lengths(lengths: torch.Tensor, n_suffix: int) -> TextPrompts:
    """Prompts without a prefix whose suffixes have these lengths."""
    return TextPrompts(torch.zeros(0, 1), torch.zeros(len(lengths), n_suffix, 1), lengths)


@given(lengths=lengths_of_classes, row=st.sampled_from([4, 32, 128]))
@settings(max_examples=60)
def test_every_position_lies_in_one_row_and_sees_its_own_past_only(lengths: list[int], row: int) -> None:
    n_suffix = max(lengths)
    packing = pack_suffixes(of_lengths(torch.tensor(lengths), n_suffix), row)
    flat, (n_rows, size) = packing.source.flatten(), packing.source.shape
    ends = packing.ends[:, 0] * size + packing.ends[:, 1]
    found = []
    for c, (end, length) in enumerate(zip(ends.tolist(), lengths, strict=True)):
        span = torch.arange(end - length + 1, end + 1)
        assert flat[span].tolist() == [c * n_suffix + s for s in range(length)]
        found += span.tolist()
        row_of, place = end // size, end % size
        seen = packing.sees[row_of, place].nonzero()[:, 0].tolist()
        assert seen == list(range(place - length + 1, place + 1)), "only its own class"
    assert len(set(found)) == sum(lengths)
    padding = sorted(set(range(n_rows * size)) - set(found))
    for p in padding:
        assert packing.sees[p // size, p % size].nonzero()[:, 0].tolist() == [p % size]
    assert size <= sum(lengths) / n_rows + max(lengths)


def test_rows_are_nearly_full_for_ordinary_names() -> None:
    lengths = torch.randint(3, 9, (200,), generator=torch.Generator().manual_seed(0))
    packing = pack_suffixes(of_lengths(lengths, 8))
    assert packing.source.numel() <= 1.02 * int(lengths.sum())


@pytest.mark.parametrize("row", [8, 16, 1000])
def test_features_do_not_depend_on_the_rows(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_backbone()
    prompts = frozen_prompts(backbone.tokenized(class_set("all").texts("a photo of a {}, of some kind.")))
    plain = encode_plain(backbone.text_tower, prompts)
    monkeypatch.setattr("methods._towers.packed_text_suffixes.ROW", row)
    monkeypatch.setattr("methods._towers.text_tower.pack_suffixes", lambda prompts: pack_suffixes(prompts, row))
    assert_equal_but_for_rounding(backbone.text_tower.encode(prompts), plain)


def test_a_prefix_of_the_start_token_alone_works() -> None:
    backbone = tiny_backbone()
    texts = backbone.tokenized(["forest", "a river and a highway"])
    prompts: TextPrompts = texts.split(1)
    assert_equal_but_for_rounding(backbone.text_tower.encode(prompts), encode_plain(backbone.text_tower, prompts))
