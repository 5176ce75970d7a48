"""The places where methods reach into the towers: each equals the plain path."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from parity_kit import class_set, images, tiny_backbone
from plain_text_tower import encode_plain
from rounding import SMALL_TEXT_TOWER, assert_equal_but_for_rounding
from small_towers import SMALL_COCA, SMALL_EVA, TINY_CONFIG, backbone_of
from torch import Tensor, nn

from datasets_registry import BenchError
from methods import Backbone, BlockView, TextPrompts, frozen_prompts, image_views, overwrite_leading
from methods._towers import blocks as towers_blocks
from methods._towers import image_tower
from methods._towers.image_tower import outer_norms


def worded(backbone: Backbone, ctx: Tensor) -> TextPrompts:
    return overwrite_leading(backbone.tokenized(class_set("base").texts("a photo of a {}.")), ctx)


def held_bytes(work: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """What a forward gives, and how much it keeps for backward."""
    kept: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        result = work()
    return result, sum(kept.values())


@pytest.mark.parametrize("rows", [1, 3, 7, 1024])
@pytest.mark.parametrize("config", [TINY_CONFIG, SMALL_COCA], ids=["vit", "coca"])
def test_a_prefix_for_each_image_equals_one_forward_an_image(config: dict, rows: int) -> None:
    backbone = backbone_of(config)
    torch.manual_seed(1)
    ctx = torch.randn(3, 4, backbone.text_width, requires_grad=True)
    prompts = [worded(backbone, each) for each in ctx]
    prefixes = torch.stack([p.prefix for p in prompts])
    (together, held), (_, held_whole) = (
        held_bytes(partial(backbone.text_tower.encode_each, prompts[0], prefixes, rows=n)) for n in (rows, 1024)
    )
    if config is TINY_CONFIG:
        assert (held < held_whole) is (rows < 1024), "chunks hold less"
    apart = torch.stack([backbone.text_tower.encode(p) for p in prompts])
    assert_equal_but_for_rounding(together, apart)
    grads = [torch.autograd.grad(x.square().sum(), ctx)[0] for x in (together, apart)]
    assert_equal_but_for_rounding(*grads, 3 * SMALL_TEXT_TOWER)


@pytest.mark.parametrize("deep", [0, 2])
def test_many_classes_run_in_chunks_that_hold_less_and_give_the_same_gradient(deep: int) -> None:
    backbone = tiny_backbone()
    torch.manual_seed(3)
    ctx, *fresh = torch.randn(1 + deep, 4, 64).requires_grad_()
    texts = backbone.tokenized([f"a photo of a {i} {'very ' * (i % 5)}old thing." for i in range(60)])

    def encode(rows: int) -> Callable[[], Tensor]:
        return lambda: backbone.text_tower.encode(overwrite_leading(texts, ctx), deep=fresh, rows=rows)

    (whole, held_whole), (chunked, held_chunked) = held_bytes(encode(1024)), held_bytes(encode(7))
    assert_equal_but_for_rounding(chunked, whole)
    grads = [torch.autograd.grad(x.square().sum(), [ctx, *fresh]) for x in (whole, chunked)]
    for plain, ours in zip(*grads, strict=True):
        assert_equal_but_for_rounding(ours, plain, 3 * SMALL_TEXT_TOWER)
    assert held_chunked < held_whole / 3


def test_blocks_of_a_method_never_run_twice() -> None:
    """They may draw dropout: run again in backward, they would draw another one."""
    backbone = tiny_backbone()
    calls = []

    def counted(view: BlockView) -> BlockView:
        return replace(view, norm_1=lambda x: calls.append(1) or view.norm_1(x))

    ctx = torch.randn(4, 64, requires_grad=True)
    blocks = [counted(view) for view in backbone.text_tower.views]
    features = backbone.text_tower.encode(worded(backbone, ctx), blocks=blocks, rows=1)
    forward = len(calls)
    features.sum().backward()
    assert len(calls) == forward


def test_an_empty_prefix_equals_the_shared_one() -> None:
    backbone = tiny_backbone()
    texts = backbone.tokenized(class_set("base").texts("a photo of a {}."))
    with torch.no_grad():
        assert_equal_but_for_rounding(
            backbone.text_tower.encode(texts.split(0)), backbone.text_tower.encode(frozen_prompts(texts))
        )


@pytest.mark.parametrize("kind", ["tokens a class", "inserted tokens"])
def test_tokens_exchanged_inside_the_text_tower_equal_the_plain_path(kind: str) -> None:
    backbone = tiny_backbone()
    torch.manual_seed(2)
    each = torch.randn(5, 4, 64, requires_grad=True)

    def exchanged(i: int, prefix: Tensor, suffix: Tensor) -> tuple[Tensor, Tensor]:
        if i != 1:
            return prefix, suffix
        return prefix[:, :1], torch.cat([each, prefix[:, 5:].expand(5, -1, -1), suffix], dim=1)

    def inserted(i: int, prefix: Tensor, suffix: Tensor) -> tuple[Tensor, Tensor]:
        if i == 0:
            return prefix, suffix
        behind = prefix[:, 1:] if i == 1 else prefix[:, 5:]
        return torch.cat([prefix[:, :1], each[i].expand(len(prefix), -1, -1), behind], dim=1), suffix

    hook = exchanged if kind == "tokens a class" else inserted
    results = []
    for encode in (backbone.text_tower.encode, partial(encode_plain, backbone.text_tower)):
        features = encode(worded(backbone, torch.full((4, 64), 0.1)), before_block=hook)
        results.append((features, torch.autograd.grad(features.square().sum(), each)[0]))
    for ours, plain in zip(*results, strict=True):
        assert_equal_but_for_rounding(ours, plain, 3 * SMALL_TEXT_TOWER)
    assert not torch.allclose(results[0][0], backbone.text_tower.encode(worded(backbone, torch.full((4, 64), 0.1))))


def test_tokens_cannot_be_exchanged_in_front_of_a_class_token() -> None:
    backbone = backbone_of(SMALL_COCA)
    with pytest.raises(BenchError, match="ends with a class token"):
        backbone.encode_prompts(worded(backbone, torch.zeros(4, 64)), before_block=lambda i, p, s: (p, s))


def changed(view: BlockView, delta: Tensor) -> BlockView:
    """The view with `delta` added to its fused q, k, v weight."""

    def qkv(normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        more = F.linear(normed, delta).chunk(3, dim=-1)
        q, k, v = (old + new for old, new in zip(view.qkv(normed), more, strict=True))
        return q, k, v

    return replace(view, qkv=qkv)


def test_exchanged_blocks_equal_a_model_with_those_weights() -> None:
    backbone = tiny_backbone()
    prompts = frozen_prompts(backbone.tokenized(class_set("base").texts()))
    model = copy.deepcopy(backbone.model)
    torch.manual_seed(3)
    deltas = {}
    for name, blocks in (("text", model.transformer.resblocks), ("image", model.visual.transformer.resblocks)):
        for i, block in enumerate(blocks):
            deltas[name, i] = 0.1 * torch.randn_like(block.attn.in_proj_weight)
            with torch.no_grad():
                block.attn.in_proj_weight += deltas[name, i]
    merged = Backbone(backbone.spec, model)
    text = [changed(view, deltas["text", i]) for i, view in enumerate(backbone.text_tower.views)]
    image = [changed(view, deltas["image", i]) for i, view in enumerate(image_views(backbone.image_tower))]
    pixels = images("test")[:3]
    with torch.no_grad():
        texts = merged.encode_prompts(prompts)
        for ours, plain in (
            (backbone.encode_image(pixels, blocks=image), merged.encode_image(pixels)),
            (backbone.encode_prompts(prompts, blocks=text), texts),
            (encode_plain(backbone.text_tower, prompts, blocks=text), texts),
        ):
            torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-5)


def moved(norm: nn.Module) -> nn.Module:
    other = copy.deepcopy(norm)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)))
    return other


@pytest.mark.parametrize("config", [TINY_CONFIG, SMALL_COCA], ids=["vit", "coca"])
def test_exchanged_outer_norms_equal_a_model_with_those(config: dict) -> None:
    backbone = backbone_of(config)
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    norms = outer_norms(backbone.image_tower)
    first, last = moved(norms[0]), moved(norms[1])
    end = moved(backbone.text_tower.modules.ln_final)
    model = copy.deepcopy(backbone.model)
    model.visual.ln_pre, model.visual.ln_post = first, last
    getattr(model, "text", model).ln_final = end
    merged = Backbone(backbone.spec, model)
    pixels, prompts = torch.randn(2, 3, 32, 32), frozen_prompts(backbone.tokenized(["a red square", "a bird"]))
    visual = [torch.randn(2, backbone.vision_width)]
    with torch.no_grad():
        for given in ((), visual):
            ours = backbone.encode_image(pixels, prompts=given, norms=(first, last))
            torch.testing.assert_close(ours, merged.encode_image(pixels, prompts=given))
            assert not torch.allclose(ours, backbone.encode_image(pixels, prompts=given), atol=1e-2)
        ours = backbone.encode_prompts(prompts, norm=end)
        torch.testing.assert_close(ours, merged.encode_prompts(prompts))
        assert not torch.allclose(ours, backbone.encode_prompts(prompts), atol=1e-2)
    torch.testing.assert_close(dict(backbone.model.state_dict()), before, rtol=0, atol=0, equal_nan=True)


def test_what_stands_beside_a_block_joins_the_residual_stream() -> None:
    backbone = tiny_backbone()
    view, x = backbone.text_tower.views[0], torch.randn(2, 7, 64)

    with torch.no_grad():
        beside = towers_blocks.run_block(replace(view, beside=lambda normed: 3 * normed), x)
        torch.testing.assert_close(beside, towers_blocks.run_block(view, x) + 3 * backbone.text_tower.blocks[0].ln_1(x))


def test_blocks_that_cannot_be_taken_apart_are_refused() -> None:
    backbone = backbone_of(SMALL_EVA)
    assert not any(towers_blocks.is_standard(block) for block in backbone.image_tower.blocks)
    with pytest.raises(BenchError, match="cannot be taken apart"):
        image_views(backbone.image_tower)
    with pytest.raises(BenchError, match="cannot be taken apart"):
        outer_norms(backbone.image_tower)
    with pytest.raises(BenchError, match="cannot be taken apart"):
        backbone.encode_image(torch.zeros(1, 3, 224, 224), norms=(nn.Identity(), nn.Identity()))


@pytest.mark.parametrize("config", [TINY_CONFIG, SMALL_COCA, SMALL_EVA], ids=["vit", "coca", "eva"])
def test_an_image_tower_in_two_parts_equals_the_whole(config: dict) -> None:
    backbone = backbone_of(config)
    tower, pixels = backbone.image_tower, torch.randn(2, 3, backbone.image_size, backbone.image_size)
    prompts = [torch.randn(3, backbone.vision_width) for _ in range(2)]

    def place(i: int, tokens: Tensor) -> Tensor:
        if i not in (first, first + 1):
            return tokens
        kept = tokens if i == first else tokens[:, :-3]
        return torch.cat([kept, prompts[i - first].expand(2, -1, -1)], dim=1)

    last = backbone.vision_depth - 2
    for first in sorted({0, min(1, last), last}):
        hidden = backbone.image_hidden(pixels, first)
        with torch.no_grad():
            plain = tower.project_to_joint_space(tower.pool(backbone.continue_image(hidden, first), 0))
            torch.testing.assert_close(plain, backbone.encode_image(pixels), atol=1e-6, rtol=1e-6)
            tokens = backbone.continue_image(hidden, first, prompts=prompts)
            prompted = image_tower.run_image_tower(tower, pixels, before_block=place)
            if config is not SMALL_COCA:  # its attentional pooler would see what the hook inserted
                torch.testing.assert_close(
                    tower.project_to_joint_space(tower.pool(tokens, 3)), prompted, atol=1e-6, rtol=1e-6
                )
                read = tower.prompt_states(tokens, 3)
                assert read.shape == (2, 3, backbone.vision_width)
                torch.testing.assert_close(read.mean(dim=-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
            else:
                with pytest.raises(BenchError, match="prompts cannot be read"):
                    tower.prompt_states(tokens, 3)


def test_parts_that_do_not_fit_the_image_tower_are_refused() -> None:
    backbone = tiny_backbone()
    with pytest.raises(BenchError, match="block 4 in an image"):
        backbone.image_hidden(images("test")[:1], 4)
    hidden = backbone.image_hidden(images("test")[:1], 2)
    with pytest.raises(BenchError, match="prompts for 4 blocks.* of 3"):
        backbone.continue_image(hidden, 2, prompts=[torch.zeros(1, 128)] * 2)


@pytest.mark.parametrize("config", [TINY_CONFIG, SMALL_COCA], ids=["vit", "coca"])
def test_a_text_tower_in_two_parts_equals_the_whole(config: dict) -> None:
    backbone = backbone_of(config)
    prompts = frozen_prompts(backbone.tokenized(class_set("base").texts("a photo of a {}.")))
    weight = torch.ones((), requires_grad=True)
    views = list(backbone.text_tower.views)
    views[-1] = replace(views[-1], mlp=lambda x, mlp=views[-1].mlp: weight * mlp(x))
    whole = backbone.encode_prompts(prompts, blocks=views)
    for first in range(backbone.text_depth):
        parts = backbone.continue_text(backbone.text_hidden(prompts, first), blocks=views)
        assert_equal_but_for_rounding(parts, whole)
        grads = [torch.autograd.grad(x.square().sum(), weight, retain_graph=True)[0] for x in (parts, whole)]
        assert_equal_but_for_rounding(*grads, 3 * SMALL_TEXT_TOWER)


def test_tokens_that_do_not_fit_the_text_tower_are_refused() -> None:
    backbone, coca = tiny_backbone(), backbone_of(SMALL_COCA)
    texts = class_set("base").texts("a photo of a {}.")
    hidden = backbone.text_hidden(frozen_prompts(backbone.tokenized(texts)), 2)
    with pytest.raises(BenchError, match="2 blocks, but only 1"):
        backbone.continue_text(hidden, tokens=[torch.zeros(1, 64)] * 2)
    with pytest.raises(BenchError, match="can be inserted inside"):
        coca.continue_text(coca.text_hidden(frozen_prompts(coca.tokenized(texts)), 1), tokens=[torch.zeros(1, 64)])
