"""The record of one run: scores, cost, provenance and predictions; typed, versioned and immutable."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bench._util.sums import total
from bench.bounds import (
    Amount,
    Classes,
    Count,
    Finite,
    Images,
    LargeCount,
    Line,
    Moment,
    Name,
    Positive,
    RunId,
)
from bench.spec import ExperimentSpec

SCHEMA_VERSION = 1
SCORES_VERSION = 2
"""Version of the definitions of the scores. Since 2 they are computed from the stored columns, not from full logits."""
TOP = 5
"""Most classes stored with their logits for each image."""


RANGE_TOLERANCE = 1e-6
"""How far rounding may carry a metric out of its range."""
Fraction = Annotated[float, Field(ge=0, le=1)]


DROPPED = (
    "set_size", "set_coverage", "set_promise", "set_images", "set_threshold", "sets", "openworld_auc", "near_ood_auroc",
    "curve", "stand_ins", "filled_in", "trained_values", "seconds", "full_precision", "matched_texts", "unanswered",
    "ambiguous", "service", "date",
)  # fmt: skip
"""Fields of earlier records and models, which are left out when they are read; checksums are verified before."""


class Frozen(BaseModel):
    """A part of a stored record. It refuses unknown fields, but for those that earlier versions stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    @model_validator(mode="before")
    @classmethod
    def _without_dropped(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.keys().isdisjoint(DROPPED):
            return {name: value for name, value in values.items() if name not in DROPPED}
        return values


class RunStatus(StrEnum):
    """Whether a run produced scores."""

    OK = "ok"
    FAILED = "failed"


class Score(Frozen):
    """Metrics of the classifier on one evaluation split."""

    split: Name = Field(description="base, new, all, or the name of a target dataset")
    accuracy: float = Field(ge=0, le=1, description="top-1, micro")
    macro_accuracy: float = Field(ge=0, le=1, description="mean of per-class accuracies (recall)")
    macro_precision: float = Field(
        ge=0, le=1, description="mean of per-class precisions; a class that is never predicted counts as 0"
    )
    nll: float = Field(ge=-RANGE_TOLERANCE, allow_inf_nan=False, description="mean negative log-likelihood, nats")
    brier: float = Field(ge=-RANGE_TOLERANCE, le=2 + RANGE_TOLERANCE, description="mean Brier score, 0..2")
    ece: float = Field(ge=0, le=1, description="expected calibration error, 15 bins of equal mass")
    n: Images = Field(description="test images")
    n_classes: Classes
    selected_on_test: Line | None = Field(None, description="what an oracle chose with test labels; else None")
    optimism: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="accuracy of an oracle's choice minus that of the same run without test labels (last epoch, "
        "unchanged settings); None without an oracle",
    )

    @model_validator(mode="after")
    def _optimism_of_oracle(self) -> Self:
        if self.optimism is not None and self.selected_on_test is None:
            raise ValueError("optimism belongs to an oracle, and selected_on_test does not name what it chose")
        return self


class OpenScore(Frozen):
    """Metrics of a base-to-new run whose test images are all classified among all names, base and new.

    Both scores have the metrics of one kind of images among all names: their accuracies give the open H, their `ece`
    the calibration on base and on new images.
    """

    base: Score = Field(description="base images among all names; the split is named open-base")
    new: Score = Field(description="new images among all names; the split is named open-new")


class Cost(Frozen):
    """Cost of a run: what it needs itself, and the shared features that it needs (`shared_*`); together, its total.

    Seconds are wall clock by phase, without imports and reading of data. Shared features are outputs of the frozen
    towers that runs find in the feature cache: each costs every run that needs it, once, what it took to compute, in
    the phase that first reads it. So no cost depends on the order of runs. A shared cost is None if it is unknown: of
    imported features, and of features that were stored without it.
    """

    trainable_parameters: LargeCount
    prepare_seconds: Amount
    train_seconds: Amount
    eval_seconds: Amount
    steps: LargeCount = Field(description="optimiser steps")
    peak_memory_bytes: LargeCount = Field(
        description="peak during this run with all that the process held before, so it depends on earlier runs: "
        "resident set of the process (CPU), or allocated bytes (CUDA)"
    )
    added_memory_bytes: LargeCount | None = Field(
        None,
        description="the same peak above the level at the start of this run; None where the system does not measure it "
        "(a CPU outside Linux with the GNU C library)",
    )
    image_passes: Amount = Field(
        description="images through the frozen image tower for this run alone; a part of the tower counts as its share "
        "of the blocks"
    )
    prompted_image_passes: Amount = Field(description="images through a changed image tower, or a share of it")
    text_passes: Amount = Field(description="class texts through the text tower for this run alone, or a share of it")
    fits: Count = Field(description="trainings and regressions, including discarded ones; 0 for closed forms")
    candidate_evaluations: Count = Field(
        description="candidates evaluated on validation or test images, or averaged, over all splits"
    )
    tuning_seconds: Amount = Field(
        description="seconds of choosing with labels; part of train_seconds (validation images) or eval_seconds (an "
        "oracle), without the fits themselves where training is shared"
    )
    shared_prepare_seconds: Amount | None = None
    shared_train_seconds: Amount | None = None
    shared_eval_seconds: Amount | None = None
    shared_image_passes: Amount | None = Field(None, description="images whose shared features the run uses, likewise")
    shared_text_passes: Amount | None = Field(None, description="texts whose shared features the run uses")

    @model_serializer(mode="wrap")
    def _without_unmeasured(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was not measured is left out."""
        values: dict[str, Any] = plain(self)
        return {name: value for name, value in values.items() if value is not None}

    @property
    def learning_seconds(self) -> float | None:
        """Seconds of preparation and training, with the shared features; None if their cost is unknown."""
        return total(self.prepare_seconds, self.train_seconds, self.shared_prepare_seconds, self.shared_train_seconds)


class GpuFacts(Frozen):
    """The GPU of a run, its software, and the switches of its arithmetic."""

    name: Line
    capability: Line | None = Field(None, description="of CUDA, such as 9.0")
    driver: Line | None = None
    cuda: Line | None = Field(None, description="version that torch was built for, of CUDA or ROCm")
    cudnn: Line | None = None
    tf32: bool = Field(description="whether convolutions and matrix products were in TF32")
    deterministic: bool = Field(description="whether only deterministic kernels were allowed")


class ExternalCode(Frozen):
    """Where the predictions of a run come from whose code is not ours, and what was observed of it."""

    title: Line = Field(description="name of the method in its own code")
    repository: Line = Field("", description="address of the repository, without credentials; empty if unknown")
    commit: Line = Field("", description="empty if unknown")
    changed_files: list[Line] = Field(default_factory=list, description="tracked files that differ from the commit")
    command: Line = Field("", description="the training command, as it was carried out or declared")
    torch: Line = Field("", description="its version of torch")
    weights_asked: list[Line] = Field(default_factory=list, description="files of weights that the code asked for")
    weights_proved: bool = Field(description="whether a digest shows that its weights are those of the backbone")
    images_proved: bool = Field(description="whether digests show that its images are those of the dataset")
    test_evaluations: Count = Field(
        0, description="evaluations on the test images during the run; more than 1 can select"
    )
    own_draw: bool | None = Field(
        None, description="whether it trained on other images or labels than the declared draw"
    )
    uses: list[Line] | None = Field(
        None, description="what it sees besides the labelled images, as its authors state it; None if they do not"
    )


class Provenance(Frozen):
    """The code, packages, machine, weights and data of a run."""

    package_version: Line
    method_version: Positive = Field(1, description="`MethodInfo.version`; left out in older records")
    method_digest: Line | None = Field(
        None, description="digest of the source of a method of another package; of any method in older records"
    )
    machinery_digest: Line | None = Field(
        None, description="digest of the shared code that the method imports; in older records only"
    )
    git_commit: Line | None
    git_dirty: bool | None
    python: Line
    platform: Line
    packages: dict[Line, Line]
    device: Line
    threads: Count
    backbone_digest: Line = Field(description="digest of the backbone's weights")
    support_digests: list[Line] = Field(description="content digest of each support image, in order")
    true_labels: dict[Line, Count] = Field(
        default_factory=dict,
        description="true label of each support image that was given another label (`--support noisy:RATE`), by key",
    )
    unlabelled_images: Count = Field(0, description="number of images in the unlabelled pool; left out without a pool")
    unlabelled_digest: Line | None = Field(
        None, description="digest of the contents of these images, in order; left out without a pool"
    )
    dataset_check: Line | None = Field(
        None, description="content digest by the last `datasets check` of the dataset; None if it was never checked"
    )
    eval_batch: Count | None = Field(None, description="test images per batch; None for a failed run")
    gpu: GpuFacts | None = Field(None, description="None on another device")
    external: ExternalCode | None = Field(None, description="None for a method of the harness")

    @property
    def code(self) -> str:
        """The method's code in words: its version, and the digest of its source where that is recorded."""
        return f"version {self.method_version}" + (f", source {self.method_digest[:12]}" if self.method_digest else "")

    @property
    def device_class(self) -> str:
        """What costs and the last bits of numbers depend on: the name of the GPU, or `cpu`, `cuda` or `mps`."""
        return self.gpu.name if self.gpu else self.device.partition(":")[0]

    @model_serializer(mode="wrap")
    def _without_exceptions(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that few runs need are left out of the others: the GPU, changed labels, and unlabelled images."""
        values: dict[str, Any] = plain(self)
        for key in {"method_version", "machinery_digest"} - self.model_fields_set:
            values.pop(key, None)
        for key in ("gpu", "external"):
            if getattr(self, key) is None:
                values.pop(key, None)
        if not self.true_labels:
            values.pop("true_labels", None)
        if not self.unlabelled_images:
            values.pop("unlabelled_images", None)
            values.pop("unlabelled_digest", None)
        return values


class RunError(Frozen):
    """Why a run failed: the class of the exception, its message and its traceback."""

    kind: Line
    message: str
    traceback: str


class RunRecord(Frozen):
    """A spec and what its run gave."""

    schema_version: int = SCHEMA_VERSION
    run_id: RunId
    spec: ExperimentSpec
    status: RunStatus
    scores: list[Score] = Field(default_factory=list)
    open: OpenScore | None = Field(None, description="base and new images among all names; None with other protocols")
    final_loss: Finite | None = None
    selected_epoch: Positive | None = Field(None, description="from 1, chosen on the validation images; None: the last")
    cost: Cost | None = None
    provenance: Provenance
    error: RunError | None = None
    created_at: Moment
    scores_version: Positive = Field(1, description="`SCORES_VERSION`; left out in older records")

    @property
    def all_scores(self) -> list[Score]:
        """The scores of every split, with those of the open score."""
        return [*self.scores, *((self.open.base, self.open.new) if self.open else ())]

    def score(self, split: str) -> Score | None:
        """The score on that split; None if there is none."""
        return next((score for score in self.all_scores if score.split == split), None)

    @model_serializer(mode="wrap")
    def _without_missing_fields(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An open score that the protocol does not have is left out, and so is what older records do not have."""
        values: dict[str, Any] = plain(self)
        if "scores_version" not in self.model_fields_set:
            values.pop("scores_version", None)
        if self.open is None:
            values.pop("open", None)
        return values


@dataclass(frozen=True)
class Predictions:
    """Predictions of one run on one split; columns of equal length `n`, in the order of the split.

    `rank` is that of the true class, from 0. `top_labels` and `top_logits` are `(n, min(5, n_classes))`, best first.
    `log_sum_exp` and `sum_p2` (the sum of squared probabilities) give likelihood and Brier score without the full
    logits. `group` numbers what the image shares with others, such as its patient,
    and is -1 without; the splits of one dataset share these numbers.
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
    group: np.ndarray | None = None


class DifficultyRecord(Frozen):
    """How difficult one split of a dataset is for a backbone: one number per measure."""

    schema_version: int = SCHEMA_VERSION
    backbone: Name
    backbone_digest: Line
    dataset: Name
    data_fingerprint: Line = Field(description="digest of test list, class names and template")
    split: Name = Field(description="all, base or new classes")
    n_classes: Classes
    n_images: Images
    measures: dict[Name, float | None]
    created_at: Moment
