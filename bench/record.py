"""The record of one run: scores, cost, provenance and predictions; typed, versioned and immutable."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from bench.spec import ExperimentSpec

SCHEMA_VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class RunStatus(StrEnum):
    """Whether a run produced scores."""

    OK = "ok"
    FAILED = "failed"


class Score(_Frozen):
    """Metrics of the classifier on one evaluation split."""

    split: str = Field(description="base, new, all, or the name of a target dataset")
    accuracy: float = Field(ge=0, le=1, description="top-1, micro")
    macro_accuracy: float = Field(ge=0, le=1, description="mean of per-class accuracies (recall)")
    macro_precision: float = Field(
        ge=0, le=1, description="mean of per-class precisions; a class that is never predicted counts as 0"
    )
    nll: float = Field(description="mean negative log-likelihood, nats")
    brier: float = Field(description="mean Brier score, 0..2")
    ece: float = Field(ge=0, le=1, description="expected calibration error, 15 bins of equal mass")
    n: int = Field(ge=1, description="test images")
    n_classes: int = Field(ge=1)
    selected_on_test: str | None = Field(None, description="what an oracle chose with test labels; else None")
    optimism: float | None = Field(
        None,
        description="accuracy of an oracle's choice minus that of the same run without test labels (last epoch, "
        "unchanged settings); None without an oracle, and in older records",
    )


class Cost(_Frozen):
    """Cost of a run by phase. Seconds are wall clock of this process, without imports and reading of data."""

    trainable_parameters: int
    prepare_seconds: float
    train_seconds: float
    eval_seconds: float
    steps: int = Field(description="optimiser steps")
    peak_memory_bytes: int = Field(
        description="peak during this run with all that the process held before, so it depends on earlier runs: "
        "resident set of the process (CPU), or allocated bytes (CUDA)"
    )
    added_memory_bytes: int | None = Field(
        None,
        description="the same peak above the level at the start of this run; None where the system does not measure it "
        "(a CPU outside Linux with the GNU C library), and in older records",
    )
    image_passes: float = Field(
        description="images through the frozen image tower; a part of the tower counts as its share of the blocks"
    )
    prompted_image_passes: float = Field(description="images through a changed image tower, or a share of it")
    text_passes: float = Field(description="class texts through the text tower, or a share of it")
    fits: int | None = Field(
        None,
        description="trainings and regressions, including discarded ones; 0 for closed forms, None in older records",
    )
    candidate_evaluations: int | None = Field(
        None,
        description="candidates evaluated on validation or test images, or averaged, over all splits; None in older "
        "records",
    )
    tuning_seconds: float | None = Field(
        None,
        description="seconds of choosing with labels; part of train_seconds (validation images) or eval_seconds (an "
        "oracle), without the fits themselves where training is shared; None in older records",
    )

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An unmeasured `added_memory_bytes` is left out, so that an old record is written as it was read."""
        values: dict[str, Any] = plain(self)
        if self.added_memory_bytes is None:
            values.pop("added_memory_bytes", None)
        return values


class CurvePoint(_Frozen):
    """Accuracy that a run would have had, had its training ended earlier. Recorded on request; chooses nothing."""

    epoch: int = Field(ge=1, description="finished epochs")
    epochs: int = Field(ge=1, description="epochs of the whole training")
    steps: int = Field(ge=0, description="finished optimiser steps")
    seconds: float = Field(ge=0, description="wall clock of the training so far, without preparation")
    accuracy: dict[str, float] = Field(description="top-1, micro, by split")


class Provenance(_Frozen):
    """The code, packages, machine, weights and data of a run."""

    package_version: str
    method_digest: str = Field(description="digest of the method's source and of the methods that it derives from")
    machinery_digest: str | None = Field(
        None, description="digest of the shared code that the method imports; None in older records"
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
        None, description="content digest by the last `datasets check` of the dataset; None if it was never checked"
    )
    eval_batch: int | None = Field(None, description="test images per batch; None in older records")


class RunError(_Frozen):
    """Why a run failed: the class of the exception, its message and its traceback."""

    kind: str
    message: str
    traceback: str


class RunRecord(_Frozen):
    """A spec and what its run gave."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    spec: ExperimentSpec
    status: RunStatus
    scores: list[Score] = Field(default_factory=list)
    final_loss: float | None = None
    selected_epoch: int | None = Field(None, description="from 1, chosen on the validation images; None: the last")
    cost: Cost | None = None
    curve: list[CurvePoint] = Field(default_factory=list, description="accuracy along the training, if requested")
    provenance: Provenance
    error: RunError | None = None
    created_at: datetime

    def score(self, split: str) -> Score | None:
        """The score on that split; None if there is none."""
        return next((score for score in self.scores if score.split == split), None)


@dataclass(frozen=True)
class Branches:
    """Features of both models of an ensemble on one split, unnormalised; they give the logits of any other weight.

    Texts are `(n_cls, dim)`, images `(n, dim)`. The distances, `(n_cls,)`, are those of each class to the training
    classes in the frozen text space: their mean, and that to the nearest. `scale` is the factor of the cosine, `(1,)`.
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
    """Predictions of one run on one split; columns of equal length `n`, in the order of the split.

    `rank` is that of the true class, from 0. `top_labels` and `top_logits` are `(n, min(5, n_classes))`, best first.
    `log_sum_exp` and `sum_p2` (the sum of squared probabilities) give likelihood and Brier score without the full
    logits. `branches` are stored on request.
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
    """How difficult one split of a dataset is for a backbone: one number per measure."""

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
