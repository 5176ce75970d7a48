"""Fine-tuning of the image tower equals a plain loop over a copy of open_clip's model, step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import assert_counted, batch_of, class_set, generator, images, support_view, tiny_backbone
from rounding import SMALL_IMAGE_TOWER, assert_equal_but_for_rounding
from torch import nn

from bench.experiment.training_loop import make_optimizer, scheduled_rate, stage_spans, train_step
from datasets_registry import EvalProtocol
from methods import TrainableMethod
from methods.full_ft import FullFT
from methods.last_block_ft import LastBlockConfig, LastBlockFT

STEPS = [torch.tensor(index) for index in ([0, 3, 5, 8], [1, 2, 6, 9], [4, 7], [0, 9, 3, 6])]
"""Images of each step."""
PUBLISHED = LastBlockFT.info.recipes[EvalProtocol.FEW_SHOT]
RECIPE = PUBLISHED.model_copy(update={"lr": 3e-4, "epochs": 4, "batch_size": 0})
"""A higher rate than the published one, so that four steps show."""


def prepared(method: TrainableMethod[Any]) -> Any:
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    return method


def plain_loop(
    trained: Callable[[Any], list[nn.Parameter]], *, normalise: bool, penalty: float
) -> tuple[Any, list[nn.Parameter], list[float]]:
    """Adam with eps 1e-4 and a cosine to 0, on a copy of the model; texts are frozen and normalised."""
    model = copy.deepcopy(tiny_backbone().model)
    parameters = trained(model)
    start = [p.detach().clone() for p in parameters]
    text = F.normalize(tiny_backbone().encode_texts(class_set("base").texts()), dim=-1)
    optimizer = torch.optim.Adam([p.requires_grad_(True) for p in parameters], lr=RECIPE.lr, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, float(len(STEPS)))
    losses = []
    for index in STEPS:
        image = model.encode_image(images("train")[index])
        image = F.normalize(image, dim=-1) if normalise else image
        loss = F.cross_entropy(tiny_backbone().logit_scale * image @ text.T, index // 2)
        far = torch.stack([F.mse_loss(p, p0, reduction="sum") for p, p0 in zip(parameters, start, strict=True)]).sum()
        optimizer.zero_grad()
        (loss + penalty * far).backward()
        optimizer.step()
        schedule.step()
        losses.append(float((loss + penalty * far).detach()))
    return model, parameters, losses


def our_loop(method: TrainableMethod[Any]) -> list[float]:
    (span,) = stage_spans([RECIPE], method.stages(), 10, 2)
    optimizer = make_optimizer(RECIPE, method.parameter_groups())
    losses = []
    for step, index in enumerate(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = scheduled_rate(RECIPE, span, step, step)
        batch = batch_of(tiny_backbone(), images("train")[index], index // 2, method.info.needs)
        losses.append(train_step(method, batch, optimizer))
    return losses


def assert_same_training(
    method: TrainableMethod[Any], trained: Callable[[Any], list[nn.Parameter]], **how: Any
) -> None:
    """Losses, every trained tensor, and the logits of trained and of new classes."""
    model, expected, losses = plain_loop(trained, **how)
    started = [p.detach().clone() for p in method.trainable.parameters()]
    additions = len(STEPS) * 3 * SMALL_IMAGE_TOWER
    assert_equal_but_for_rounding(torch.tensor(our_loop(method)), torch.tensor(losses), additions)
    ours = list(method.trainable.parameters())
    assert sum(p.numel() for p in ours) == sum(p.numel() for p in expected) == method.learned_parameters()
    for one, other, start in zip(ours, expected, started, strict=True):
        assert float((one - start).detach().norm()) > 0
        assert float((one - other).detach().norm()) <= 1e-3 * float((other - start).detach().norm()) + 1e-6
    for which in ("base", "new"):
        text = F.normalize(tiny_backbone().encode_texts(class_set(which).texts()), dim=-1)
        with torch.no_grad():
            image = F.normalize(model.encode_image(images("test")), dim=-1)
            logits = method.classifier(class_set(which))(batch_of(tiny_backbone(), images("test"), None))
        plain = tiny_backbone().logit_scale * image @ text.T
        torch.testing.assert_close(logits, plain, atol=1e-4 * float(plain.abs().max()), rtol=0)


def last_blocks(model: Any, blocks: int) -> list[nn.Parameter]:
    return [p for block in model.visual.transformer.resblocks[-blocks:] for p in block.parameters()]


@pytest.mark.parametrize(
    ("blocks", "normalise", "penalty"), [(1, False, 0.0), (1, True, 0.0), (2, False, 0.5), (3, False, 0.0)]
)
def test_the_last_blocks_are_trained_as_by_a_plain_loop(blocks: int, normalise: bool, penalty: float) -> None:
    config = LastBlockConfig(blocks=blocks, normalise_images=normalise, penalty=penalty)
    method = prepared(LastBlockFT(tiny_backbone(), config, generator()))
    assert_same_training(method, lambda model: last_blocks(model, blocks), normalise=normalise, penalty=penalty)


@pytest.mark.parametrize("normalise", [False, True])
def test_the_whole_image_tower_is_trained_as_by_a_plain_loop(normalise: bool) -> None:
    method = prepared(FullFT(tiny_backbone(), FullFT.info.config(normalise_images=normalise), generator()))
    assert_same_training(method, lambda model: list(model.visual.parameters()), normalise=normalise, penalty=0.0)


def test_more_blocks_than_there_are_means_all() -> None:
    method = prepared(LastBlockFT(tiny_backbone(), LastBlockConfig(blocks=9), generator()))
    assert len(method.trainable) == tiny_backbone().vision_depth
    assert_counted(method)
