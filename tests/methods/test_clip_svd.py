"""CLIP-SVD beyond its recorded numbers: an exact start, and a plain model with rebuilt weights."""

from __future__ import annotations

import copy

import torch
from parity_kit import class_set, generator, prepared, tiny_backbone, train_batch

from methods import tokenize
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


def test_other_values_are_those_of_a_model_with_the_rebuilt_matrices() -> None:
    method = prepared(CLIPSVD(tiny_backbone(), CLIPSVDConfig(), generator()))
    model = copy.deepcopy(tiny_backbone().model)
    with torch.no_grad():
        for tower, parts in (
            (model.transformer, method.trainable.text),
            (model.visual.transformer, method.trainable.image),
        ):
            for block, part in zip(tower.resblocks, parts.blocks, strict=True):
                attention, mlp = block.attn, block.mlp
                rows = [each.u @ torch.diag(each.values) @ each.v for each in part.qkv]
                attention.in_proj_weight.copy_(torch.cat(rows))
                for layer, each in ((attention.out_proj, part.out), (mlp.c_fc, part.inner), (mlp.c_proj, part.outer)):
                    layer.weight.copy_(each.u @ torch.diag(each.values) @ each.v)
        batch, classes = train_batch(method.info.needs), class_set("new")
        text = torch.nn.functional.normalize(model.encode_text(tokenize(classes.texts("a photo of a {}."))), dim=-1)
        image = torch.nn.functional.normalize(model.encode_image(batch.pixels), dim=-1)
        expected = tiny_backbone().logit_scale * image @ text.T
        torch.testing.assert_close(method.classifier(classes)(batch), expected, atol=1e-4, rtol=1e-4)
