"""Runs with an open score that follows from their predictions, made from random logits among all names."""

from __future__ import annotations

from typing import Any

import numpy as np
from fake_runner import from_logits, make_record, make_spec, rescored

from bench.record import OpenScore, Predictions, RunRecord

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
        keys = tuple(f"{kind}/image-{i}.png" for i in range(images))
        plain.append(from_logits(kind, keys, labels - first, logits[:, first : first + names]))
        opened.append(from_logits(f"open-{kind}", keys, labels, logits))
    scores = [rescored(item, n) for item, n in zip(plain, (N_BASE, N_NEW), strict=True)]
    base, new = (rescored(item, n_cls) for item in opened)
    record = make_record(make_spec(seed=seed, **spec), scores=scores, open=OpenScore(base=base, new=new))
    return record, [*plain, *opened]
