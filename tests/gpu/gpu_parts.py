"""What `make gpu` measures on a device, one generator for each part of the file.

A part yields what it has measured so far, so that the file grows with it.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _steps import ALL, class_set
from PIL import Image
from plain import PlainBackbone
from torch import Tensor

from bench.experiment.features.frozen_features import FeatureStore, images_per_pass
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.views import CENTER_VIEW, render, to_pixels, view_params
from datasets_registry import EvalProtocol, Sample
from methods import METHODS, Backbone, BackboneSpec, Batch, Precision, SupportView, load_backbone

STEPS = [
    ("coop", 50, 32), ("coop", 500, 32), ("kgcoop", 50, 128), ("cocoop", 50, 1), ("maple", 50, 4), ("vpt", 50, 4),
    ("apex", 50, 16), ("promptsrc", 50, 4), ("clip_lora", 50, 32), ("mma", 50, 16), ("clip_adapter", 50, 32),
]  # fmt: skip
"""Method, classes and batch of each measured step."""
WITH_PLAIN = {"coop", "cocoop", "maple", "vpt", "apex"}
REPETITIONS = 5


@dataclass(frozen=True)
class Machine:
    """Where and how large: `tiny` takes the tiny backbone and few cases, to test this script without a GPU."""

    device: torch.device
    tiny: bool
    seconds: float

    @property
    def arch(self) -> str:
        return "ViT-tiny" if self.tiny else "ViT-B-16"

    @property
    def on_cuda(self) -> bool:
        return self.device.type == "cuda"

    def backbone(self, precision: Precision = Precision.FP32) -> Backbone:
        return load_backbone(BackboneSpec(self.arch, "random"), device=str(self.device), precision=precision)

    def wait(self) -> None:
        if self.on_cuda:
            torch.cuda.synchronize(self.device)

    def timed(self, work: Callable[[], object]) -> float:
        """Median seconds of runs that take `seconds` together; each run is waited for."""
        work()
        self.wait()
        taken: list[float] = []
        while sum(taken) < self.seconds or len(taken) < 3:
            start = time.perf_counter()
            work()
            self.wait()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    def peak(self, work: Callable[[], object]) -> int | None:
        """Bytes of the device at the peak of a run, above those before it; None on the CPU."""
        if not self.on_cuda:
            return None
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        work()
        self.wait()
        return torch.cuda.max_memory_allocated(self.device) - before


@contextmanager
def tf32(matmul: bool, convolution: bool) -> Iterator[None]:
    """TF32 on or off for matrix products and for cuDNN."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, convolution
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@contextmanager
def deterministic() -> Iterator[None]:
    """torch's deterministic algorithms."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def described(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def environment(machine: Machine) -> Iterator[dict[str, Any]]:
    """The machine, the versions, and the date."""
    facts: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"), "device": str(machine.device), "tiny": machine.tiny,
        "platform": platform.platform(), "torch": torch.__version__, "threads": torch.get_num_threads(),
    }  # fmt: skip
    if machine.on_cuda:
        facts["gpu"] = torch.cuda.get_device_name(machine.device)
        facts["capability"] = list(torch.cuda.get_device_capability(machine.device))
        facts |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    yield facts


def images(machine: Machine) -> Iterator[list[dict[str, Any]]]:
    """Images a second through the frozen image tower, by precision and batch."""
    rows = []
    for precision in Precision if machine.on_cuda else (Precision.FP32, Precision.BF16):
        fast = precision is Precision.TF32
        with tf32(fast, fast), torch.no_grad():
            backbone = machine.backbone(precision)
            for size in (8, 32) if machine.tiny else (32, 128, 512):
                pixels = torch.randn(size, 3, backbone.image_size, backbone.image_size).to(machine.device)
                seconds = machine.timed(lambda b=backbone, x=pixels: b.encode_image(x))
                rows.append({"precision": str(precision), "batch": size, "images_per_second": size / seconds})
                yield rows


def prepared(name: str, backbone: Backbone, n_classes: int) -> Any:
    """A method that was prepared with one random feature per class."""
    cls = METHODS.get(name)
    config = cls.info.default_config(EvalProtocol.BASE_TO_NEW)
    method = cls(backbone, config, torch.Generator().manual_seed(0))
    features = torch.randn(n_classes, backbone.embed_dim, generator=torch.Generator().manual_seed(1))
    features, labels = features.to(backbone.device), torch.arange(n_classes, device=backbone.device)
    classes = class_set(n_classes)
    method.prepare(SupportView(classes, labels, 1, lambda: features, lambda k, _: features.expand(k, -1, -1)))
    return method


def batch_on(backbone: Backbone, n: int, n_classes: int) -> Batch:
    """Random images and labels on the device."""
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randn(n, 3, backbone.image_size, backbone.image_size, generator=generator).to(backbone.device)
    labels = torch.randint(0, n_classes, (n,), generator=generator).to(backbone.device)
    with torch.no_grad():
        features = backbone.encode_image(pixels)
    return Batch(
        labels, features=lambda: features, pixels=lambda: pixels, other_view=lambda: features,
        hidden=lambda first: backbone.image_hidden(pixels, first), needs=ALL,
    )  # fmt: skip


def gradients(method: Any, batch: Batch) -> list[Tensor]:
    """The gradients of one step."""
    method.trainable.zero_grad(set_to_none=True)
    method.backward(batch)
    return [p.grad.clone() for p in method.trainable.parameters() if p.grad is not None]


def same_bits(make: Callable[[], list[Tensor]]) -> int:
    """How many of five repetitions give the bits of the first."""
    first = make()
    return sum(all(map(torch.equal, first, make())) for _ in range(REPETITIONS))


def steps(machine: Machine) -> Iterator[list[dict[str, Any]]]:
    """Seconds and peak memory of training steps, ours and plain; equal bits; the price of determinism."""
    rows = []
    for precision in (Precision.FP32, Precision.BF16):
        backbone = machine.backbone(precision)
        for name, n_classes, n in STEPS[:1] + STEPS[-1:] if machine.tiny else STEPS:
            row: dict[str, Any] = {"method": name, "classes": n_classes, "batch": n, "precision": str(precision)}
            try:
                row |= one_step(machine, backbone, name, n_classes, n)
            except Exception as error:  # one step must not cost the others
                row["error"] = described(error)
            rows.append(row)
            yield rows


def one_step(machine: Machine, backbone: Backbone, name: str, n_classes: int, n: int) -> dict[str, Any]:
    """One row of `steps`."""
    data = batch_on(backbone, n, n_classes)
    method = prepared(name, backbone, n_classes)

    def again() -> list[Tensor]:
        return gradients(prepared(name, backbone, n_classes), data)

    row: dict[str, Any] = {
        "seconds": machine.timed(lambda: gradients(method, data)),
        "peak": machine.peak(lambda: gradients(method, data)),
        "same_bits": same_bits(again),
    }
    with deterministic():
        row["same_bits_deterministic"] = same_bits(again)
        row["seconds_deterministic"] = machine.timed(lambda: gradients(method, data))
    if name in WITH_PLAIN and backbone.precision is Precision.FP32:
        slow = prepared(name, PlainBackbone(backbone.spec, backbone.model), n_classes)
        row["plain_seconds"] = machine.timed(lambda: gradients(slow, data))
        row["plain_peak"] = machine.peak(lambda: gradients(slow, data))
    return row


def parity(machine: Machine) -> dict[str, Any]:
    """Relative difference of image features from the CPU, and whether bytes are normalised to the same bits."""
    on_cpu = load_backbone(BackboneSpec(machine.arch, "random"))
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randn(16, 3, on_cpu.image_size, on_cpu.image_size, generator=generator)
    facts: dict[str, Any] = {}
    with torch.no_grad():
        right, backbone = on_cpu.encode_image(pixels), machine.backbone()
        for label, matmul, convolution in (
            ("fp32", False, False), ("TF32 in convolutions", False, True), ("TF32", True, True),
        ):  # fmt: skip
            with tf32(matmul, convolution):
                found = backbone.encode_image(pixels.to(machine.device)).cpu()
            facts[label] = float((found - right).norm() / right.norm())
    how = on_cpu.preprocessing
    raw = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    here, there = to_pixels(raw, how.mean, how.std), to_pixels(raw, how.mean, how.std, machine.device)
    facts["normalised to the same bits"] = torch.equal(here, there.cpu())
    yield facts


def decode(machine: Machine) -> dict[str, Any]:
    """Images a second and core from JPEG bytes to pixels, at two sizes."""
    rates = {}
    for width, height in ((256, 256), (500, 375)):

        def views(content: bytes = jpeg(width, height)) -> None:
            rendered = []
            for i in range(8):
                image = Image.open(BytesIO(content)).convert("RGB")
                rendered.append(render(image, view_params(str(i), CENTER_VIEW, image.size), 224))
            to_pixels(np.stack(rendered), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

        rates[f"{width}x{height}"] = 8 / machine.timed(views)
        yield rates


def jpeg(width: int, height: int) -> bytes:
    """A JPEG file of that size."""
    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8))
    file = BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


class Photographs:
    """Images of one JPEG file under many names."""

    def __init__(self) -> None:
        self.content = jpeg(500, 375)

    def load(self, key: str) -> Image.Image:
        return Image.open(BytesIO(self.content)).convert("RGB")

    def digest(self, key: str) -> str:
        return key


def files(machine: Machine) -> Iterator[dict[str, Any]]:
    """Frozen features a second from JPEG files of 500x375 with up to 8 cores, beside the bare tower."""
    before, cores = torch.get_num_threads(), min(8, os.cpu_count() or 1)
    facts: dict[str, Any] = {"cores": cores}
    torch.set_num_threads(cores)
    try:
        for precision in (Precision.FP32, Precision.BF16):
            backbone = machine.backbone(precision)
            size = images_per_pass(backbone)
            pixels = torch.randn(size, 3, backbone.image_size, backbone.image_size).to(machine.device)
            with torch.no_grad():
                bare = size / machine.timed(lambda b=backbone, x=pixels: b.encode_image(x))
            count = 2 * size if machine.tiny else 16 * size
            samples = [Sample(str(number), 0) for number in range(count)]
            start = time.perf_counter()
            Inputs(backbone, FeatureStore(backbone, None)).features(Photographs(), samples, CENTER_VIEW)
            machine.wait()
            facts[str(precision)] = {"images_per_second": count / (time.perf_counter() - start), "bare": bare}
            yield facts
    finally:
        torch.set_num_threads(before)


def sweep(machine: Machine) -> Iterator[list[dict[str, Any]]]:
    """A small sweep by the command line: seconds and memory of each run as the records have them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench", "run", "--runs", f"{folder}/runs"]
        command += ["--cache", f"{folder}/cache", "--device", str(machine.device), "--jobs", "1", "--seeds", "1,"]
        command += ["-m", "zero_shot,clip_adapter,coop", "-d", "spectrum_basic", "--recipe", "demo", "--json"]
        command += ["-b", "ViT-tiny.random"] if machine.tiny else []
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        row = {"command_seconds": time.perf_counter() - start, "exit_code": done.returncode}
        if done.returncode:
            yield [row | {"error": done.stderr.strip()[-300:]}]
            return
        yield [row, *_costs(Path(folder) / "runs")]


def _costs(runs: Path) -> list[dict[str, Any]]:
    from bench.results.shards import Shards

    rows = []
    shards = Shards(runs)
    for run_id in shards.scan():
        record = shards.record(run_id)
        if record is not None and record.cost is not None:
            rows.append({"method": record.spec.method, **record.cost.model_dump(mode="json")})
    return rows


PARTS: dict[str, Callable[[Machine], Iterator[Any]]] = {
    part.__name__: part for part in (environment, images, parity, decode, files, steps, sweep)
}
