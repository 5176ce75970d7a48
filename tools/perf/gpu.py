"""What this project does on a GPU: training steps beside the plain way, the image tower, and features from files."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from plain import PlainBackbone

from bench.experiment.features.frozen_features import FeatureStore, images_per_pass
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.views import CENTER_VIEW, to_pixels
from datasets_registry import Sample, image_sources
from methods import Backbone, BackboneSpec, Precision, load_backbone
from tools.perf.steps import prepared, step_of
from tools.perf.table import Table

STEPS = [("coop", 50, 32), ("coop", 500, 32), ("cocoop", 50, 1), ("maple", 50, 4), ("vpt", 50, 4), ("apex", 50, 16)]
"""Method, classes and batch of each measured step."""


def gpu_table(device: torch.device, *, arch: str = "ViT-B-16", seconds: float = 1.0) -> Table:
    """The table of the performance page. A part that fails has its error in place of a number."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    table = Table("gpu", (f"{name}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}", "ours", "other", "what"))
    on_cpu = load_backbone(BackboneSpec(arch, "random"))
    for precision in (Precision.FP32, Precision.BF16):
        backbone = load_backbone(BackboneSpec(arch, "random"), device=str(device), precision=precision)
        for part in (step_cells, tower_cells, parity_cells):
            try:
                for work, *cells in part(backbone, on_cpu, seconds):
                    sys.stderr.write(table.add([f"{work}, {precision}", *cells]) + "\n")
            except Exception as error:  # one part must not cost the others
                text = " ".join(f"{type(error).__name__}: {error}".split()).replace("|", "/")
                sys.stderr.write(table.add([f"{part.__name__}, {precision}", "", "", text]) + "\n")
    return table


def timed(backbone: Backbone, work: Callable[[], object], seconds: float) -> float:
    """Median seconds of runs that take `seconds` together; each run is waited for."""
    work()
    taken: list[float] = []
    while sum(taken) < seconds or len(taken) < 3:
        start = time.perf_counter()
        work()
        if backbone.device.type == "cuda":
            torch.cuda.synchronize(backbone.device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def step_cells(backbone: Backbone, _: Backbone, seconds: float) -> Iterator[list[str]]:
    """Seconds of training steps, ours and plain."""
    for name, n_classes, batch in STEPS:
        methods = [prepared(name, one, n_classes) for one in (backbone, PlainBackbone(backbone.spec, backbone.model))]
        ours, plain = (timed(backbone, step_of(method, batch, n_classes), seconds) for method in methods)
        work = f"{name} step, {n_classes} classes, batch {batch}"
        yield [work, f"{ours:.4f}", f"{plain:.4f}", f"seconds, plain; {plain / ours:.1f}x"]


def tower_cells(backbone: Backbone, _: Backbone, seconds: float) -> Iterator[list[str]]:
    """Features a second from JPEG files of 500x375, beside the bare tower."""
    size = images_per_pass(backbone)
    pixels = torch.randn(size, 3, backbone.image_size, backbone.image_size).to(backbone.device)
    with torch.no_grad():
        bare = size / timed(backbone, lambda: backbone.encode_image(pixels), seconds)
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        samples = [Sample(f"{number}.jpg", 0) for number in range(4 * size)]
        for sample in samples:
            large = Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC)
            large.save(Path(folder) / sample.key, quality=90)
            noise = np.roll(noise, 1, axis=0) + 1
        files, start = image_sources.ImageFiles(Path(folder)), time.perf_counter()
        Inputs(backbone, FeatureStore(backbone, None)).features(files, samples, CENTER_VIEW)
        ours = len(samples) / (time.perf_counter() - start)
    yield ["features from JPEG files", f"{ours:.0f}", f"{bare:.0f}", f"images/s, bare tower; {ours / bare:.0%}"]


def parity_cells(backbone: Backbone, on_cpu: Backbone, _: float) -> Iterator[list[str]]:
    """The relative difference of features from the CPU's, and whether pixels are normalised to the same bits."""
    how, generator = on_cpu.preprocessing, np.random.default_rng(0)
    raw = generator.integers(0, 256, (16, on_cpu.image_size, on_cpu.image_size, 3), dtype=np.uint8)
    here, there = to_pixels(raw, how.mean, how.std), to_pixels(raw, how.mean, how.std, backbone.device)
    with torch.no_grad():
        right, found = on_cpu.encode_image(here), backbone.encode_image(there).cpu()
    difference = f"{float((found - right).norm() / right.norm()):.1e}"
    same = "yes" if torch.equal(here, there.cpu()) else "no"
    yield ["features beside the CPU's", difference, same, "relative difference; pixels of the same bits"]
