"""The description of a tuned model: everything about it except its tensors. Loads no torch."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.bounds import Count, Finite, Line, Moment, RunId
from bench.record import Provenance, Score, Share
from bench.spec import ExperimentSpec
from datasets_registry import ClassSet
from methods import Preprocessing

FORMAT_VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ClassList(_Frozen):
    """The classes that a model was trained on, in the order of its logits, with their texts."""

    names: tuple[Line, ...] = Field(min_length=1)
    template: Line = Field(pattern=r"\{\}")
    sentences: tuple[tuple[Line, ...], ...] | None = None
    dataset: Line | None = None

    @model_validator(mode="after")
    def _sentences_fit(self) -> Self:
        if self.sentences is not None and len(self.sentences) != len(self.names):
            raise ValueError(f"{len(self.sentences)} lists of sentences for {len(self.names)} classes")
        return self

    @classmethod
    def of(cls, classes: ClassSet) -> Self:
        """The same classes, as they are stored."""
        return cls(names=classes.names, template=classes.template, sentences=classes.sentences, dataset=classes.dataset)

    @property
    def class_set(self) -> ClassSet:
        """The classes as an argument of methods."""
        return ClassSet(self.names, self.template, self.sentences, self.dataset)


class Calibration(_Frozen):
    """The temperature: probabilities are `softmax(logits / temperature)`."""

    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    source: Literal["validation", "uncalibrated"] = "uncalibrated"
    n: Count = Field(0, description="validation images that it was fitted to")


class Novelty(_Frozen):
    """The novelty score, and the threshold above which an image counts as unlike the training images.

    `class_mean` is one minus the cosine of the frozen feature to the nearest mean of a class's support features.
    `max_logit` is the negative largest logit, for methods that do not compute the frozen feature.
    """

    kind: Literal["class_mean", "max_logit"]
    threshold: Finite
    false_alarm_rate: float = Field(gt=0, lt=1, description="at most this share of images of known classes exceeds it")
    source: Literal["validation", "support"] = Field(
        description="images that set the threshold: validation images, or support images, each left out of its mean"
    )
    n: Count = Field(ge=1, description="number of these images")


class ModelInfo(_Frozen):
    """The description in a model file.

    `spec` describes its run; `scores` are the run's scores on test images, which were not used for any choice.
    """

    format_version: int = Field(FORMAT_VERSION, ge=1)
    run_id: RunId
    spec: ExperimentSpec
    classes: ClassList
    open_vocabulary: bool = Field(description="whether other class names can be given at prediction")
    backbone_digest: Line = Field(min_length=1)
    backbone_file: Line | None = Field(None, description="`ARCH=FILE` of local weights, where they were")
    image_size: int = Field(ge=1)
    embed_dim: int = Field(ge=1)
    preprocessing: Preprocessing
    orient: bool = Field(False, description="images are turned upright by EXIF orientation, as in training")
    support_images: Count
    calibration: Calibration = Calibration()
    novelty: Novelty | None = None
    scores: tuple[Score, ...]
    validation_accuracy: Share | None = Field(None, description="on the few validation images; None without any")
    validation_nll: Finite | None = Field(None, description="mean negative log-likelihood on them, before calibration")
    final_loss: Finite | None = None
    kept: Literal["best", "all"] = Field("all", description="the value of --keep-models that stored it")
    provenance: Provenance
    created_at: Moment

    @property
    def group(self) -> str:
        """A name shared by runs that differ only in their seed; `--keep-models best` keeps one model per group."""
        return model_group(self.spec)


def model_group(spec: ExperimentSpec) -> str:
    """A name shared by the runs that differ from this one only in their seed, and so in their training images."""
    return spec.model_copy(update={"seed": 0, "task_fingerprint": ""}).run_id
