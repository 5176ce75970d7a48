"""Each family of open_clip: our image, text and prompted forward passes equal open_clip's own on small models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import open_clip
import pytest
import torch
from half_precision import skipped_without_kernel
from small_families import FAMILIES, TEXTS_OF_HUB, model_folder, small_backbone
from torch import Tensor

from datasets_registry import BenchError, ClassSet
from methods import Backbone, BackboneSpec, Context, Precision, TextPrompts, frozen_prompts, overwrite_leading

TEXTS = ["a photo of a cat.", "a photo of a very old tree.", "a dog"]
CLASSES = ClassSet(("cat", "very old tree", "dog"), "a photo of a {}.")
TOKENS = [family for family, arch in FAMILIES.items() if BackboneSpec(arch, "random").is_vision_transformer]


def assert_close(ours: Tensor, official: Tensor) -> None:
    torch.testing.assert_close(ours, official, atol=1e-5, rtol=1e-5)


def pixels_of(backbone: Backbone) -> Tensor:
    return torch.randn(2, 3, backbone.image_size, backbone.image_size, generator=torch.Generator().manual_seed(1))


def vectors(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def official_tokens(family: str, texts: Sequence[str]) -> Tensor:
    return open_clip.get_tokenizer(f"local-dir:{model_folder(family)}")(list(texts))


@pytest.mark.parametrize("family", FAMILIES)
def test_features_equal_open_clip(family: str) -> None:
    backbone = small_backbone(family)
    with torch.no_grad():
        pixels = pixels_of(backbone)
        assert_close(backbone.encode_image(pixels), backbone.model.encode_image(pixels, normalize=False))
        official = backbone.model.encode_text(official_tokens(family, TEXTS), normalize=False)
    assert_close(backbone.encode_texts(TEXTS), official)
    assert official.shape == (3, backbone.embed_dim)
    assert (official[0] - official[2]).abs().max() > 1e-3, "the texts must matter"


@contextmanager
def hooks(*made: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for handle in made:
            stack.callback(handle.remove)
        yield


def prompted_by_open_clip(backbone: Backbone, pixels: Tensor, prompts: Sequence[Tensor]) -> Tensor:
    """open_clip's own image forward pass, with prompts brought in and taken out by hooks on its modules."""
    visual, n = backbone.model.visual, len(prompts[0])
    trunk = getattr(visual, "trunk", None)
    blocks = visual.transformer.resblocks if trunk is None else trunk.blocks
    drops = trunk.attn_pool is None if trunk is not None else visual.attn_pool is None

    def enter(module: Any, given: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (torch.cat([given[0], prompts[0].expand(len(given[0]), -1, -1)], dim=1),)

    def renew(module: Any, given: tuple[Tensor, ...]) -> tuple[Any, ...]:
        return torch.cat([given[0][:, :-n], prompts[1].expand(len(given[0]), -1, -1)], dim=1), *given[1:]

    def leave(module: Any, given: tuple[Tensor, ...], result: Tensor) -> Tensor:
        return result[:, :-n] if drops else result

    def unrotated(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        rope = named["rope"]
        if rope is not None:
            half = torch.zeros(n, rope.shape[1] // 2)
            named = named | {"rope": torch.cat([rope, torch.cat([half, half + 1], dim=1)])}
        return given, named

    made = [blocks[1].register_forward_pre_hook(renew), blocks[-1].register_forward_hook(leave)]
    made.append((visual.ln_pre if trunk is None else trunk.norm_pre).register_forward_pre_hook(enter))
    if type(backbone.image_tower).__name__ == "EvaTower":
        made += [block.register_forward_pre_hook(unrotated, with_kwargs=True) for block in blocks]
    with hooks(*made):
        features: Tensor = backbone.model.encode_image(pixels, normalize=False)
    return features


@pytest.mark.parametrize("family", TOKENS)
def test_prompted_images_and_their_gradients_equal_open_clip(family: str) -> None:
    backbone = small_backbone(family)
    pixels, prompts = pixels_of(backbone), [vectors(3, backbone.vision_width, seed=i) for i in (3, 4)]
    both = [backbone.encode_image(pixels, prompts=prompts), prompted_by_open_clip(backbone, pixels, prompts)]
    assert_close(*both)
    with torch.no_grad():
        assert not torch.allclose(both[0], backbone.encode_image(pixels), atol=1e-3)
    for ours, official in zip(*(torch.autograd.grad(x.square().sum(), prompts) for x in both), strict=True):
        torch.testing.assert_close(ours, official, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in TOKENS])
def test_prompts_for_a_tower_without_tokens_are_refused(family: str) -> None:
    backbone = small_backbone(family)
    with pytest.raises(BenchError, match="has no tokens"):
        backbone.encode_image(pixels_of(backbone), prompts=[torch.zeros(1, 8)])


def prompted_texts(family: str, ctx: Tensor, deep: Sequence[Tensor], texts: Sequence[str]) -> Tensor:
    """open_clip's own text forward pass, with vectors written over its embeddings and hidden states by hooks."""
    backbone = small_backbone(family)
    embedding, blocks = backbone.text_tower.token_embedding, list(backbone.text_tower.blocks)
    start = backbone.tokenizer.n_start
    end = start + ctx.shape[-2]

    def write(x: Tensor, vector: Tensor) -> Tensor:
        return torch.cat([x[:, :start], vector.expand(len(x), -1, -1), x[:, end:]], dim=1)

    made = [embedding.register_forward_hook(lambda module, given, result: write(result, ctx))]
    for block, vector in zip(blocks[1:], deep, strict=False):
        made.append(block.register_forward_pre_hook(lambda module, given, v=vector: (write(given[0], v), *given[1:])))
    with hooks(*made):
        features: Tensor = backbone.model.encode_text(official_tokens(family, texts), normalize=False)
    return features


@pytest.mark.parametrize("family", FAMILIES)
def test_prompted_texts_and_their_gradients_equal_open_clip(family: str) -> None:
    backbone = small_backbone(family)
    ctx, fresh = vectors(4, backbone.text_width), [vectors(4, backbone.text_width, seed=5)]
    prompts = overwrite_leading(backbone.class_tokens(CLASSES, "a photo of a {}."), ctx)
    texts = CLASSES.texts("a photo of a {}.")
    both = [backbone.encode_prompts(prompts, deep=fresh), prompted_texts(family, ctx, fresh, texts)]
    assert_close(*both)
    for ours, official in zip(*(torch.autograd.grad(x.square().sum(), [ctx, *fresh]) for x in both), strict=True):
        torch.testing.assert_close(ours, official, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("each", [False, True], ids=["shared", "of each class"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_context_before_the_name_equals_open_clip(family: str, each: bool) -> None:
    backbone = small_backbone(family)
    ctx = vectors(*((3,) if each else ()), 2, backbone.text_width)
    prompts = Context(ctx).prompts(CLASSES, backbone)
    assert_close(backbone.encode_prompts(prompts), prompted_texts(family, ctx, (), CLASSES.texts("X X {}.")))


def name_first(family: str) -> TextPrompts:
    backbone = small_backbone(family)
    ctx = backbone.tokenized(["very old"]).embedded[0, backbone.tokenizer.n_start :][:2]
    return Context(ctx, "front").prompts(CLASSES, backbone)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_context_of_words_after_the_name_is_that_sentence(family: str) -> None:
    backbone = small_backbone(family)
    with torch.no_grad():
        ours = backbone.encode_prompts(name_first(family))
        official = backbone.model.encode_text(official_tokens(family, CLASSES.texts("{} very old.")), normalize=False)
    assert_close(ours, official)


@pytest.mark.parametrize("family", ["siglip", "mobileclip2-s", "biomedclip", "xlm-r"])
def test_an_unmasked_tower_in_chunks_equals_the_whole(family: str) -> None:
    backbone = small_backbone(family)
    ctx = vectors(4, backbone.text_width)
    prompts = overwrite_leading(backbone.class_tokens(CLASSES, "a photo of a {}."), ctx)
    both = [backbone.text_tower.encode(prompts, rows=rows) for rows in (1, 128)]
    assert_close(*both)
    assert_close(*(torch.autograd.grad(x.square().sum(), ctx)[0] for x in both))
    each = backbone.encode_prompts_each(prompts, torch.stack([prompts.prefix, prompts.prefix.flip(1)]))
    assert_close(each[0], both[0])
    assert not torch.allclose(each[1], both[0], atol=1e-2)


def test_an_unmasked_tower_runs_whole_texts_only() -> None:
    backbone = small_backbone("siglip2")
    prompts = frozen_prompts(backbone.tokenized(TEXTS))
    hidden = backbone.text_hidden(prompts, 1)
    assert hidden.first == 0
    assert_close(backbone.continue_text(hidden), backbone.encode_texts(TEXTS))
    with pytest.raises(BenchError, match="tokens can be inserted"):
        backbone.continue_text(hidden, tokens=[torch.zeros(1, 64)])
    with pytest.raises(BenchError, match="tokens can be replaced"):
        backbone.encode_prompts(prompts, before_block=lambda i, prefix, suffix: (prefix, suffix))
    with pytest.raises(BenchError, match="read-only tokens cannot follow"):
        backbone.read_only_text_features(prompts, torch.zeros(1, 64))


def test_the_blocks_of_a_text_tower_of_the_hub_cannot_be_changed() -> None:
    backbone = small_backbone("biomedclip")
    prompts = frozen_prompts(backbone.tokenized(TEXTS))
    for use in (
        lambda: backbone.text_blocks,
        lambda: backbone.text_hidden(prompts, 1),
        lambda: backbone.encode_prompts(prompts, blocks=small_backbone("clip").text_blocks),
    ):
        with pytest.raises(BenchError, match="blocks cannot be changed"):
            use()
    with pytest.raises(BenchError, match="has no final norm"):
        backbone.encode_prompts(prompts, norm=torch.nn.LayerNorm(32))
    with pytest.raises(BenchError, match="tokens can be replaced"):
        backbone.encode_prompts(prompts, before_block=lambda i, prefix, suffix: (prefix, suffix))


def test_a_text_tower_of_the_hub_reads_the_tokens_that_open_clip_does_not_mask() -> None:
    backbone = small_backbone("biomedclip")
    pad = backbone.model.text.config.pad_token_id
    tokens = official_tokens("biomedclip", TEXTS)
    tokens[0, backbone.tokenizer.ends(tokens)[0]] = pad  # a tokenizer that writes its end token as padding
    with torch.no_grad():
        official = backbone.model.encode_text(tokens, normalize=False)
        end = backbone.text_tower.ends(tokens, backbone.tokenizer)
        embedded = backbone.text_tower.token_embedding(tokens)
        texts = replace(backbone.tokenized(TEXTS), tokens=tokens, embedded=embedded, eot=end)
        assert_close(backbone.encode_prompts(texts.split(1)), official)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_runs_and_stays_near(family: str) -> None:
    half = copy(small_backbone(family))
    half.precision = Precision.BF16
    with torch.no_grad(), skipped_without_kernel():
        pixels = pixels_of(half)
        plain = small_backbone(family)
        for ours, exact in (
            (half.encode_image(pixels), plain.encode_image(pixels)),
            (half.encode_texts(TEXTS), plain.encode_texts(TEXTS)),
        ):
            assert ((ours - exact).norm(dim=-1) / exact.norm(dim=-1)).max() < 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_the_facts_of_a_configuration_are_those_of_the_loaded_towers(family: str) -> None:
    backbone = small_backbone(family)
    spec, kind = backbone.spec, backbone.spec.tower_facts["text_tower"]
    assert spec.is_vision_transformer is backbone.image_tower.transformer
    assert spec.learns_text
    tower = backbone.text_tower
    assert (type(tower).__name__ == "HuggingFaceTextTower") is (family in TEXTS_OF_HUB)
    assert (type(tower).__name__ == "UnmaskedTextTower") is (kind == "without a causal mask")
    assert (tower.cls_embedding is not None) is (kind == "causal, pooled at an appended class token")
    fast = spec.tower_facts["learned_texts"] == "fast: what all class texts share runs once"
    assert fast is (tower.whole_texts_because != "has no causal mask")


def test_a_logit_bias_is_read_where_there_is_one() -> None:
    assert small_backbone("siglip").logit_bias == -10
    assert small_backbone("clip").logit_bias is None
