"""Runs with an open score that follows from their predictions, made from random logits among all names."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fake_runner import make_record, make_spec, rescored

from bench.experiment.evaluation import predictions
from bench.record import OpenScore, Predictions, RunRecord
from datasets_registry import ClassSet, EvalSplit, Sample

N_BASE, N_NEW = 4, 3


def open_run(
    seed: int = 1, *, images: int = 12, draws: int | None = None, **spec: Any
) -> tuple[RunRecord, list[Predictions]]:
    """A base-to-new run whose true classes have a logit that is higher by 2 on average.

    `draws` is the seed of the logits, by default that of the run.
    """
    draw, n_cls = np.random.default_rng(seed if draws is None else draws), N_BASE + N_NEW
    plain, opened = [], []
    for kind, first, names in (("base", 0, N_BASE), ("new", N_BASE, N_NEW)):
        labels = np.arange(images) % names + first
        logits = draw.normal(size=(images, n_cls)).astype(np.float32)
        logits[np.arange(images), labels] += 2
        plain.append(_predictions(kind, kind, labels - first, logits[:, first : first + names]))
        opened.append(_predictions(f"open-{kind}", kind, labels, logits))
    scores = [rescored(item, n) for item, n in zip(plain, (N_BASE, N_NEW), strict=True)]
    base, new = (rescored(item, n_cls) for item in opened)
    record = make_record(make_spec(seed=seed, **spec), scores=scores, open=OpenScore(base=base, new=new))
    return record, [*plain, *opened]


def _predictions(split: str, kind: str, labels: np.ndarray, logits: np.ndarray) -> Predictions:
    samples = tuple(Sample(f"{kind}/image-{i}.png", int(label)) for i, label in enumerate(labels))
    classes = ClassSet(tuple(f"class {i}" for i in range(logits.shape[1])), "a {}.")
    return predictions(EvalSplit(split, None, samples, classes), torch.from_numpy(logits))  # type: ignore[arg-type]
