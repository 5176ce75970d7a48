"""Training steps on a randomly initialised ViT-B/16: of this benchmark and of the plain one."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from plain import PlainBackbone, without_memory
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import METHODS, Backbone, BackboneSpec, Batch, MethodConfig, Needs, SupportView, load_backbone
from methods.coop import CoOpConfig
from methods.vpt import VPTConfig
from tools.perf.table import PLAIN, Goal, Row

NAMES = (Path(__file__).with_name("class_names.txt")).read_text(encoding="utf-8").split("\n")[:-1]
COOP16 = CoOpConfig(n_ctx=16)
Step = Callable[[], list[Tensor]]
"""One training step without the update; gives the gradients."""


@dataclass(frozen=True)
class Case:
    """A measured step.

    Args:
        plain: whether the plain side fits into memory.
        stored: whether our features come from the store.
        less_memory: bound of the ratio of the two peaks, each of which is measured in a process of its own; None: time
            alone is measured, in turns.
    """

    work: str
    goal: Goal
    method: str
    classes: int
    batch: int
    config: MethodConfig | None = None
    against: str = PLAIN
    plain: bool = True
    stored: bool = True
    less_memory: float | None = None


CASES = {
    "coop50": Case("CoOp step, 50 classes", Goal(at_least=15), "coop", 50, 32, COOP16),
    "cocoop": Case("CoCoOp step, 4 images x 50 classes", Goal(at_least=10), "cocoop", 50, 4),
    "deep": Case("deep text prompts (12 layers), 50 classes", Goal(at_least=12), "deep_text_prompts", 50, 4),
    "whole_coop": Case(
        "whole CoOp step, batch 32, stored views", Goal(at_least=30), "coop", 50, 32, COOP16, stored=False
    ),
    "maple": Case("MaPLe step, batch 4, 50 classes", Goal(at_least=2), "maple", 50, 4),
    "apex": Case("APEX step, batch 16, 50 classes", Goal(at_least=1.6), "apex", 50, 16),
    "vpt": Case("VPT step, batch 8", Goal(at_most=1.1), "vpt", 50, 8, VPTConfig(), "open_clip on the same tokens"),
    "coop500": Case(
        "CoOp step, 500 classes, 16 ctx", Goal(at_least=18, words="memory >= 8x lower"), "coop", 500, 32, COOP16,
        less_memory=8,
    ),
    "coop4000": Case(
        "CoOp step, 4000 classes, 16 ctx (in chunks)", Goal(words="fits"), "coop", 4000, 32, COOP16, plain=False,
        less_memory=0,
    ),
}  # fmt: skip


def class_set(n: int) -> ClassSet:
    """So many distinct class names: ImageNet-like words, then numbered ones."""
    names = [NAMES[i % len(NAMES)] + ("" if i < len(NAMES) else f" {i // len(NAMES)}") for i in range(n)]
    return ClassSet(tuple(names), "a photo of a {}.")


def prepared(name: str, backbone: Backbone, n_classes: int, config: MethodConfig | None = None) -> Any:
    """A method that was prepared with one random feature per class."""
    cls = METHODS.get(name)
    method = cls(
        backbone, config or cls.info.default_config(EvalProtocol.BASE_TO_NEW), torch.Generator().manual_seed(0)
    )
    features = torch.randn(n_classes, backbone.embed_dim, generator=torch.Generator().manual_seed(1))
    features, labels = features.to(backbone.device), torch.arange(n_classes, device=backbone.device)
    views = SupportView(class_set(n_classes), labels, 1, lambda: features, lambda k, _: features.expand(k, -1, -1))
    method.prepare(views)
    return method


def step_of(method: Any, n: int, n_classes: int, *, stored: bool = True) -> Step:
    """A step on n random images, whose features come from the store, or from the image tower in each step."""
    backbone, generator = method.backbone, torch.Generator().manual_seed(2)
    pixels = torch.randn(n, 3, backbone.image_size, backbone.image_size, generator=generator).to(backbone.device)
    features = torch.randn(n, backbone.embed_dim, generator=generator).to(backbone.device)
    labels = torch.randint(0, n_classes, (n,), generator=generator).to(backbone.device)

    def encode() -> Tensor:
        if not stored:
            with torch.no_grad():
                backbone.encode_image(pixels)
        return features

    def step() -> list[Tensor]:
        method.trainable.zero_grad(set_to_none=True)
        method.backward(Batch(labels, features=encode, pixels=lambda: pixels, needs=frozenset(get_args(Needs))))
        return [p.grad for p in method.trainable.parameters() if p.grad is not None]

    return step


def pair(case: Case) -> tuple[Step, Step]:
    """The step by this benchmark and by the plain one."""
    ours = load_backbone(BackboneSpec("ViT-B-16", "random"))
    fast = prepared(case.method, ours, case.classes, case.config)
    slow = prepared(case.method, PlainBackbone(ours.spec, ours.model), case.classes, case.config)
    slow = without_memory(slow) if case.method == "apex" else slow
    return step_of(fast, case.batch, case.classes), step_of(slow, case.batch, case.classes, stored=case.stored)


def step_row(name: str, repeats: int) -> Row:
    """Median seconds of both sides, measured in turns, and the largest relative difference of their gradients."""
    case = CASES[name]
    if case.less_memory is not None:
        return memory_row(name, case, case.less_memory)
    sides = pair(case)
    ours, plain = (side() for side in sides)
    worst = max(float((x - y).norm() / y.norm()) for x, y in zip(ours, plain, strict=True))
    turns = [[turn(side) for side in sides] for _ in range(repeats)]
    seconds = [statistics.median(second for side in column for second in side) for column in zip(*turns, strict=True)]
    return Row(case.work, case.goal, *seconds, worst, against=case.against)


def turn(step: Step, at_least: float = 1.0) -> list[float]:
    """Seconds of consecutive steps.

    A short step directly after the other side is not counted, since memory and caches hold the other side's data. A
    step of at least `at_least` seconds is a turn by itself.
    """
    first = seconds_of(step)
    if first >= at_least:
        return [first]
    counted: list[float] = []
    while sum(counted) < at_least:
        counted.append(seconds_of(step))
    return counted


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory_row(name: str, case: Case, less_memory: float) -> Row:
    """Seconds and peak memory of each side in a separate process, since a peak never falls."""
    found: dict[str, dict[str, float]] = {}
    for side in ("ours", "plain") if case.plain else ("ours",):
        command = [sys.executable, "-m", "tools.perf", "--alone", f"{name}:{side}"]
        command += ["--threads", str(torch.get_num_threads())]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[side] = json.loads(done.stdout.splitlines()[-1])
    ours = found["ours"]
    note = f"peak above the loaded model: {ours['bytes'] / 2**30:.2f} GiB"
    if not case.plain:
        return Row(case.work, case.goal, ours["seconds"], note=note)
    plain = found["plain"]
    less = plain["bytes"] / ours["bytes"]
    note += f", plain {plain['bytes'] / 2**30:.2f} GiB ({less:.1f}x)"
    return Row(case.work, case.goal, ours["seconds"], plain["seconds"], note=note, reached=less >= less_memory)


def alone(text: str) -> None:
    """Run one side of a case in this process, and print its seconds and its bytes above the loaded model."""
    name, side = text.split(":")
    step = pair(CASES[name])[side == "plain"]
    Path("/proc/self/clear_refs").write_text("5")  # loading a model briefly holds it twice
    before = process_bytes("VmRSS")
    seconds = min(seconds_of(step) for _ in range(3 if side == "ours" else 1))
    sys.stdout.write(json.dumps({"seconds": seconds, "bytes": process_bytes("VmHWM") - before}) + "\n")


def process_bytes(field: str) -> int:
    """Bytes of a field of Linux's process status: VmRSS now, VmHWM at the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024
