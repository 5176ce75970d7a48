"""Trains the demo backbone on the drawn world: `python -m bench.train_demo_backbone --out FILE`.

The loss is CLIP's, where equal captions in a batch are positives of one another, plus a roll call: each step also asks
which caption of a complete list (every shape with every colour, say) fits the picture, so that a batch never lacks the
near misses that teach shapes. Text is cut after the longest caption, which is exact because the text tower is causal.
Equal arguments on one machine give equal weights.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from datasets_registry._drawing import SURFACES, generator
from datasets_registry._drawn_world import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    PLACES,
    PLURAL_TEMPLATES,
    SHAPES,
    SIZES,
    TEMPLATES,
    Scene,
    plural,
    world_caption,
    world_image,
    world_scene,
)
from methods._backbone import CLIP_MEAN, CLIP_STD
from methods._demo import DEMO_CONFIG, packed, unread_token_rows
from methods._tokens import tokenize
from methods._weights import build_model

log = logging.getLogger("train_demo_backbone")

MAX_LOGIT_SCALE = math.log(100)
LONGEST_CAPTION = 20
"""Tokens, start and end included, that a caption of the world has at most."""


@dataclass(frozen=True)
class TrainingPlan:
    """What a training run follows from.

    Args:
        steps: optimiser steps.
        batch: pictures a step.
        pool: how many pictures of the world are drawn before training; steps sample from them without replacement.
        held_out: pictures beyond the pool on which progress is measured.
        lr: peak learning rate; linear warm-up, then cosine to zero.
        warmup: steps of warm-up.
        first_lesson: share of the steps that only show lone large plain figures; shapes are learned faster from them.
        weight_decay: on matrices only.
        seed: of the initial weights, order, crops and captions.
        bf16: autocast the towers to bfloat16.
        report_every: steps between two lines of progress.
    """

    steps: int = 4000
    batch: int = 128
    pool: int = 100_000
    held_out: int = 600
    lr: float = 1.5e-3
    warmup: int = 150
    first_lesson: float = 0.2
    weight_decay: float = 0.05
    seed: int = 1
    bf16: bool = True
    report_every: int = 200


# ---------------------------------------------------------------------------------------------------------------------
# Captions


@dataclass(frozen=True)
class RollCall:
    """A complete list of captions and, for a scene, the number of the one that is true of it (None: none is)."""

    captions: tuple[str, ...]
    answer: Callable[[Scene], int | None]


def roll_calls() -> list[RollCall]:
    """For each attribute, all its values with all shapes; and the shapes alone."""
    colours, backgrounds, sizes, places = tuple(COLOURS), tuple(BACKGROUNDS), tuple(SIZES), tuple(PLACES)

    def crossed(values: Sequence[str], form: str) -> tuple[str, ...]:
        return tuple(form.format(value=value, shape=shape) for value in values for shape in SHAPES)

    def place(values: Sequence[str], value: str, shape: str) -> int:
        return values.index(value) * len(SHAPES) + SHAPES.index(shape)

    counted = tuple(f"a photo of {n} {s if n == 'one' else plural(s)}." for n in COUNTS for s in SHAPES)
    by_shape = RollCall(crossed(("",), "a photo of a {shape}."), lambda s: SHAPES.index(s.shape))
    by_colour = RollCall(crossed(colours, "a photo of a {value} {shape}."), lambda s: place(colours, s.colour, s.shape))
    return [
        by_shape,
        by_colour,
        RollCall(crossed(SURFACES, "a photo of a {value} {shape}."), lambda s: place(SURFACES, s.surface, s.shape)),
        RollCall(counted, lambda s: (s.count - 1) * len(SHAPES) + SHAPES.index(s.shape)),
        RollCall(
            crossed(sizes, "a photo of a {value} {shape}."),
            lambda s: place(sizes, s.size, s.shape) if s.count == 1 else None,
        ),
        RollCall(
            crossed(backgrounds, "a photo of a {shape} on a {value} background."),
            lambda s: place(backgrounds, s.background, s.shape),
        ),
        RollCall(
            crossed(places, "a photo of a {shape} {value}."),
            lambda s: place(places, s.place, s.shape) if s.count == 1 else None,
        ),
    ]


class CompactVocabulary:
    """The token ids that captions of the world can contain, renumbered in order from 0; the end token stays largest."""

    def __init__(self) -> None:
        words = [
            *COLOURS,
            *BACKGROUNDS,
            *SIZES,
            *SURFACES,
            *COUNTS,
            *PLACES,
            *SHAPES,
            *map(plural, SHAPES),
            "background",
        ]
        templates = [t.replace("{}", "") for t in (*TEMPLATES, *PLURAL_TEMPLATES)]
        bases = ["on a", *templates, *words]
        self.token_ids = torch.unique(tokenize(bases + [f"a {b}." for b in bases])).long()
        self._rows: dict[str, NDArray[np.int64]] = {}

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Compact token ids, padded with the first id to the longest caption; shape `(len(captions), tokens)`."""
        missing = [caption for caption in dict.fromkeys(captions) if caption not in self._rows]
        if missing:
            full = tokenize(missing)
            compact = torch.searchsorted(self.token_ids, full)
            if not torch.equal(self.token_ids[compact], full):
                raise ValueError("A caption holds a token that the compact vocabulary lacks.")
            lengths = (full.argmax(dim=-1) + 1).tolist()
            self._rows |= {c: compact[i, :n].numpy() for i, (c, n) in enumerate(zip(missing, lengths, strict=True))}
        rows = [self._rows[caption] for caption in captions]
        table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        for i, row in enumerate(rows):
            table[i, : len(row)] = row
        return torch.from_numpy(table)


# ---------------------------------------------------------------------------------------------------------------------
# Pictures


def _draw_block(start: int, stop: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(world_image(index)) for index in range(start, stop)])


def drawn_pool(count: int, processes: int = 2) -> Tensor:
    """Pictures 0..count of the world as uint8, shape `(count, 48, 48, 3)`."""
    edges = [*range(0, count, 1000), count]
    with ProcessPoolExecutor(processes) as workers:
        return torch.from_numpy(np.concatenate(list(workers.map(_draw_block, edges[:-1], edges[1:]))))


def normalised(pictures: Tensor) -> Tensor:
    """uint8 `(batch, h, w, 3)` to CLIP's normalised float `(batch, 3, h, w)`."""
    scaled = pictures.permute(0, 3, 1, 2).float() / 255
    return (scaled - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)


def augmented(pixels: Tensor, mirrored: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    """Pixels mirrored where asked, and mildly cropped: scale 0.85 to 1.1, shift up to 6 % of the side."""
    n = len(pixels)
    scale, shift = rng.uniform(0.85, 1.1, n), rng.uniform(-0.12, 0.12, (n, 2))
    theta = np.zeros((n, 2, 3), dtype=np.float32)
    theta[:, 0, 0], theta[:, 1, 1] = scale * np.where(mirrored, -1, 1), scale
    theta[:, :, 2] = shift
    grid = F.affine_grid(torch.from_numpy(theta), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


# ---------------------------------------------------------------------------------------------------------------------
# Training


def clip_loss(image: Tensor, text: Tensor, caption_of: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric loss over the distinct captions of a batch.

    Args:
        image: unit features, shape `(batch, dim)`.
        text: unit features of the distinct captions, shape `(captions, dim)`.
        caption_of: number of each picture's caption, shape `(batch,)`.
        scale: the temperature's inverse.
    """
    logits = scale * image @ text.T
    positive = F.one_hot(caption_of, len(text)).to(logits.dtype).T  # (captions, batch)
    per_image = F.cross_entropy(logits, caption_of)
    of_caption = -(F.log_softmax(logits.T, dim=-1) * positive).sum(dim=-1) / positive.sum(dim=-1)
    weight = positive.sum(dim=-1) / len(image)
    return (per_image + (weight * of_caption).sum()) / 2


def roll_call_loss(image: Tensor, text: Tensor, call: RollCall, scenes: Sequence[Scene], scale: Tensor) -> Tensor:
    """Cross-entropy of the true caption among all of a roll call's, over the scenes that it can be asked of."""
    answers = [call.answer(scene) for scene in scenes]
    asked = [i for i, answer in enumerate(answers) if answer is not None]
    return F.cross_entropy(scale * image[asked] @ text.T, torch.tensor([answers[i] for i in asked]))


def learning_rate(step: int, plan: TrainingPlan) -> float:
    """Linear warm-up to `plan.lr`, then cosine to zero."""
    if step < plan.warmup:
        return plan.lr * (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return plan.lr * 0.5 * (1 + math.cos(math.pi * done))


def cosine_filters(width: int, patch: int) -> Tensor:
    """Patch filters to start from: the lowest cosine waves, in grey and two colour contrasts in turn.

    Returns: shape `(width, 3, patch, patch)`. A constant filter counts a quarter, else brightness would drown the rest.
    """
    k = np.arange(patch)
    waves = np.cos(math.pi * (k + 0.5) * k[:, None] / patch) * np.where(k == 0, 1, math.sqrt(2))[:, None]
    lowest = sorted(((u, v) for u in k for v in k), key=lambda uv: (uv[0] + uv[1], uv[0]))
    contrasts = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
    filters = [
        np.multiply.outer(contrasts[i % 3], np.outer(waves[u], waves[v])) * (0.25 if u + v == 0 else 1)
        for i, (u, v) in ((i, lowest[i // 3]) for i in range(width))
    ]
    return torch.from_numpy(0.3 / patch * np.stack(filters)).float()


def sine_positions(count: int, width: int) -> Tensor:
    """Position rows to start from: none for the class token, sines of row and column for the patches."""
    side = math.isqrt(count - 1)
    rates = 100.0 ** -(np.arange(width // 4) / (width // 4))
    row, column = (axis.reshape(-1, 1) * rates for axis in np.mgrid[0:side, 0:side])
    waves = np.concatenate([np.sin(column), np.cos(column), np.sin(row), np.cos(row)], axis=1)
    return torch.from_numpy(0.3 * np.concatenate([np.zeros((1, width)), waves])).float()


class PictureOrder:
    """Which pictures a step sees: shuffled passes over the lone large plain figures at first, over the pool later."""

    def __init__(self, scenes: Sequence[Scene], plan: TrainingPlan) -> None:
        self._plan = plan
        self._everything = np.arange(len(scenes))
        self._easy = np.array(
            [i for i, s in enumerate(scenes) if s.count == 1 and s.size == "large" and s.surface == "plain"]
        )
        self._waiting: list[int] = []
        self._passes = 0

    def next_batch(self, step: int) -> list[int]:
        """Indices of the pictures of this step; to be asked once a step, in order."""
        first_full_step = int(self._plan.first_lesson * self._plan.steps)
        if step == first_full_step:
            self._waiting = []
        while len(self._waiting) < self._plan.batch:
            rng = generator("order", self._plan.seed, self._passes)
            self._waiting += rng.permutation(self._easy if step < first_full_step else self._everything).tolist()
            self._passes += 1
        chosen, self._waiting = self._waiting[: self._plan.batch], self._waiting[self._plan.batch :]
        return chosen


def compact_config(vocabulary: CompactVocabulary, context: int) -> dict[str, Any]:
    """The demo configuration with the small vocabulary and only as many positions as captions use."""
    text = {**DEMO_CONFIG["text_cfg"], "vocab_size": len(vocabulary.token_ids), "context_length": context}
    return {**DEMO_CONFIG, "text_cfg": text}


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
    """Zero-shot accuracy on each roll call, over the pictures that it can be asked of."""
    names = ("shape", "colour+shape", "surface+shape", "count+shape", "size+shape", "ground+shape", "place+shape")
    image = encode_image(model, pixels)
    found: dict[str, float] = {}
    for name, call in zip(names, roll_calls(), strict=True):
        text = encode_text(model, vocabulary.encode(call.captions), context)
        guesses = (image @ text.T).argmax(dim=-1).tolist()
        asked = [(guess, call.answer(scene)) for guess, scene in zip(guesses, scenes, strict=True)]
        right = [guess == answer for guess, answer in asked if answer is not None]
        found[name] = sum(right) / len(right)
    return found


def train(plan: TrainingPlan, keep: Callable[[dict[str, Tensor]], None]) -> None:
    """Train by the plan; `keep` receives the packed asset's tensors at every report and at the end."""
    vocabulary = CompactVocabulary()
    shape_call, *other_calls = roll_calls()
    context = LONGEST_CAPTION
    started = time.perf_counter()
    pictures = drawn_pool(plan.pool + plan.held_out)
    scenes = [world_scene(index) for index in range(plan.pool + plan.held_out)]
    log.info("drew %d pictures in %.0f s", len(pictures), time.perf_counter() - started)
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
        called = [roll_call_loss(image, among, call, seen, scale) for among, call in zip(named, asked, strict=True)]
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
                "step %d/%d  contrast %.3f  shapes %.3f  roll call %.3f  scale %.1f  %.0f images/s  %s",
                step + 1, plan.steps, contrast.item(), *(c.item() for c in called), scale.item(), rate,
                "  ".join(f"{name} {100 * value:.0f}%" for name, value in accuracy.items()),
            )  # fmt: skip
            keep(packed(full_state(model.state_dict(), vocabulary.token_ids), vocabulary.token_ids))


def full_state(state: dict[str, Tensor], token_ids: Tensor) -> dict[str, Tensor]:
    """A compact model's weights in the demo configuration's shapes.

    Token rows go back to their places; positions beyond the longest caption were never trained and are filled with
    small seeded noise, as before training.
    """
    text = DEMO_CONFIG["text_cfg"]
    table = unread_token_rows(text["vocab_size"], text["width"])
    table[token_ids] = state["token_embedding.weight"]
    known = state["positional_embedding"]
    rng = generator("positions beyond the longest caption")
    noise = rng.standard_normal((text["context_length"], text["width"])).astype(np.float32) * np.float32(0.01)
    positions = torch.from_numpy(noise)
    positions[: len(known)] = known
    return {**state, "token_embedding.weight": table, "positional_embedding": positions}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, train, write the asset and say its digest."""
    plan = TrainingPlan()
    parser = argparse.ArgumentParser(prog="python -m bench.train_demo_backbone", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--steps", type=int, default=plan.steps, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=plan.batch, help="pictures a step (default: %(default)s)")
    parser.add_argument("--pool", type=int, default=plan.pool, help="pictures drawn beforehand (default: %(default)s)")
    parser.add_argument("--first-lesson", type=float, default=plan.first_lesson, help="share (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=plan.lr, help="peak learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=plan.seed, help="(default: %(default)s)")
    parser.add_argument("--report-every", type=int, default=plan.report_every, help="steps (default: %(default)s)")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plan = TrainingPlan(
        steps=given.steps, batch=given.batch, pool=given.pool, lr=given.lr, seed=given.seed,
        first_lesson=given.first_lesson,        report_every=given.report_every,
    )  # fmt: skip
    train(plan, lambda tensors: save_file(tensors, given.out))
    log.info("wrote %s; DEMO_SHA256 = %r", given.out, hashlib.sha256(given.out.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
