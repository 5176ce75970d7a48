"""What surrounds the methods: decoding, the feature store, launchers, and loading results."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch
from _measure import Row
from _steps import backbones

from bench.features.image_features import FeatureStore


def extraction() -> Row:
    """Features of JPEG files through the store, against the tower on ready tensors."""
    from PIL import Image

    from bench.features.inputs import Inputs
    from bench.features.views import CENTER_VIEW
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
