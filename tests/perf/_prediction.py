"""Prediction with a tuned model, against the image tower on prepared tensors."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from _steps import backbones, make_method
from _table import Goal, Row
from PIL import Image

from bench.experiment.kept_models import class_means
from bench.experiment.model_file import Calibration, ModelInfo, Novelty
from bench.tuned_models.prediction import predict_files
from bench.tuned_models.tuned_model import TunedModel
from methods import Backbone

BATCH = 32


def prediction(images: int = 128, repeats: int = 3) -> Row:
    """JPEG files to a CSV table by a linear classifier, against the frozen tower alone on their pixels."""
    backbone, _ = backbones()
    seconds: dict[str, list[float]] = {"ours": [], "tower": []}
    with tempfile.TemporaryDirectory() as folder:
        generator = np.random.default_rng(0)
        for i in range(images):
            small = Image.fromarray(generator.integers(0, 255, (12, 16, 3), dtype=np.uint8))
            small.resize((500, 375), Image.Resampling.BICUBIC).save(Path(folder) / f"{i:03}.jpg", quality=90)
        model = _model(backbone)
        pixels = torch.randn(BATCH, 3, 224, 224)
        for _ in range(repeats):
            start = time.perf_counter()
            predict_files(model, [folder], Path(folder) / "rows.csv", batch=BATCH)
            seconds["ours"].append(time.perf_counter() - start)
            start = time.perf_counter()
            with torch.no_grad():
                for _ in range(images // BATCH):
                    backbone.encode_image(pixels)
            seconds["tower"].append(time.perf_counter() - start)
    ours, tower = statistics.median(seconds["ours"]), statistics.median(seconds["tower"])
    return Row(f"predict {images} JPEG files, 100 classes", Goal(at_most=1.10), ours, tower, against="the tower alone")


def _model(backbone: Backbone) -> TunedModel:
    """A classifier of 100 classes with a novelty score."""
    method = make_method("zs_lp", backbone, 100)
    novelty = Novelty(kind="class_mean", threshold=0.5, false_alarm_rate=0.05, source="support", n=100)
    means = class_means(torch.randn(100, backbone.embed_dim), torch.arange(100), 100)
    info = ModelInfo.model_construct(run_id="0" * 16, calibration=Calibration(), novelty=novelty)
    return TunedModel(info, method, means, method.support_classes)
