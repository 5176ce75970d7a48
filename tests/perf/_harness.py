"""Measurements outside the methods: decoding, the feature store, and whole runs."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch
from _steps import backbones
from _table import Goal, Row
from PIL import Image

from bench.experiment.features import frozen_features
from bench.experiment.features.frozen_features import FeatureStore
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.view_pixels import EvaluatedViews
from bench.experiment.features.views import CENTER_VIEW
from bench.results.shards import Shards
from datasets_registry import Sample, image_sources


def extraction() -> Row:
    """Features of JPEG files through the store, against the tower on prepared tensors."""
    backbone, _ = backbones()
    with jpeg_files(32) as (images, samples):
        seconds: dict[str, list[float]] = {"ours": [], "plain": []}
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
    return Row("32 features from JPEG files", Goal(at_most=1.10), ours, plain, against="the tower alone")


def evaluated_pixels(count: int = 512) -> Row:
    """Pixels of evaluated JPEG files in a process that finds them stored, against decoding them."""
    backbone, _ = backbones()
    with jpeg_files(count) as (images, samples), tempfile.TemporaryDirectory() as cache:

        def measured(folder: Path | None) -> float:
            inputs = Inputs(
                backbone, FeatureStore(backbone, None), evaluated=lambda views: EvaluatedViews(views, folder, 2**30)
            )
            start = time.perf_counter()
            for batch in inputs.evaluation_batches(images, samples, frozenset({"pixels"}), 128):
                batch.load("pixels")
            return time.perf_counter() - start

        measured(Path(cache))
        turns = [(measured(Path(cache)), measured(None)) for _ in range(3)]
    stored, decoded = (statistics.median(side) for side in zip(*turns, strict=True))
    return Row(
        f"pixels of {count} evaluated JPEG files, stored", Goal(at_least=3), stored, decoded, against="decoding them"
    )


@contextmanager
def jpeg_files(count: int) -> Iterator[tuple[image_sources.ImageFiles, list[Sample]]]:
    """Files of 500x375 pixels in a temporary folder."""
    generator = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        samples = [Sample(f"{i}.jpg", 0) for i in range(count)]
        for sample in samples:
            noise = torch.randint(0, 255, (12, 16, 3), generator=generator, dtype=torch.uint8).numpy()
            large = Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC)
            large.save(Path(folder) / sample.key, quality=90)
        yield image_sources.ImageFiles(Path(folder)), samples


def demo_and_one_more() -> Row:
    """The sweep of the quick demo into empty folders, then the same command with one more method."""
    from bench.api.demonstration import QUICK_DATASETS, QUICK_FEW_SHOT

    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"

        def sweep(methods: Sequence[str]) -> float:
            command = [
                sys.executable,
                "-m",
                "bench",
                "run",
                "--runs",
                str(runs),
                "--cache",
                str(Path(folder) / "cache"),
            ]
            command += ["-m", ",".join(methods), "-d", ",".join(QUICK_DATASETS), "--seeds", "1,", "--recipe", "demo"]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - start

        cold = sweep(QUICK_FEW_SHOT)
        again = sweep([*QUICK_FEW_SHOT, "text_adapter"])
        records = [shard.record for run_id in Shards(runs).scan() if (shard := Shards(runs).read(run_id))]
    added = [record for record in records if record.spec.method == "text_adapter"]
    own = sum(record.cost.prepare_seconds + record.cost.train_seconds + record.cost.eval_seconds for record in added)
    passes = sum(record.cost.image_passes + record.cost.prompted_image_passes for record in added)
    work = f"{own:.2f} s of own work, {passes:.0f} image passes"
    note = f"{len(added)} runs of {len(records)}, {work}; the rest is starting up"
    return Row(
        "one more method after the whole demo (quick)", Goal(words="only its own work"), again, cold,
        note=note, against="the whole demo", reached=len(added) < len(records) and passes == 0,
    )  # fmt: skip


def second_method() -> Row:
    """A method on features of a dataset that are already stored, against the method that stored them."""
    from bench.context import RunContext
    from bench.experiment import runner
    from bench.experiment.features.inputs import shared_inputs
    from bench.sweep import SweepRequest, expand

    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(cache_dir=Path(folder), threads=torch.get_num_threads())
        request = SweepRequest.build(
            methods="clip_adapter,text_adapter", datasets="spectrum_basic", seeds=[1], recipe="demo"
        )
        specs = {spec.method: spec for spec in expand(request).specs}
        shared_inputs("ViT-demo.drawn", context)
        gc.freeze()  # as in the process that workers are forked from: a run's garbage collection skips the imports
        start = time.perf_counter()
        runner.run_experiment(specs["clip_adapter"], context)
        first = time.perf_counter() - start
        with mock.patch.object(frozen_features, "encode_padded", wraps=frozen_features.encode_padded) as encoded:
            start = time.perf_counter()
            runner.run_experiment(specs["text_adapter"], context)
            second = time.perf_counter() - start
    passes = encoded.call_count
    return Row(
        "second method on stored features of a dataset (demo backbone, whole run)", Goal(at_least=20, words="0 passes"),
        second, first, note=f"{passes:g} tower passes", against="the first method", reached=passes == 0,
    )  # fmt: skip
