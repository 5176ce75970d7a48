"""The training loop, with accuracy on held-out images."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datasets_registry._synthetic.drawing import generator
from methods._backbones.backbone_spec import DEMO_CONFIG
from methods._backbones.loading import build_model, pack_weights, unread_token_rows
from tools.train_demo_backbone.captions import LONGEST_CAPTION, CompactVocabulary, caption_tasks
from tools.train_demo_backbone.losses import caption_task_loss, clip_loss
from tools.train_demo_backbone.pictures import augmented, normalised, render_pool
from tools.train_demo_backbone.plan import PictureOrder, TrainingPlan, learning_rate
from tools.train_demo_backbone.scenes import Scene, world_caption, world_scene
from tools.train_demo_backbone.weights import compact_config, cosine_filters, full_state, sine_positions

log = logging.getLogger("train_demo_backbone")

MAX_LOGIT_SCALE = math.log(100)


def encode_text(model: Any, tokens: Tensor, context: int) -> Tensor:
    """Unit text features; tokens are padded to the model's context length."""
    features: Tensor = model.encode_text(F.pad(tokens, (0, context - tokens.shape[1])), normalize=True)
    return features.float()


def encode_image(model: Any, pixels: Tensor) -> Tensor:
    """Unit image features."""
    features: Tensor = model.encode_image(pixels, normalize=True)
    return features.float()


@torch.no_grad()
def held_out_accuracy(
    model: Any, pixels: Tensor, scenes: Sequence[Scene], vocabulary: CompactVocabulary, context: int
) -> dict[str, float]:
    """Zero-shot accuracy on each caption task, over the images it applies to."""
    names = ("shape", "colour+shape", "surface+shape", "count+shape", "size+shape", "ground+shape", "place+shape")
    image = encode_image(model, pixels)
    found: dict[str, float] = {}
    for name, call in zip(names, caption_tasks(), strict=True):
        text = encode_text(model, vocabulary.encode(call.captions), context)
        guesses = (image @ text.T).argmax(dim=-1).tolist()
        asked = [(guess, call.true_index(scene)) for guess, scene in zip(guesses, scenes, strict=True)]
        right = [guess == answer for guess, answer in asked if answer is not None]
        found[name] = sum(right) / len(right)
    return found


def train(plan: TrainingPlan, keep: Callable[[dict[str, Tensor]], None]) -> None:
    """Train by the plan; `keep` receives the packed tensors at every report and at the end."""
    vocabulary = CompactVocabulary()
    shape_call, *other_calls = caption_tasks()
    context = LONGEST_CAPTION
    started = time.perf_counter()
    pictures = render_pool(plan.pool + plan.held_out)
    scenes = [world_scene(index) for index in range(plan.pool + plan.held_out)]
    log.info("painted %d images in %.0f s", len(pictures), time.perf_counter() - started)
    held_out, held_out_scenes = normalised(pictures[plan.pool :]), scenes[plan.pool :]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        model: Any = build_model(compact_config(vocabulary, context))
    rows = unread_token_rows(DEMO_CONFIG["text_cfg"]["vocab_size"], DEMO_CONFIG["text_cfg"]["width"])
    with torch.no_grad():
        model.token_embedding.weight.copy_(rows[vocabulary.token_ids])
        model.visual.conv1.weight.copy_(cosine_filters(*model.visual.conv1.weight.shape[::2]))
        model.visual.positional_embedding.copy_(sine_positions(*model.visual.positional_embedding.shape))
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=plan.lr,
        betas=(0.9, 0.98),
        fused=True,
    )

    started = time.perf_counter()
    order = PictureOrder(scenes[: plan.pool], plan)
    for step in range(plan.steps):
        rng = generator("train", plan.seed, step)
        chosen = order.next_batch(step)
        mirrored = rng.random(plan.batch) < 0.5
        seen = [scenes[i].mirrored() if flip else scenes[i] for i, flip in zip(chosen, mirrored, strict=True)]
        captions = [world_caption(i, step, mirrored=bool(f)) for i, f in zip(chosen, mirrored, strict=True)]
        distinct = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
        asked = [shape_call, other_calls[step % len(other_calls)]]
        tokens = vocabulary.encode([*distinct, *asked[0].captions, *asked[1].captions])
        pixels = augmented(normalised(pictures[chosen]), mirrored, rng)

        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, plan)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=plan.bf16):
            image, text = encode_image(model, pixels), encode_text(model, tokens, context)
        scale = model.logit_scale.exp()
        caption_of = torch.tensor([distinct[caption] for caption in captions])
        contrast = clip_loss(image, text[: len(distinct)], caption_of, scale)
        named = torch.split(text[len(distinct) :], [len(call.captions) for call in asked])
        called = [caption_task_loss(image, among, call, seen, scale) for among, call in zip(named, asked, strict=True)]
        loss = contrast + called[0] + called[1]
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

        if (step + 1) % plan.report_every == 0 or step + 1 == plan.steps:
            rate = (step + 1) * plan.batch / (time.perf_counter() - started)
            accuracy = held_out_accuracy(model, held_out, held_out_scenes, vocabulary, context)
            log.info(
                "step %d/%d  contrast %.3f  shapes %.3f  caption task %.3f  scale %.1f  %.0f images/s  %s",
                step + 1, plan.steps, contrast.item(), *(c.item() for c in called), scale.item(), rate,
                "  ".join(f"{name} {100 * value:.0f}%" for name, value in accuracy.items()),
            )  # fmt: skip
            keep(pack_weights(full_state(model.state_dict(), vocabulary.token_ids), vocabulary.token_ids))
