"""Model files: one safetensors file per tuned model with its description in the header, and its card; no torch."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open

from bench.bounds import LARGEST_RECORD, MOST_CLASSES, ClassName, Count, Finite, Line, Moment, RunId
from bench.record import Fraction, Frozen, Provenance, Score
from bench.results import write_atomically
from bench.spec import ExperimentSpec
from datasets_registry import BenchError, ClassSet, foreign_files, get_dataset, own_images, some
from methods import LARGEST_SIDE, LARGEST_WIDTH, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_MODEL, MOST_TENSORS = 16 * 2**30, 20_000
"""A tuned model: its file and its tensors. One that keeps a whole ViT-bigG has 10 GiB and 2,000 tensors."""

FORMAT_VERSION = 1
WIDEST_TEMPERATURE = 1e3
"""A temperature lies between its inverse and itself; fitted ones do by construction."""


class ClassList(Frozen):
    """The classes that a model was trained on, in the order of its logits, with their texts."""

    names: tuple[ClassName, ...] = Field(min_length=1, max_length=MOST_CLASSES)
    template: Line = Field(pattern=r"\{\}")
    sentences: tuple[tuple[Line, ...], ...] | None = None
    dataset: Line | None = None

    @model_validator(mode="after")
    def _sentences_fit(self) -> Self:
        if self.sentences is not None and len(self.sentences) != len(self.names):
            raise ValueError(f"{len(self.sentences)} lists of sentences for {len(self.names)} classes")
        return self

    @property
    def class_set(self) -> ClassSet:
        """The classes as an argument of methods."""
        return ClassSet(self.names, self.template, self.sentences, self.dataset)


class Calibration(Frozen):
    """The temperature: probabilities are `softmax(logits / temperature)`."""

    temperature: float = Field(1.0, ge=1 / WIDEST_TEMPERATURE, le=WIDEST_TEMPERATURE, allow_inf_nan=False)
    source: Literal["validation", "uncalibrated"] = "uncalibrated"
    n: Count = Field(0, description="validation images that it was fitted to")


class Novelty(Frozen):
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


class ModelInfo(Frozen):
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
    image_size: int = Field(ge=1, le=LARGEST_SIDE)
    embed_dim: int = Field(ge=1, le=LARGEST_WIDTH)
    preprocessing: Preprocessing
    orient: bool = Field(False, description="images are turned upright by EXIF orientation, as in training")
    support_images: Count
    image_list: Line | None = Field(
        None, description="digest of the list of own images that it was trained with; None for published datasets"
    )
    calibration: Calibration = Calibration()
    novelty: Novelty | None = None
    scores: tuple[Score, ...]
    validation_accuracy: Fraction | None = Field(None, description="on the few validation images; None without any")
    validation_nll: Finite | None = Field(None, description="mean negative log-likelihood on them, before calibration")
    final_loss: Finite | None = None
    kept: Literal["best", "all"] = Field("all", description="the value of --keep-models that stored it")
    provenance: Provenance
    created_at: Moment


def model_group(spec: ExperimentSpec, image_list: str | None) -> str:
    """A name shared by the runs that differ from this one only in their seed, and so in the draw of training images.

    `image_list` is that of the model, or of today, so that models of former images are another group. `--keep-models
    best` keeps one model per group.
    """
    return f"{spec.model_copy(update={'seed': 0, 'task_fingerprint': ''}).run_id} {image_list or ''}"


def changed_images(models: Sequence[ModelInfo]) -> list[str]:
    """How the own images or settings of each model's dataset changed since it was trained; empty if they did not.

    The images of a dataset are listed once. Those that are not on this machine are not compared.
    """
    today: dict[str, str | None] = {}
    for name in {info.spec.dataset for info in models if info.image_list}:
        with suppress(BenchError):
            today[name] = own_images.image_list(get_dataset(name))
    return [_change(info, today.get(info.spec.dataset)) for info in models]


def _change(info: ModelInfo, now: str | None) -> str:
    if None in (now, info.image_list) or now == info.image_list:
        return ""
    name, trained = info.spec.dataset, info.classes.names
    classes = get_dataset(name).class_names
    gone = [repr(label) for label in trained if label not in classes]
    new = [repr(label) for label in classes if label not in trained]
    more = f"; its class {some(gone)} is gone" if gone else ""
    more += f"; it does not know the class {some(new)}" if new else ""
    return f"the images or settings of {name} changed since this model was trained{more}"


SHOWN_CLASSES = 20


def model_card(info: ModelInfo, path: Path) -> str:
    """Describes the model, its scores, its training and its use."""
    spec, names = info.spec, info.classes.names
    more = f" and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    return "\n".join(
        [
            f"# {spec.method} on {spec.dataset}",
            "",
            f"A tuned CLIP classifier for {len(names)} classes: {', '.join(names[:SHOWN_CLASSES])}{more}.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in _facts(info).items()),
            "",
            "## Scores on test images",
            "",
            "| split | accuracy | calibration error | images | classes |",
            "|---|---|---|---|---|",
            *(
                f"| {s.split} | {100 * s.accuracy:.2f} % | {100 * s.ece:.2f} % | {s.n} | {s.n_classes} |"
                for s in info.scores
            ),
            "",
            "Nothing about this model was chosen on test images. The calibration error is before temperature scaling.",
            "",
            "## Use",
            "",
            "```bash",
            f"etl-bench predict {path.name} IMAGES --out predictions.csv",
            "```",
            "",
        ]
    )


def _facts(info: ModelInfo) -> dict[str, str]:
    spec, provenance, calibration, novelty = info.spec, info.provenance, info.calibration, info.novelty
    settings = ", ".join(f"{key}={value}" for key, value in spec.config.items()) or "none"
    recipe = ", ".join(f"{key}={value}" for key, value in (spec.recipe or {}).items()) or "no training"
    return {
        "run": info.run_id,
        "backbone": f"{spec.backbone}, digest {info.backbone_digest}",
        "task": f"{spec.protocol}, {spec.shots} shots, seed {spec.seed}, {info.support_images} training images",
        "template": info.classes.template,
        "settings": settings,
        "recipe": recipe,
        "other classes": "can be added at prediction" if info.open_vocabulary else "need new training",
        "temperature": "1, uncalibrated: there were no validation images"
        if calibration.source == "uncalibrated"
        else f"{calibration.temperature:.4g}, fitted to {calibration.n} validation images",
        "unlike anything seen": "no score: there were no images to set a threshold"
        if novelty is None
        else f"{novelty.kind} above {novelty.threshold:.4g}, set by {novelty.n} {novelty.source} images for at most "
        f"{100 * novelty.false_alarm_rate:.3g} % false alarms",
        "validation": "no validation images"
        if info.validation_accuracy is None
        else f"accuracy {100 * info.validation_accuracy:.2f} % on {calibration.n} images",
        "code": f"etl-bench {provenance.package_version}, {provenance.code}, commit {provenance.git_commit or '?'}",
        "made": f"{info.created_at:%Y-%m-%d}, {spec.precision} on {provenance.device}, "
        f"torch {provenance.packages.get('torch')}",
    }


SUFFIX = ".safetensors"
MODELS = "models"
"""Folder of stored models below the runs folder."""
MEANS = "novelty.means"
"""Tensor of the mean feature of each class, `(n_cls, dim)`, which the novelty score needs."""
_KEY, CHECKSUM = "etl-bench model", "sha256"
"""In the header of a file: its description, and the checksum of its content."""


class ModelFileError(BenchError, ValueError):
    """A model file that does not exist, is damaged, or does not fit its use."""


def model_path(runs: Path, run_id: str) -> Path:
    """The file of a run's model."""
    return runs / MODELS / f"{run_id}{SUFFIX}"


def model_bytes(info: ModelInfo, tensors: Mapping[str, "Tensor"]) -> bytes:
    """The content of a model file."""
    import safetensors.torch

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = info.model_dump_json()
    return safetensors.torch.save(plain, {_KEY: text, CHECKSUM: _checksum(text, plain)})


def write_model(path: Path, content: bytes) -> None:
    """Write a model file, and its card beside it. A missing folder is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    write_atomically(path.with_suffix(".md"), model_card(read_model_info(path), path).encode())


def read_model_info(path: Path) -> ModelInfo:
    """The description of a model, without its tensors and without torch. Raises ModelFileError."""
    return read_header(path)[1]


def read_model(path: Path) -> tuple[ModelInfo, dict[str, "Tensor"]]:
    """A model and its tensors on the CPU, compared with the checksum and with `unusable_tensors`.

    Raises ModelFileError.
    """
    header, info = read_header(path)
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if header[CHECKSUM] != _checksum(header[_KEY], tensors):
        raise _damaged(path, "its content does not match its checksum")
    if problem := unusable_tensors(info, tensors):
        raise ModelFileError(f"The model file {path} cannot be used: {problem}. Give another model.")
    return info, tensors


def unusable_tensors(info: ModelInfo, tensors: Mapping[str, "Tensor"]) -> str | None:
    """Why no model has these tensors, naming the first; None if one can."""
    import torch

    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            return f"its tensor {name} has values that are not finite"
    expected = (len(info.classes.names), info.embed_dim)
    means = tensors.get(MEANS)
    if means is not None and tuple(means.shape) != expected:
        return f"its tensor {MEANS} is {tuple(means.shape)}, and its classes and features need {expected}"
    return None


@dataclass(frozen=True)
class ListedModel:
    """A model file of a folder. If it cannot be read, `info` is None and `problem` has the reason."""

    path: Path
    size: int
    info: ModelInfo | None
    problem: str = ""


def list_models(folder: Path) -> list[ListedModel]:
    """All model files of a folder, by name."""
    listed = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        info, problem = None, ""
        try:
            info = read_model_info(path)
        except ModelFileError as error:
            problem = str(error)
        listed.append(ListedModel(path, path.stat().st_size, info, problem))
    return listed


def read_header(path: Path) -> tuple[dict[str, str], ModelInfo]:
    """The texts in the header of a model, and its description. Raises ModelFileError."""
    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}. `etl-bench models` lists the models of a runs folder.")
    try:
        foreign_files.check_size(path, LARGEST_MODEL)
        with safe_open(path, "np") as file:
            header, names = dict(file.metadata() or {}), file.keys()
        if len(names) > MOST_TENSORS or sum(map(len, header.values())) > LARGEST_RECORD:
            raise OSError(f"it has {len(names)} tensors or a description larger than any model needs")
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    if _KEY not in header or CHECKSUM not in header:
        raise ModelFileError(f"{path} is not a tuned model of etl-bench, but another safetensors file.")
    try:
        version = int(foreign_files.parse_json(header[_KEY].encode())["format_version"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(path, "its header has no format version") from None
    if version != FORMAT_VERSION:
        raise ModelFileError(f"{path} has format {version}, and this etl-bench reads format {FORMAT_VERSION} only.")
    try:
        return header, ModelInfo.model_validate_json(header[_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _damaged(path, f"{where}: {first['msg']}") from None


def _damaged(path: Path, reason: str) -> ModelFileError:
    return ModelFileError(f"The model file {path} is damaged ({reason}); keep the model again with --keep-models.")


def _checksum(text: str, tensors: Mapping[str, "Tensor"]) -> str:
    import torch

    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        sha.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()
