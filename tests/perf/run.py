"""`make perf`: how much faster our way is than the plain way, as ratios within one run, each with its equality check.

Seconds are medians over interleaved repetitions (ours, plain, ours, plain, ...) in one process. Peak memory is measured
in a process of its own for each side. FLOPs are torch's count of matrix products; the machine's rate is that of a plain
product of the shapes that a transformer block uses.

    python tests/perf/run.py [--only PATTERN] [--write docs/performance.md] [--threads 2] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from plain import PlainBackbone, without_memory
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.features import FeatureStore
from datasets_registry._types import ClassSet, EvalProtocol
from methods import METHODS, Batch, MethodConfig, Needs, SupportView
from methods._backbone import Backbone, load_backbone
from methods._backbone_names import BackboneSpec

NAMES = [line.strip() for line in (Path(__file__).parent / "class_names.txt").read_text().splitlines() if line.strip()]
ALL = frozenset(Needs)
GENERIC = "a photo of a {}."


@dataclass
class Side:
    """One way of doing a piece of work. `run` returns tensors to compare with the other way's."""

    run: Callable[[], list[Tensor]]


@dataclass
class Row:
    """One line of the table."""

    work: str
    goal: str
    ours: float
    plain: float
    difference: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.plain / self.ours


def class_set(n: int) -> ClassSet:
    """n distinct class names: ImageNet-like words, then numbered ones."""
    names = [NAMES[i % len(NAMES)] + ("" if i < len(NAMES) else f" {i // len(NAMES)}") for i in range(n)]
    return ClassSet(tuple(names), GENERIC)


def backbones() -> tuple[Backbone, Backbone]:
    ours = load_backbone(BackboneSpec("ViT-B-16", "random"))
    return ours, PlainBackbone(ours.spec, ours.model)


def make_method(name: str, backbone: Backbone, n_classes: int, config: MethodConfig | None = None) -> Any:
    cls = METHODS.get(name)
    config = config or cls.info.default_config(EvalProtocol.BASE_TO_NEW)
    method = cls(backbone, config, torch.Generator().manual_seed(0))
    classes = class_set(n_classes)
    labels = torch.arange(n_classes)
    features = torch.randn(n_classes, backbone.embed_dim, generator=torch.Generator().manual_seed(1))
    method.prepare(SupportView(classes, labels, 1, lambda: features, lambda k, _: features.expand(k, -1, -1)))
    return method


def batch_of(n: int, n_classes: int, *, frozen: Callable[[Tensor], Tensor] | None = None) -> Batch:
    """Random images and labels; features from `frozen`, or at hand as from a warm store."""
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randn(n, 3, 224, 224, generator=generator)
    features = torch.randn(n, 512, generator=generator)
    labels = torch.randint(0, n_classes, (n,), generator=generator)

    def encode() -> Tensor:
        if frozen is None:
            return features
        with torch.no_grad():
            frozen(pixels)
        return features

    return Batch(labels, features=encode, pixels=lambda: pixels, needs=ALL)


def step(method: Any, make_batch: Callable[[], Batch]) -> Side:
    """One training step up to the gradients."""

    def run() -> list[Tensor]:
        method.trainable.zero_grad(set_to_none=True)
        method.backward(make_batch())
        return [p.grad for p in method.trainable.parameters() if p.grad is not None]

    return Side(run)


def pair(
    name: str, n_classes: int, batch: int, *, warm: bool = True, config: MethodConfig | None = None
) -> tuple[Side, Side]:
    """The same step of a method our way and the plain way; `warm`: our features come from the store."""
    ours, plain = backbones()
    data = batch_of(batch, n_classes)
    method, slow = make_method(name, ours, n_classes, config), make_method(name, plain, n_classes, config)
    fresh = {} if warm else {"frozen": plain.encode_image}
    plain_data = data if warm else batch_of(batch, n_classes, **fresh)

    def again() -> Batch:
        plain_data._values.clear()
        return plain_data

    return step(method, lambda: data), step(without_memory(slow) if name == "apex" else slow, again)


def measure(ours: Side, plain: Side, repeats: int) -> tuple[float, float, float]:
    """Median seconds of both, interleaved, and the largest relative difference of what they return."""
    a, b = ours.run(), plain.run()
    worst = max((float((x - y).norm() / y.norm()) for x, y in zip(a, b, strict=True)), default=0.0)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(repeats):
        for side, name in ((ours, "ours"), (plain, "plain")):
            start = time.perf_counter()
            side.run()
            seconds[name].append(time.perf_counter() - start)
    return statistics.median(seconds["ours"]), statistics.median(seconds["plain"]), worst


def compared(work: str, goal: str, sides: tuple[Side, Side], repeats: int, note: str = "") -> Row:
    ours, plain, worst = measure(*sides, repeats)
    return Row(work, goal, ours, plain, worst, note)


def matmul_rate() -> float:
    """FLOP/s of plain products with the shapes of a block's MLP on a few hundred positions."""
    rates = []
    for width in (512, 768):
        x, w = torch.randn(512, width), torch.randn(width, 4 * width)
        x @ w
        start = time.perf_counter()
        for _ in range(20):
            x @ w
        rates.append(20 * 2 * 512 * width * 4 * width / (time.perf_counter() - start))
    return statistics.mean(rates)


def efficiency(side: Side, repeats: int) -> tuple[float, float]:
    """GFLOP of one run, and its rate as a share of the machine's; the machine is measured before and after."""
    side.run()
    with FlopCounterMode(display=False) as counter:
        side.run()
    flops, shares = counter.get_total_flops(), []
    for _ in range(repeats):
        before = matmul_rate()
        start = time.perf_counter()
        side.run()
        seconds = time.perf_counter() - start
        shares.append(flops / seconds / ((before + matmul_rate()) / 2))
    return flops / 1e9, statistics.median(shares)


def extraction() -> Row:
    """Features of JPEG files through the store, against the tower on ready tensors."""
    from PIL import Image

    from bench.inputs import Inputs
    from bench.views import CENTER_VIEW
    from datasets_registry._files import ImageFiles
    from datasets_registry._types import Sample

    backbone, _ = backbones()
    with tempfile.TemporaryDirectory() as folder:
        generator = torch.Generator().manual_seed(0)
        samples = []
        for i in range(32):
            noise = torch.randint(0, 255, (12, 16, 3), generator=generator, dtype=torch.uint8).numpy()
            Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(
                Path(folder) / f"{i}.jpg", quality=90
            )
            samples.append(Sample(f"{i}.jpg", 0))
        images, seconds = ImageFiles(Path(folder)), {"ours": [], "plain": []}
        ready = Inputs(backbone, FeatureStore(backbone, None)).pixels(images, samples, CENTER_VIEW)
        for _ in range(3):
            start = time.perf_counter()
            Inputs(backbone, FeatureStore(backbone, None)).features(images, samples, CENTER_VIEW)
            seconds["ours"].append(time.perf_counter() - start)
            start = time.perf_counter()
            with torch.no_grad():
                backbone.encode_image(ready)
            seconds["plain"].append(time.perf_counter() - start)
    ours, plain = statistics.median(seconds["ours"]), statistics.median(seconds["plain"])
    return Row("32 features from JPEG files, against the tower alone", "at most 1.10x of it", ours, plain)


def second_method() -> Row:
    """A feature-space method on a dataset whose features another method has asked for, against the first."""
    from bench import runner
    from bench.context import RunContext
    from bench.sweep import Axes, expand

    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(cache_dir=Path(folder), threads=torch.get_num_threads())
        specs = {
            spec.method: spec
            for spec in expand(
                Axes(
                    ["clip_adapter", "text_adapter"], ["spectrum_basic"], ["ViT-demo.drawn"], seeds=(1,), recipe="demo"
                )
            ).specs
        }
        runner.shared_inputs("ViT-demo.drawn", context)
        start = time.perf_counter()
        runner.run_experiment(specs["clip_adapter"], context)
        first = time.perf_counter() - start
        start = time.perf_counter()
        record, _ = runner.run_experiment(specs["text_adapter"], context)
        second = time.perf_counter() - start
    passes = record.cost.image_passes
    return Row(
        "second feature-space method on a dataset (demo backbone, whole run)", "0 passes, >= 20x", second, first,
        note=f"{passes} encoder passes",
    )  # fmt: skip


def apex_evaluation(repeats: int) -> Row:
    """APEX on new classes, 4 batches of 8 images: texts once and one prompted pass, against all of it every batch."""
    ours, plain = backbones()
    fast, slow = make_method("apex", ours, 50), without_memory(make_method("apex", plain, 50))
    new = ClassSet(tuple(f"{name} new" for name in class_set(50).names), GENERIC)
    batches = [batch_of(8, 50) for _ in range(4)]
    plain_batches = [batch_of(8, 50, frozen=plain.encode_image) for _ in range(4)]

    def run_ours() -> list[Tensor]:
        with torch.no_grad():
            classify = fast.classifier(new)
            return [classify(batch) for batch in batches]

    def run_plain() -> list[Tensor]:
        with torch.no_grad():
            for batch in plain_batches:
                batch._values.clear()
            return [slow.classifier(new)(batch) for batch in plain_batches]

    return compared(
        "APEX evaluation, 50 new classes, 4 batches of 8",
        "one pass an image, texts once",
        (Side(run_ours), Side(run_plain)),
        repeats,
    )


def steps(repeats: int) -> dict[str, Callable[[], Row]]:
    from methods.coop import CoOpConfig
    from methods.vpt import VPTConfig

    coop = CoOpConfig(n_ctx=16)
    return {
        "coop50": lambda: compared("CoOp step, 50 classes", ">= 15x", pair("coop", 50, 32, config=coop), repeats),
        "coop500": lambda: memory_row("coop500", ">= 18x, memory >= 8x lower"),
        "coop1000": lambda: memory_row("coop1000", "fits", plain=False),
        "cocoop": lambda: compared("CoCoOp step, 4 images x 50 classes", ">= 10x", pair("cocoop", 50, 4), repeats),
        "deep": lambda: compared(
            "deep text prompts (12 layers), 50 classes", ">= 12x", pair("deep_text_prompts", 50, 4), repeats
        ),
        "whole_coop": lambda: compared(
            "whole CoOp step, batch 32, warm views", ">= 30x", pair("coop", 50, 32, warm=False, config=coop), repeats
        ),
        "maple": lambda: compared("MaPLe step, batch 4, 50 classes", ">= 2x", pair("maple", 50, 4), repeats),
        "apex": lambda: compared("APEX step, batch 16, 50 classes", ">= 1.6x", pair("apex", 50, 16), repeats),
        "vpt": lambda: compared(
            "VPT step, batch 8, against open_clip on the same tokens", "at most 1.10x of it",
            pair("vpt", 50, 8, config=VPTConfig()), repeats,
        ),
        "apex_eval": lambda: apex_evaluation(repeats),
        "extraction": extraction,
        "second": second_method,
    }  # fmt: skip


def memory_row(case: str, goal: str, *, plain: bool = True) -> Row:
    """A CoOp step on many classes, each side in a process of its own: seconds and peak memory."""
    n = int(case.removeprefix("coop"))
    results = {}
    for side in ("ours", "plain") if plain else ("ours",):
        command = [sys.executable, __file__, "--alone", f"{case}:{side}", "--threads", str(torch.get_num_threads())]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results[side] = json.loads(done.stdout.splitlines()[-1])
    ours, other = results["ours"], results.get("plain", {"seconds": float("nan"), "bytes": 0})
    note = f"peak above the loaded model: {ours['bytes'] / 2**30:.2f} GiB"
    if plain:
        note += f", plain {other['bytes'] / 2**30:.2f} GiB ({other['bytes'] / ours['bytes']:.1f}x)"
    return Row(f"CoOp step, {n} classes, 16 ctx", goal, ours["seconds"], other["seconds"], note=note)


def alone(case: str) -> None:
    """Run one side of a memory case in this process and print what it took."""
    from methods.coop import CoOpConfig

    name, side = case.split(":")
    n = int(name.removeprefix("coop"))
    ours, plain = pair("coop", n, 32, config=CoOpConfig(n_ctx=16))
    before = start_peak()
    chosen, seconds = ours if side == "ours" else plain, []
    for _ in range(3 if side == "ours" else 1):
        start = time.perf_counter()
        chosen.run()
        seconds.append(time.perf_counter() - start)
    sys.stdout.write(json.dumps({"seconds": min(seconds), "bytes": memory("VmHWM") - before}) + "\n")


def memory(field: str) -> int:
    """Bytes of a field of Linux's process status: VmRSS now, VmHWM at the peak since `start_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def start_peak() -> int:
    """Forget the peak so far (loading a model holds it twice for a moment); returns what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def table(rows: list[Row]) -> str:
    lines = ["| work | to reach | ours, s | plain, s | plain / ours | difference | |", "|---|---|---|---|---|---|---|"]
    for r in rows:
        difference = "" if r.difference is None else f"{r.difference:.0e}"
        lines.append(
            f"| {r.work} | {r.goal} | {r.ours:.3g} | {r.plain:.3g} | {r.ratio:.2f} | {difference} | {r.note} |"
        )
    return "\n".join(lines)


def limits(repeats: int) -> str:
    from methods.coop import CoOpConfig

    lines = ["| work | GFLOP | share of a plain product's FLOP/s |", "|---|---|---|"]
    for work, sides in (
        ("CoOp step, 50 classes", pair("coop", 50, 32, config=CoOpConfig(n_ctx=16))),
        ("VPT step, batch 8", pair("vpt", 50, 8)),
    ):
        gflop, share = efficiency(sides[0], repeats)
        lines.append(f"| {work} | {gflop:.1f} | {100 * share:.0f} % |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="rows to run, a pattern")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, help="write the tables between the marks of this file")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        alone(options.alone)
        return
    rows = []
    for name, make in steps(options.repeats).items():
        if fnmatch(name, options.only):
            sys.stderr.write(f"{name} ...\n")
            rows.append(make())
            sys.stderr.write(table(rows[-1:]).splitlines()[-1] + "\n")
    text = f"{table(rows)}\n\n{limits(options.repeats)}\n" if options.only == "*" else table(rows) + "\n"
    machine = f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, {date.today().isoformat()}"
    sys.stdout.write(f"{machine}\n\n{text}")
    if options.write:
        page = options.write.read_text()
        start, end = "<!-- measured -->\n", "<!-- end -->"
        head, tail = page.split(start)[0], page.split(end)[1]
        options.write.write_text(f"{head}{start}{machine}\n\n{text}{end}{tail}")


if __name__ == "__main__":
    main()
