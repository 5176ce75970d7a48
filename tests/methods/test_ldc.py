"""LDC equals its official code on the recorded tiny CLIP with nine blocks, and batch norm has two modes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from parity_kit import (
    Case,
    assert_counted,
    batch_of,
    case_names,
    class_set,
    generator,
    images,
    prepared,
    replay,
    tiny_backbone,
    train_batch,
)  # fmt: skip
from torch import nn

from methods import Backbone
from methods._backbones import loading
from methods.ldc import LDC, LDCConfig, level_blocks

OFFICIAL = {
    "mlp": "visual.adapter.adapter_mlp", "from_logits": "adapter.adapter_1", "from_image": "adapter.adapter_2",
    "correction": "adapter.adapter_3", "gate": "adapter.g_weight",
}  # fmt: skip
SHARES = {1: (0.25, 0.25, 0.25, 0.25), 2: (0.1, 0.2, 0.3, 0.4)}


@cache
def deep_backbone() -> Backbone:
    """The tiny CLIP with an image tower of nine blocks, its three blocks repeated."""
    tiny, start = tiny_backbone(), "visual.transformer.resblocks."
    config = tiny.spec.config
    model = loading.build_model(config | {"vision_cfg": config["vision_cfg"] | {"layers": 9}})
    state = {name: value for name, value in tiny.model.state_dict().items() if name != "attn_mask"}
    for name in [name for name in state if name.startswith(start)]:
        block, _, rest = name.removeprefix(start).partition(".")
        state |= {f"{start}{int(block) + 3 * i}.{rest}": state[name] for i in range(3)}
    loading.load_state(model, state, "the tiny CLIP with nine blocks")
    return Backbone(tiny.spec, model)


def official_name(name: str) -> str:
    part, rest = name.split(".", 1)
    if part == "levels":
        level, _, rest = rest.partition(".")
        return f"visual.adapter.adapter_{int(level) + 1}.{rest}"
    return f"{OFFICIAL[part]}.{rest}"


def official_parameters(method: LDC) -> Mapping[str, nn.Parameter]:
    return {official_name(name): value for name, value in method.trainable.named_parameters()}


@pytest.mark.parametrize("name", case_names("ldc"))
def test_training_is_that_of_the_official_code(name: str) -> None:
    case = Case("ldc", name)
    given = case.config
    config = LDCConfig(hidden=given["hidden"], templates=given["templates"], level_shares=SHARES[given["fuse_type"]])
    method = LDC(deep_backbone(), config, generator())
    replay(method, case, official_parameters)
    case.assert_close(method.text, "text", "text")
    for buffer, value in method.trainable.named_buffers():
        if "running" in buffer:
            key = f"running/{official_name(buffer)}"
            case.assert_close(value, key, "running", moved=sum(given["lr_per_step"]))


def tiny(**settings: Any) -> LDC:
    method: LDC = prepared(LDC(tiny_backbone(), LDCConfig(hidden=32, **settings), generator()))
    return method


def test_the_levels_are_the_tokens_after_every_second_of_the_last_blocks() -> None:
    pixels, backbone = images("test")[:2], deep_backbone()
    levels = backbone.image_levels(pixels, (3, 5, 7, 9))
    for level, first in zip(levels, (3, 5, 7, 9), strict=True):
        torch.testing.assert_close(level, backbone.image_hidden(pixels, first))
    assert level_blocks(9, 4) == [3, 5, 7, 9]
    assert level_blocks(3, 4) == [1, 1, 1, 3]


def test_the_share_at_test_is_learned_or_given() -> None:
    pixels = images("test")[:10]

    def logits(share: float | None) -> torch.Tensor:
        method = tiny(mlp_share=share)
        with torch.no_grad():
            return method.classifier(class_set("base"))(batch_of(tiny_backbone(), pixels, None))

    clear, mlp = logits(0.0), logits(1.0)
    torch.testing.assert_close(logits(0.3), 0.3 * mlp + 0.7 * clear)
    share = ((logits(None) - clear) / (mlp - clear)).mean(dim=1, keepdim=True)
    torch.testing.assert_close(logits(None), share * mlp + (1 - share) * clear, atol=1e-4, rtol=1e-4)
    assert float(share.min()) > 0
    assert float(share.max()) < 1


def test_batch_norm_uses_the_batch_in_training_and_running_averages_at_test() -> None:
    method, pixels = tiny(), images("test")[:4]

    def logits(n: int) -> torch.Tensor:
        with torch.no_grad():
            return method.classifier(class_set("base"))(batch_of(tiny_backbone(), pixels[:n], None))[:1]

    torch.testing.assert_close(logits(1), logits(4))
    before = logits(4)
    assert float(method.loss(train_batch()).detach()) > 0
    assert float((logits(4) - before).abs().max()) > 1e-3, "averages unchanged"


def test_a_batch_of_one_image_uses_the_running_averages() -> None:
    method = tiny()
    state = {name: value.clone() for name, value in method.trainable.named_buffers()}
    one = batch_of(tiny_backbone(), images("train")[:1], torch.tensor([0]))
    assert bool(method.loss(one).isfinite())
    assert all(torch.equal(value, state[name]) for name, value in method.trainable.named_buffers())


def test_the_count_of_parameters_is_that_of_the_module() -> None:
    assert_counted(tiny())
