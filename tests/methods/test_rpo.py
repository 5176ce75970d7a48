"""Read-only tokens: equal to one sequence under the official mask, and without a trace in what the towers compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import batch_of, class_set, generator, images, prepared, support_view, tiny_backbone
from plain import read_image, read_text
from rounding import SMALL_TEXT_TOWER, assert_equal_but_for_rounding, rounding
from small_towers import SMALL_COCA, SMALL_EVA, backbone_of
from torch import Tensor

from datasets_registry import BenchError, ClassSet
from methods import frozen_prompts, tokenize
from methods._towers.read_only_tokens import encode_read_only_text
from methods.rpo import RPO, RPOConfig

K = 3


def untrained(**settings: Any) -> Any:
    method = RPO(tiny_backbone(), RPOConfig(n_pairs=K, **settings), generator())
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    return method


def trained() -> Any:
    return prepared(RPO(tiny_backbone(), RPOConfig(n_pairs=K), generator()), by=0.2)


def reference_logits(method: Any, classes: ClassSet, pixels: Tensor) -> Tensor:
    model = tiny_backbone().model
    tokens = tokenize([f"a photo of a {name}." for name in classes.names])
    text = read_text(model, model.token_embedding(tokens), tokens.argmax(dim=1), method.trainable.text)
    image, _ = read_image(model, pixels, method.trainable.image)
    pairs = [
        tiny_backbone().logit_scale * F.normalize(image[:, k], dim=-1) @ F.normalize(text[:, k], dim=-1).T
        for k in range(K)
    ]
    return sum(pairs[1:], pairs[0]) / K


@pytest.mark.parametrize("which", ["base", "new"])
def test_logits_are_the_mean_over_pairs_of_one_masked_sequence_a_tower(which: str) -> None:
    method, pixels, classes = trained(), images("test")[:4], class_set(which)
    ours = method.classifier(classes)(batch_of(tiny_backbone(), pixels, None))
    torch.testing.assert_close(ours, reference_logits(method, classes, pixels), atol=5e-5, rtol=1e-5)


def test_loss_and_gradients_equal_those_of_the_masked_sequences() -> None:
    method, index = trained(), torch.tensor([0, 3, 5, 8])
    pixels, labels, parameters = images("train")[index], index // 2, list(method.trainable.parameters())
    ours = method.loss(batch_of(tiny_backbone(), pixels, labels))
    theirs = F.cross_entropy(reference_logits(method, class_set("base"), pixels), labels)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    for mine, expected in zip(
        torch.autograd.grad(ours, parameters), torch.autograd.grad(theirs, parameters), strict=True
    ):
        torch.testing.assert_close(mine, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("at_once", [1, 2 * K, 4096])
def test_texts_in_chunks_equal_texts_at_once(at_once: int) -> None:
    backbone, tokens = tiny_backbone(), trained().trainable.text
    prompts = frozen_prompts(backbone.tokenized(class_set("base").texts()))
    given = [encode_read_only_text(backbone.text_tower, prompts, tokens, at_once=n) for n in (at_once, 10**6)]
    assert_equal_but_for_rounding(*given)
    gradients = [torch.autograd.grad(each.square().sum(), tokens)[0] for each in given]
    assert float((gradients[0] - gradients[1]).norm()) <= rounding(3 * SMALL_TEXT_TOWER) * float(gradients[1].norm())


@torch.no_grad()
def test_tokens_do_not_see_one_another() -> None:
    method, pixels = trained(), images("test")[:3]
    read = (
        lambda: method.backbone.read_only_image_features(pixels, method.trainable.image),
        lambda: method.text_features(class_set("base")),
    )
    for features, tokens in zip(read, (method.trainable.image, method.trainable.text), strict=True):
        before = features()
        tokens[1] += 5.0
        assert torch.equal(features()[:, [0, 2]], before[:, [0, 2]])
        assert not torch.allclose(features()[:, 1], before[:, 1])


def test_tokens_start_beside_the_special_tokens() -> None:
    model, part = tiny_backbone().model, untrained().trainable
    for tokens, special in (
        (part.text, model.token_embedding.weight[49407]),
        (part.image, model.visual.class_embedding),
    ):
        moves = tokens.detach() - special
        torch.testing.assert_close(moves.norm(dim=1), torch.full((K,), 0.1), atol=1e-5, rtol=1e-5)
        assert F.cosine_similarity(moves[0], moves[1], dim=0) < 0.9
    assert torch.equal(untrained(noise=0.0).trainable.text[0], model.token_embedding.weight[49407])


@torch.no_grad()
def test_underscores_of_class_names_are_left_unless_asked_otherwise() -> None:
    first, second = class_set("base").names[:2]
    joined, apart = ClassSet((f"{first}_{second}",), "{}"), ClassSet((f"{first} {second}",), "{}")
    kept, spoken = untrained(), untrained(keep_underscores=False)
    assert torch.equal(spoken.text_features(joined), spoken.text_features(apart))
    assert not torch.allclose(kept.text_features(joined), kept.text_features(apart))


def test_towers_that_cannot_be_read_are_refused() -> None:
    coca = backbone_of(SMALL_COCA)
    texts = frozen_prompts(coca.tokenized(class_set("base").texts()))
    with pytest.raises(BenchError, match="read-only tokens cannot follow"):
        coca.read_only_text_features(texts, torch.zeros(K, 64))
    eva = RPO(backbone_of(SMALL_EVA), RPOConfig(), torch.Generator())
    with pytest.raises(BenchError, match="cannot be taken apart"):
        eva.prepare(support_view(tiny_backbone(), class_set("base")))
