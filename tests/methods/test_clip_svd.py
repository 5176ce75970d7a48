"""CLIP-SVD beyond its recorded numbers: an exact start, and a plain model with rebuilt weights."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from parity_kit import assert_counted, class_set, generator, prepared, tiny_backbone
from pydantic import ValidationError

from datasets_registry import ClassSet, EvalProtocol
from methods.clip_svd import CLIPSVD, CLIPSVDConfig


def test_the_start_is_the_pretrained_model_bit_for_bit() -> None:
    method = prepared(CLIPSVD(tiny_backbone(), CLIPSVDConfig(), generator()), by=0.0)
    for tower, parts in ((tiny_backbone().model.transformer, method.trainable.text), (
        tiny_backbone().model.visual.transformer, method.trainable.image
    )):  # fmt: skip
        for block, part in zip(tower.resblocks, parts.blocks, strict=True):
            assert not part.inner.change().any()
            assert part.inner.u.shape == block.mlp.c_fc.weight.shape
            assert (part.inner.values.diff() <= 0).all(), "largest first"


def test_class_texts_are_the_official_ones_on_each_dataset() -> None:
    own = ClassSet(class_set("base").names, "{} texture.")
    texts = {
        template: prepared(CLIPSVD(tiny_backbone(), CLIPSVDConfig(template=template), generator()), by=0.0)
        for template in ("own", "a photo of a {}.")
    }
    for template, written in (("own", "{} texture."), ("a photo of a {}.", "a photo of a {}.")):
        expected = tiny_backbone().encode_texts(own.texts(written))
        torch.testing.assert_close(texts[template].text_features(own), expected, atol=1e-5, rtol=0)
    base_to_new = CLIPSVD.info.default_config(EvalProtocol.BASE_TO_NEW)
    found = {name: base_to_new.for_dataset(name).model_dump().get("template") for name in ("dtd", "eurosat", "food101")}
    assert found == {"dtd": "a photo of a {}.", "eurosat": "a photo of a {}.", "food101": None}
    few_shot = CLIPSVD.info.default_config(EvalProtocol.FEW_SHOT)
    assert few_shot.for_dataset("food101").model_dump()["template"] == "a photo of a {}, a type of food."
    with pytest.raises(ValidationError):
        CLIPSVDConfig(template="a photo")


@pytest.mark.parametrize(
    ("layers", "trained"),
    [
        ("all", range(12)),
        ("top", range(8, 12)),
        ("middle", range(4, 8)),
        ("bottom", range(4)),
        ("top_middle", range(4, 12)),
        ("bottom_middle", range(8)),
        ("top_bottom", (*range(4), *range(8, 12))),
    ],
)
def test_the_thirds_of_twelve_blocks_are_the_official_ones(layers: str, trained: Sequence[int]) -> None:
    assert CLIPSVDConfig(layers=layers).trained(12) == list(trained)


def test_a_lower_rank_keeps_the_largest_values_and_learns_no_others() -> None:
    config = CLIPSVDConfig(layers="top", rank=0.4)
    method = prepared(CLIPSVD(tiny_backbone(), config, generator()), by=0.0)
    block, part = tiny_backbone().model.transformer.resblocks[0], method.trainable.text.blocks[0]
    u, s, v = torch.linalg.svd(block.mlp.c_fc.weight.detach(), full_matrices=False)
    kept = block.mlp.c_fc.weight + part.inner.change()
    torch.testing.assert_close(kept, (u[:, :24] * s[:24]) @ v[:24], atol=1e-5, rtol=1e-5)
    assert config.kept(768) == 304, "official: a multiple of four"
    assert_counted(method)
