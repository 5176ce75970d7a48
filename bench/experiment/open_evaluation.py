"""The open score of base-to-new: base and new test images are classified among the names of both.

The classifier is built for all names, base names first. A method that treats trained and other classes differently does
so as for any list with new names.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from bench.analysis.open_score import open_metrics
from bench.experiment.epoch_selection import EpochCandidates
from bench.experiment.evaluation import OracleChoice, predictions, score, split_logits
from bench.metrics import base_confidence, predicted_within
from bench.record import OPEN_BASE, OPEN_NEW, OpenColumns, OpenScore, Predictions, Score
from datasets_registry import EvalSplit, among_all_names
from methods import Batch, Method


def evaluate_open(
    method: Method[Any],
    base: EvalSplit,
    new: EvalSplit,
    batches: Callable[[EvalSplit], Iterable[Batch]],
    *,
    epochs: EpochCandidates | None = None,
) -> tuple[OpenScore, list[Predictions]]:
    """Score a trained method on base and new images among all names.

    Args:
        batches: returns the images of a split in order, without labels.
        epochs: candidate epochs of an oracle, which makes one choice for all images by accuracy.
    """
    parts = [
        replace(part, name=name) for part, name in zip(among_all_names(base, new), (OPEN_BASE, OPEN_NEW), strict=True)
    ]
    together = replace(parts[0], name="open", samples=(*parts[0].samples, *parts[1].samples))

    def both() -> Iterable[Batch]:
        for part in (base, new):
            yield from batches(part)

    chosen = split_logits(method, together, both, epochs=epochs)
    sizes = [len(part) for part in parts]
    honest = chosen.honest.split_with_sizes(sizes) if chosen.honest is not None else (None, None)
    n_base = len(base.classes)
    found = [
        _part(part, logits, plain, chosen.choice, n_base, new=part.name == OPEN_NEW)
        for part, logits, plain in zip(parts, chosen.logits.split_with_sizes(sizes), honest, strict=True)
    ]
    (base_score, base_item), (new_score, new_item) = found
    return OpenScore(base=base_score, new=new_score, **open_metrics(base_item, new_item)), [base_item, new_item]


def _part(
    part: EvalSplit, logits: Tensor, honest: Tensor | None, name: str | None, n_base: int, *, new: bool
) -> tuple[Score, Predictions]:
    labels = np.array([sample.label for sample in part.samples])
    choice = None if name is None or honest is None else OracleChoice.of(name, logits, honest, labels)
    columns = OpenColumns(
        base_confidence=base_confidence(logits.numpy(), n_base).astype(np.float32),
        within=predicted_within(logits.numpy(), n_base, new=new).astype(np.int32),
    )
    return score(part, logits, choice), replace(predictions(part, logits), open=columns)
