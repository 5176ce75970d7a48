"""Methods without recorded numbers: each equals its formula, written here on open_clip's own modules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import batch_of, class_set, generator, images, prepared, tiny_backbone, train_batch
from torch import Tensor

from methods import get_method, tokenize
from methods.mma import MMA, MMAConfig
from methods.tcp import TCP, TCPConfig


def finish_text(model: Any, x: Tensor, eot: Tensor) -> Tensor:
    """Final norm, pooling at end-of-text, projection."""
    return model.ln_final(x)[torch.arange(len(x)), eot] @ model.text_projection


def embedded(model: Any, texts: list[str]) -> tuple[Tensor, Tensor]:
    tokens = tokenize(texts)
    return model.token_embedding(tokens), tokens.argmax(dim=1)


@pytest.mark.parametrize(
    ("template", "student", "teacher"),
    [
        ("a photo of a {}, a type of pet.", "X X X X {}, a type of pet.", "a photo of a {}, a type of pet."),
        ("{} texture.", "X X X X {} texture.", "a photo of a {}, a type of texture."),
        ("a centered satellite photo of {}.", "X X X X {}.", "a centered satellite photo of {}."),
        ("a photo of a person doing {}.", "a photo of a person doing {}.", "a photo of a person doing {}."),
    ],
)
def test_tcp_replaces_the_context_by_tokens_of_the_class(template: str, student: str, teacher: str) -> None:
    method = prepared(TCP(tiny_backbone(), TCPConfig(layer=1), generator()), class_set("base", template))
    model, part = tiny_backbone().model, method.trainable
    for which in ("base", "new"):
        classes = class_set(which, template)
        frozen = F.normalize(model.encode_text(tokenize(classes.texts(teacher))), dim=-1).detach()
        hidden = F.linear(frozen, part.down.weight, part.down.bias)
        tokens = F.linear(hidden * torch.sigmoid(1.702 * hidden), part.up.weight, part.up.bias).reshape(5, 4, 64)
        x, eot = embedded(model, classes.texts(student))
        x = torch.cat([x[:, :1], part.ctx.expand(5, -1, -1), x[:, 5:]], dim=1) + model.positional_embedding
        for i, block in enumerate(model.transformer.resblocks):
            if i == 1:
                x = torch.cat([x[:, :1], tokens, x[:, 5:]], dim=1)
            x = block(x, attn_mask=model.attn_mask)
        expected = finish_text(model, x, eot)
        torch.testing.assert_close(method.text_features(classes), expected, atol=1e-5, rtol=1e-5)
        if which == "base":
            batch = train_batch()
            logits = tiny_backbone().logit_scale * F.normalize(batch.features, dim=-1) @ F.normalize(expected, dim=-1).T
            kept = 8 * (1 - (F.normalize(expected, dim=-1) * frozen).sum(dim=1).mean())
            torch.testing.assert_close(
                method.loss(batch), F.cross_entropy(logits, batch.labels) + kept, atol=2e-5, rtol=1e-5
            )


@pytest.mark.parametrize("name", ["tcp", "dekg_tcp"])
def test_tcp_adds_the_kind_of_object_to_the_texts_of_cars(name: str) -> None:
    """`StanfordCars` of `CUSTOM_TEMPLATES`, `trainers/tcp.py` line 66 of its repository at bd97bec."""
    method: Any = get_method(name)
    context = prepared(method(tiny_backbone(), method.info.config(layer=1), generator())).trainable
    plain, cars = class_set("base"), replace(class_set("base"), dataset="stanford_cars")
    found = [
        tiny_backbone().encode_prompts(context.prompts(classes, tiny_backbone()))
        for classes in (cars, class_set("base", "a photo of a {}, a type of car"), plain)
    ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def mma_block(block: Any, x: Tensor, mask: Tensor | None, layers: list[Any], scale: float) -> Tensor:
    """A block with its adapter, written out; gradients are scaled like values."""
    down, shared, up = layers
    normed = block.ln_1(x)
    added = up(torch.relu(shared(torch.relu(down(normed)))))
    middle = x + block.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
    return middle + block.mlp(block.ln_2(middle)) + scale * added


def test_mma_adds_adapters_beside_the_last_blocks() -> None:
    method = prepared(MMA(tiny_backbone(), MMAConfig(blocks=2, scale=0.1), generator()))
    model, part, pixels = tiny_backbone().model, method.trainable, images("train")[:4]
    x, eot = embedded(model, class_set("base").texts("a photo of a {}."))
    x = x + model.positional_embedding
    image = model.visual._embeds(pixels)
    for i in range(3):
        text_block, image_block = model.transformer.resblocks[i], model.visual.transformer.resblocks[i]
        if i == 0:
            x, image = text_block(x, attn_mask=model.attn_mask), image_block(image)
            continue
        text_layers = [part.text_down[i - 1], part.shared[i - 1], part.text_up[i - 1]]
        image_layers = [part.image_down[i - 1], part.shared[i - 1], part.image_up[i - 1]]
        x = mma_block(text_block, x, model.attn_mask, text_layers, 0.1)
        image = mma_block(image_block, image, None, image_layers, 0.1)
    text, image = finish_text(model, x, eot), model.visual.ln_post(image[:, 0]) @ model.visual.proj
    batch = batch_of(tiny_backbone(), pixels, torch.arange(4) // 2)
    torch.testing.assert_close(method.text_features(class_set("base")), text, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(method.image_features(batch), image, atol=2e-5, rtol=1e-5)
    # the last adapters' own gradients miss the scale of the forward pass
    last = [part.text_up[-1].weight, part.image_down[-1].weight]
    logits = tiny_backbone().logit_scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    plain = torch.autograd.grad(F.cross_entropy(logits, batch.labels), last)
    ours = torch.autograd.grad(method.loss(batch), last)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(0.1 * mine, theirs, atol=1e-5, rtol=1e-4)
