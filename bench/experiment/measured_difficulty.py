"""Measures the difficulty of a dataset for a backbone, on its test split and without training."""

from datetime import UTC, datetime

import torch

from bench.analysis import metrics
from bench.context import RunContext
from bench.experiment.accelerator import device_arithmetic
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.features.views import CENTER_VIEW
from bench.experiment.task import read_splits
from bench.record import DifficultyRecord
from datasets_registry import ClassSet, eval_fingerprint, few_shot_draws, get_dataset
from methods import Precision


def measure_difficulty(backbone: str, dataset: str, context: RunContext) -> list[DifficultyRecord]:
    """The difficulty over all classes, and over base and new classes if these have test images.

    It is always computed in fp32, so that a difficulty does not depend on the precision of runs.
    """
    info = get_dataset(dataset)
    splits = read_splits(dataset, context.data_root)
    n = len(splits.class_names)
    base, new = few_shot_draws.class_halves(n)
    records = []
    with device_arithmetic(context.device, Precision.FP32):
        torch.set_num_threads(context.threads)
        inputs = shared_inputs(backbone, context)
        features = inputs.features(splits.images, splits.test, CENTER_VIEW)
        for name, labels in {"all": range(n), "base": base, "new": new}.items():
            names = tuple(splits.class_names[label] for label in labels)
            classes = ClassSet(names, info.template, dataset=info.name)
            samples = few_shot_draws.select_classes(splits.test, labels)
            if not samples:
                continue
            chosen = set(labels)
            rows = [i for i, sample in enumerate(splits.test) if sample.label in chosen]
            measures = metrics.difficulty_measures(
                features[rows].cpu().numpy(),
                [sample.label for sample in samples],
                inputs.backbone.class_texts(classes, info.template).cpu().numpy(),
                inputs.backbone.logit_scale,
            )
            records.append(
                DifficultyRecord(
                    backbone=inputs.backbone.slug,
                    backbone_digest=inputs.backbone.digest,
                    dataset=dataset,
                    data_fingerprint=eval_fingerprint(splits, info),
                    split=name,
                    n_classes=len(classes),
                    n_images=len(samples),
                    measures=measures,
                    created_at=datetime.now(UTC),
                )
            )
    return records
