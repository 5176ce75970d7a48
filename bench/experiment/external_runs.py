"""The record of a run from scores that other code computed, by the same definitions as for our own runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import torch
from numpy.typing import NDArray

from bench.experiment.evaluation import open_scores, predictions, score
from bench.record import SCORES_VERSION, OpenScore, Predictions, Provenance, RunRecord, RunStatus
from bench.spec import ExperimentSpec
from datasets_registry import EvalProtocol, FewShotTask

OPEN = "open"
"""Name of the scores of base images and then new images among all names."""


def external_record(
    spec: ExperimentSpec,
    task: FewShotTask,
    scores: Mapping[str, NDArray[np.float64]],
    provenance: Provenance,
) -> tuple[RunRecord, list[Predictions]]:
    """The record and the predictions of a run, in the order of the task's evaluation splits.

    Args:
        scores: `(n, n_classes)` by split, in the order of the split's images; `open` may be absent.

    Raises NonFiniteLossError for scores that are not finite.
    """
    items, found = [], []
    for split in task.evals:
        item = predictions(split, torch.from_numpy(np.ascontiguousarray(scores[split.name])))
        items.append(item)
        found.append(score(split, item))
    opened: OpenScore | None = None
    if spec.protocol is EvalProtocol.BASE_TO_NEW and OPEN in scores:
        base, new = task.evals
        opened, more = open_scores(base, new, torch.from_numpy(np.ascontiguousarray(scores[OPEN])))
        items += more
    record = RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status=RunStatus.OK,
        scores=found,
        open=opened,
        final_loss=None,
        provenance=provenance,
        created_at=datetime.now(UTC),
        scores_version=SCORES_VERSION,
    )
    return record, items
