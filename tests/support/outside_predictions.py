"""Files of predictions as other code writes them: made from a task of ours, honest unless changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.record import Predictions
from datasets_registry import (
    EvalProtocol,
    EvalSplit,
    FewShotTask,
    TaskRequest,
    build_task,
    few_shot_draws,
    get_dataset,
)

OPENAI_B16 = "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"


@dataclass(frozen=True)
class Outside:
    """The content of a file: its head, and a key, label, row of scores and digest for each image."""

    head: dict[str, Any]
    keys: list[str]
    labels: list[int]
    scores: NDArray[np.float64]
    sha256: list[str] | None

    def with_head(self, **changes: object) -> Outside:
        return replace(self, head=self.head | changes)

    def without(self, *keys: str) -> Outside:
        return replace(self, head={key: value for key, value in self.head.items() if key not in keys})

    def at(self, order: Sequence[int]) -> Outside:
        """The images at these positions."""
        chosen = [[column[i] for i in order] for column in (self.keys, self.labels)]
        digests = None if self.sha256 is None else [self.sha256[i] for i in order]
        return Outside(self.head, *chosen, self.scores[list(order)], digests)

    def npz(self, path: Path, **changes: NDArray[Any]) -> Path:
        """Write arrays; further ones replace those of the same name."""
        arrays: dict[str, NDArray[Any]] = {
            "head": np.array(json.dumps(self.head)),
            "keys": np.array(self.keys),
            "labels": np.array(self.labels),
            "scores": self.scores,
        }
        if self.sha256 is not None:
            arrays["sha256"] = np.array(self.sha256)
        np.savez(path, **arrays | changes)
        return path


def task_of(dataset: str, data: Path, *, protocol: EvalProtocol, shots: int = 2, seed: int = 1) -> FewShotTask:
    """The task of a run on our draw."""
    info = get_dataset(dataset)
    draw = "coop"
    return build_task(TaskRequest(info, info.reader(data), protocol=protocol, shots=shots, draw=draw, seed=seed))


def outside(
    task: FewShotTask, split: EvalSplit, scores: NDArray[np.float64] | None = None, **changes: object
) -> Outside:
    """What an honest process writes about a split; scores are random ones without others."""
    n, classes = len(split.samples), len(split.classes.names)
    chosen = np.random.default_rng(n + classes).normal(size=(n, classes)) if scores is None else scores
    part = {"base": "base", "new": "new"}.get(split.name, "all")
    digests = [hashlib.sha256(split.images.path(sample.key).read_bytes()).hexdigest() for sample in split.samples]
    head = {
        "format": "clip-etl-bench predictions 1",
        "method": "Their Method",
        "dataset": "EuroSAT",
        "classes": part,
        "class_names": list(split.classes.names),
        "backbone": "ViT-B/16",
        "backbone_sha256": OPENAI_B16,
        "seed": task.seed,
        "shots": task.shots,
        "trained": part != "new",
        "train": [[sample.key, sample.label] for sample in task.support.samples],
        "val": [[sample.key, sample.label] for sample in task.validation.samples],
        "commit": "0123456789abcdef",
        "repository": "https://someone:secret@example.org/lab/code.git",
    }
    labels = [sample.label for sample in split.samples]
    return Outside(head | changes, [sample.key for sample in split.samples], labels, chosen, digests)


def halves(task: FewShotTask, scores: Mapping[str, NDArray[np.float64]] | None = None) -> list[Outside]:
    """The files of base, of new, and of all classes for the open score."""
    given = scores or {}
    base, new = (outside(task, split, given.get(split.name)) for split in task.evals)
    parts = few_shot_draws.among_all_names(*task.evals)
    together = [outside(task, part) for part in parts]
    whole = Outside(
        together[0].head | {"trained": False, "classes": "all"},
        [key for part in together for key in part.keys],
        [label for part in together for label in part.labels],
        given.get("open", np.concatenate([part.scores for part in together])),
        [digest for part in together for digest in part.sha256 or ()],
    )
    return [base, new, whole]


def all_logits(predictions: Predictions) -> NDArray[np.float64]:
    """The logits `(n, n_classes)` of stored predictions with few classes, whose best ones are all of them."""
    n, classes = predictions.top_labels.shape
    logits = np.empty((n, classes))
    logits[np.arange(n)[:, None], predictions.top_labels] = predictions.top_logits
    return logits
