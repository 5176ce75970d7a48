"""MMRL against its formula, written here on open_clip's own modules as the paper draws it: one sequence a tower."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from torch import Tensor

from datasets_registry import ClassSet
from methods import tokenize
from methods.mmrl import MMRL, MMRLConfig

TEMPLATE = "a photo of a {}, a type of pet."


def prepared(**settings: Any) -> MMRL:
    """Prepared and moved away from its start, as training would; adapted from the second of three blocks."""
    config = MMRLConfig(**{"blocks": 2, "n_tokens": 3, "dim": 24} | settings)
    method = MMRL(tiny_backbone(), config, torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base", TEMPLATE)))
    noise = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in method.trainable.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=noise))
    return method


def inserted(x: Tensor, tokens: Tensor, *, inserts: bool) -> Tensor:
    """Tokens after the first position: inserted there, or replacing the existing ones."""
    rest = x[:, 1:] if inserts else x[:, 1 + len(tokens) :]
    return torch.cat([x[:, :1], tokens.expand(len(x), -1, -1), rest], dim=1)


def plain_text(method: MMRL, classes: ClassSet) -> Tensor:
    model, part = tiny_backbone().model, method.trainable
    ids = tokenize(classes.texts(TEMPLATE))
    x = model.token_embedding(ids) + model.positional_embedding
    for i, block in enumerate(model.transformer.resblocks):
        if i >= 1:
            x = inserted(x, F.linear(part.tokens, part.to_text[i - 1].weight, part.to_text[i - 1].bias), inserts=i == 1)
        mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
        x = block(x, attn_mask=mask)
    ends = ids.argmax(dim=1) + len(part.tokens)
    return model.ln_final(x)[torch.arange(len(x)), ends] @ model.text_projection


def plain_image(method: MMRL, pixels: Tensor) -> tuple[Tensor, Tensor]:
    visual, part = tiny_backbone().model.visual, method.trainable
    x = visual._embeds(pixels)
    for i, block in enumerate(visual.transformer.resblocks):
        if i >= 1:
            x = inserted(
                x, F.linear(part.tokens, part.to_image[i - 1].weight, part.to_image[i - 1].bias), inserts=i == 1
            )
        x = block(x)
    tokens = visual.ln_post(x[:, 1 : 1 + len(part.tokens)]).mean(dim=1)
    return visual.ln_post(x[:, 0]) @ visual.proj, tokens @ part.projection


def cosine(x: Tensor, y: Tensor) -> Tensor:
    return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).T


def test_the_loss_and_every_gradient_are_those_of_the_formula() -> None:
    method, index = prepared(class_weight=0.6, weight=2.5), torch.tensor([0, 3, 5, 8])
    backbone, classes, labels = tiny_backbone(), class_set("base", TEMPLATE), index // 2
    pixels = images("train")[index]
    text, (image, tokens) = plain_text(method, classes), plain_image(method, pixels)
    with torch.no_grad():
        frozen_image = backbone.model.encode_image(pixels)
        frozen_text = backbone.model.encode_text(tokenize(classes.texts(TEMPLATE)))
    by_class = F.cross_entropy(backbone.logit_scale * cosine(image, text), labels)
    by_token = F.cross_entropy(backbone.logit_scale * cosine(tokens, text), labels)
    far = (1 - cosine(image, frozen_image).diag().mean()) + (1 - cosine(text, frozen_text).diag().mean())
    expected = 0.6 * by_class + 0.4 * by_token + 2.5 * far
    loss = method.loss(batch_of(backbone, pixels, labels))
    torch.testing.assert_close(loss, expected, atol=2e-5, rtol=1e-5)
    parameters = dict(method.trainable.named_parameters())
    ours = torch.autograd.grad(loss, list(parameters.values()))
    theirs = torch.autograd.grad(expected, list(parameters.values()))
    for name, a, b in zip(parameters, ours, theirs, strict=True):
        assert b.abs().max() > 1e-6, name
        torch.testing.assert_close(a, b, atol=2e-5, rtol=2e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("which", "fused", "share"), [("base", True, 0.7), ("base", False, 1.0), ("new", True, 1.0)])
def test_only_trained_classes_are_told_by_both_features(which: str, fused: bool, share: float) -> None:
    method, classes, pixels = prepared(fused=fused), class_set(which, TEMPLATE), images("test")[:4]
    text, (image, tokens) = plain_text(method, classes), plain_image(method, pixels)
    expected = tiny_backbone().logit_scale * (share * cosine(image, text) + (1 - share) * cosine(tokens, text))
    with torch.no_grad():
        found = method.classifier(classes)(batch_of(tiny_backbone(), pixels, None))
    torch.testing.assert_close(found, expected, atol=5e-5, rtol=1e-5)


def test_the_start_is_that_of_the_official_code() -> None:
    method = MMRL(tiny_backbone(), MMRLConfig(), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    part = method.trainable
    assert len(part.to_text) == len(part.to_image) == 3, "seven blocks, of three"
    for maps in (part.to_text, part.to_image):
        assert all(torch.equal(layer.weight, maps[0].weight) for layer in maps)
        assert float(maps[0].weight.detach().abs().max()) <= 512**-0.5
    assert float(part.tokens.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(part.projection.detach().std()) == pytest.approx(128**-0.5, rel=0.1)
