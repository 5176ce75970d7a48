"""The answer: what came out of one run, typed, versioned and immutable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bench.spec import ExperimentSpec

SCHEMA_VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class RunStatus(StrEnum):
    """Whether a run produced scores."""

    OK = "ok"
    FAILED = "failed"


class Score(_Frozen):
    """How well the classifier did on one evaluation split."""

    split: str = Field(description="base, new, all, or the name of a target dataset")
    accuracy: float = Field(ge=0, le=1, description="top-1, micro")
    macro_accuracy: float = Field(ge=0, le=1, description="mean of per-class accuracies (recall)")
    macro_precision: float = Field(
        ge=0, le=1, description="mean of per-class precisions; a class never predicted counts 0"
    )
    nll: float = Field(description="mean negative log-likelihood, nats")
    brier: float = Field(description="mean Brier score, 0..2")
    ece: float = Field(ge=0, le=1, description="expected calibration error, 15 bins of equal mass")
    n: int = Field(ge=1, description="test images")
    n_classes: int = Field(ge=1)
    selected_on_test: str | None = Field(None, description="what a labelled oracle picked with test labels; else None")
    optimism: float | None = Field(
        None,
        description="accuracy of an oracle's pick above the same run without test labels (its last epoch, its "
        "values as they are); None where nothing was picked, and in records that are older than this",
    )


class Cost(_Frozen):
    """What a run cost, by phase. Seconds are wall clock of this process and exclude imports and data reading."""

    trainable_parameters: int
    prepare_seconds: float
    train_seconds: float
    eval_seconds: float
    steps: int = Field(description="optimiser steps")
    peak_memory_bytes: int = Field(
        description="peak during this run: resident set, with what the process held (CPU), or allocated (CUDA)"
    )
    image_passes: float = Field(
        description="images pushed through the untouched image tower by this run; some of its blocks count by share"
    )
    prompted_image_passes: float = Field(description="images pushed through a changed image tower, or a share of it")
    text_passes: float = Field(description="class texts pushed through the text tower, or a share of it")
    fits: int | None = Field(
        None,
        description="trainings and regressions, those only tried included; 0 for closed forms, None in older records",
    )
    candidate_evaluations: int | None = Field(
        None,
        description="candidates judged by validation or test images, or averaged, over all splits; None in older "
        "records",
    )
    tuning_seconds: float | None = Field(
        None,
        description="seconds spent on choosing with labels; part of train_seconds (validation images) or eval_seconds "
        "(an oracle), without the fits themselves where training is shared; None in older records",
    )


class CurvePoint(_Frozen):
    """Accuracy that a run would have had if its training had ended earlier. Recorded on request; nothing is chosen."""

    epoch: int = Field(ge=1, description="epochs done")
    epochs: int = Field(ge=1, description="epochs of the whole training")
    steps: int = Field(ge=0, description="optimiser steps done")
    seconds: float = Field(ge=0, description="wall clock of the training so far, without preparation")
    accuracy: dict[str, float] = Field(description="top-1, micro, by split")


class Provenance(_Frozen):
    """Where and with what a run was made."""

    package_version: str
    method_digest: str = Field(description="digest of the method's source, with that of the methods it derives from")
    machinery_digest: str | None = Field(
        None, description="digest of the shared code that the method imports; None in records that are older than this"
    )
    git_commit: str | None
    git_dirty: bool | None
    python: str
    platform: str
    packages: dict[str, str]
    device: str
    threads: int
    backbone_digest: str = Field(description="digest of the backbone's weights")
    support_digests: list[str] = Field(description="content digest of each support image, in order")
    dataset_check: str | None = Field(
        None, description="contents digest that `datasets check` last wrote for the data folder; None if never checked"
    )
    eval_batch: int | None = Field(None, description="test images per batch; None in records that are older than this")


class RunError(_Frozen):
    """Why a run failed: the kind of exception, its message, and where it was raised."""

    kind: str
    message: str
    traceback: str


class RunRecord(_Frozen):
    """One answered spec."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    spec: ExperimentSpec
    status: RunStatus
    scores: list[Score] = Field(default_factory=list)
    final_loss: float | None = None
    selected_epoch: int | None = Field(None, description="from 1, chosen by the few validation images; None: the last")
    cost: Cost | None = None
    curve: list[CurvePoint] = Field(
        default_factory=list, description="accuracy along the training, if it was asked for"
    )
    provenance: Provenance
    error: RunError | None = None
    created_at: datetime

    def score(self, split: str) -> Score | None:
        """The score on that split, or None if there is none."""
        return next((score for score in self.scores if score.split == split), None)


@dataclass(frozen=True)
class Branches:
    """Both sides of an ensemble on one split, unnormalised; enough to try any other weight without the towers.

    Args:
        adapted_text: `(n_cls, dim)` of the adapted model.
        plain_text: `(n_cls, dim)` of the model it is blended with.
        adapted_image: `(n, dim)`.
        plain_image: `(n, dim)`.
        mean_distance: `(n_cls,)` of each class to the training classes in the frozen text space.
        nearest_distance: `(n_cls,)` to the nearest of them.
        scale: `(1,)`, of the cosine.
    """

    adapted_text: np.ndarray
    plain_text: np.ndarray
    adapted_image: np.ndarray
    plain_image: np.ndarray
    mean_distance: np.ndarray
    nearest_distance: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class Predictions:
    """Per-image outcomes of one run on one split; columns of equal length `n`, in the order of the split.

    `top_labels`, `top_logits` are `(n, min(5, n_classes))`, best first. `log_sum_exp` and `sum_p2` (the sum of squared
    probabilities) make likelihood and Brier score computable without the full logits. `branches` are kept on request.
    """

    split: str
    images: tuple[str, ...]
    label: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    true_logit: np.ndarray
    log_sum_exp: np.ndarray
    sum_p2: np.ndarray
    top_labels: np.ndarray
    top_logits: np.ndarray
    branches: Branches | None = None


class DifficultyRecord(_Frozen):
    """How hard a dataset is for a backbone: one number per measure and class half."""

    schema_version: int = SCHEMA_VERSION
    backbone: str
    backbone_digest: str
    dataset: str
    data_fingerprint: str = Field(description="digest of test list, class names and template")
    split: str = Field(description="all, base or new classes")
    n_classes: int
    n_images: int
    measures: dict[str, float | None]
    created_at: datetime
