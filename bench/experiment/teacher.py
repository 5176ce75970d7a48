"""The teacher of a run: a kept model that a method learns from. Its file is read without torch until it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.context import RunContext
from bench.errors import StaleSpecError
from bench.experiment.model_file import CHECKSUM, ModelFileError, ModelInfo, read_header, read_model
from bench.spec import ExperimentSpec, shots_text, teacher_parts
from datasets_registry import EvalProtocol, FewShotTask, PoolRule, few_shot_draws

if TYPE_CHECKING:
    from torch import Tensor

    from bench.experiment.features.inputs import Inputs
    from datasets_registry import ClassSet
    from methods import Teacher


@dataclass(frozen=True)
class TeacherFile:
    """The file of a teacher: a model that `run --keep-models` stored.

    Args:
        digest: first 32 hex digits of the checksum of its content.
    """

    path: Path
    digest: str
    info: ModelInfo

    @property
    def identity(self) -> str:
        """What a spec records: method, backbone, a digest of the settings, and the digest of the content.

        The settings are those of the teacher's run without its dataset and seed, so that leaderboards compare rows of
        teachers that differ in these only.
        """
        spec = self.info.spec
        plain = {"dataset": "", "task_fingerprint": "", "seed": 0, "allow_fewer": False}
        draw = "coop" if spec.draw == "coop-sorted" else spec.draw
        settings = spec.model_copy(update=plain | {"draw": draw}).run_id[:8]
        return f"{spec.method}@{spec.backbone}#{settings}:{self.digest}"

    @property
    def unfit(self) -> str:
        """Why it is no teacher if its method has no such pair of features, and the remedy."""
        return (
            f"The teacher {self.path} is a model of {self.info.spec.method}, whose logits are not the cosine of one "
            "image and one text feature; use a teacher such as promptsrc."
        )

    def conflict(self, dataset: str, protocol: EvalProtocol) -> str | None:
        """Why runs on a dataset cannot have this teacher, and the remedy; None if they can."""
        spec = self.info.spec
        if (spec.dataset, spec.protocol) == (dataset, protocol):
            return None
        return (
            f"the teacher {self.path} was trained on {spec.dataset} in {spec.protocol}, and the run is on {dataset} in "
            f"{protocol}; give a teacher of the same dataset and protocol."
        )

    def task_conflict(self, names: Sequence[str], shots: int, support: str | None) -> str | None:
        """Why a run with these training classes, shots and support cannot have this teacher; None if it can."""
        spec, classes = self.info.spec, self.info.classes.names
        if tuple(names) != classes:
            return (
                f"the teacher {self.path} has {len(classes)} classes ({classes[0]}, ...), which are not the "
                f"{len(names)} training classes of the run ({names[0]}, ...); give a teacher of these classes."
            )
        if (spec.shots, spec.support) != (shots, support):
            return (
                f"the teacher {self.path} learned from {_labels(spec.shots, spec.support)}, and the run has "
                f"{_labels(shots, support)}, so its leaderboard would be wrong; give both the same --shots and "
                "--support."
            )
        return None


def _labels(shots: int, support: str | None) -> str:
    return shots_text(shots) if support is None else f"{shots_text(shots)} of {support}"


def read_teacher(path: Path) -> TeacherFile:
    """The file of a teacher; raises ModelFileError if it does not exist or is no kept model."""
    header, info = read_header(path)
    return TeacherFile(path, header[CHECKSUM][:32], info)


def load_teacher(spec: ExperimentSpec, context: RunContext, task: FewShotTask, student: Inputs) -> Teacher:
    """The teacher of a spec, ready to give features; nothing is trained.

    Raises:
        StaleSpecError: its file is not available, or its content changed.
        ModelFileError: it cannot be loaded, it has no image and text features of its own, or it sees other pixels.
    """
    import torch

    from bench.experiment.features.inputs import shared_inputs
    from bench.experiment.kept_models import pixel_batch, restored_method
    from methods import Passes, Precision, Teacher, TwoTowerMethod

    assert spec.teacher is not None
    digest = teacher_parts(spec.teacher)[1]
    if digest not in context.files:
        raise StaleSpecError(f"This run needs the teacher {spec.teacher}; give its file again with --teacher FILE.")
    path = context.files[digest]
    if read_teacher(path).digest != digest:
        raise StaleSpecError(f"The teacher {path} changed since this run was planned; plan it again with --teacher.")
    info, tensors = read_model(path)
    backbone = copy(shared_inputs(info.spec.backbone, context, Precision(spec.precision)).backbone)
    backbone.passes = Passes()  # the run counts those of the student
    method = restored_method(info, tensors, backbone)
    if not isinstance(method, TwoTowerMethod) or not method.one_pair:
        raise ModelFileError(TeacherFile(path, digest, info).unfit)
    teacher_images, student_images = [(tower.image_size, tower.preprocessing) for tower in (backbone, student.backbone)]
    if teacher_images != student_images:
        raise ModelFileError(
            f"The teacher {path} sees images as {backbone.slug} does, {backbone.image_size} pixels wide, and the "
            f"student as {student.backbone.slug} does, {student.backbone.image_size} pixels wide; use two backbones "
            "with the same size and preprocessing of images."
        )

    @torch.no_grad()
    def image_features(pixels: Tensor) -> Tensor:
        return method.image_features(pixel_batch(backbone, pixels, method.info.needs))

    @torch.no_grad()
    def text_features(classes: ClassSet) -> Tensor:
        return method.text_features(classes)

    return Teacher(image_features, text_features, backbone.logit_scale, trained_classes(spec, task))


def trained_classes(spec: ExperimentSpec, task: FewShotTask) -> ClassSet:
    """The training classes, and in base-to-new the new classes, too, if the unlabelled pool has images of them."""
    pool = None if spec.unlabelled is None else PoolRule.parse(spec.unlabelled)
    if pool is None or pool.kind == "train" or spec.protocol is not EvalProtocol.BASE_TO_NEW:
        return task.support.classes
    return few_shot_draws.among_all_names(*task.evals)[0].classes
