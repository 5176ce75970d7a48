"""Inputs of a sweep besides datasets: backbones, weight files, support lists and class texts.

With them a stored run is repeated: its kind of device, threads and batches, without the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment import ModelFileError, TeacherFile, read_splits, read_teacher
from bench.results import known_methods
from bench.sweep.device_choice import resolve_device
from bench.sweep.machine import find_gpus
from bench.sweep.request import SweepRequest
from datasets_registry import SupportList, read_support_list

if TYPE_CHECKING:
    from bench.results import Shard
    from methods import BackboneSpec, ClassText


def named_files(request: SweepRequest) -> dict[str, Path]:
    """Paths of the files that specs name by digest, for workers."""
    return files_by_digest(list(map(read_support_list, request.supports)), class_text_of(request), teacher_of(request))


def files_by_digest(
    lists: Sequence[SupportList], text: ClassText | None, teacher: TeacherFile | None
) -> dict[str, Path]:
    """Paths of support lists, descriptions and a teacher by digest."""
    files = {item.digest: item.source.absolute() for item in lists}
    files |= {} if teacher is None else {teacher.digest: teacher.path.absolute()}
    return files if text is None or text.source is None else files | {text.value: text.source.absolute()}


def teacher_of(request: SweepRequest) -> TeacherFile | None:
    """The teacher of a sweep; raises ModelFileError for a file that is no kept model, or one that cannot teach."""
    if request.teacher is None:
        return None
    teacher, catalogue = read_teacher(request.teacher), known_methods()
    if (name := teacher.info.spec.method) in catalogue and not catalogue.get(name).teaches:
        raise ModelFileError(teacher.unfit)
    return teacher


def teacher_backbone(request: SweepRequest) -> list[str]:
    """The backbone of the teacher, as `-b` takes it; empty without a teacher."""
    teacher = teacher_of(request)
    return [] if teacher is None else [teacher.info.backbone_file or teacher.info.spec.backbone]


def class_text_of(request: SweepRequest) -> ClassText | None:
    """The class texts of a sweep, None for the datasets' own; raises UsageError for a text with two places."""
    from methods import parse_class_text

    text = parse_class_text(request.class_text)
    if text is not None and text.kind == "template" and text.value.count("{}") != 1:
        raise UsageError(
            f"--class-text {request.class_text!r} has '{{}}' more than once; the class name has one place."
        )
    return text


def local_weights(backbones: Sequence[str]) -> dict[str, Path]:
    """Weight files and folders of local backbones by slug.

    The path is absolute and keeps its options (`,quickgelu`), so that `ARCH=<this path>` describes the same backbone.
    """
    from methods import local_source

    pairs = zip(backbones, backbones_of(backbones), strict=True)
    sources = {spec.slug: local_source(text) for text, spec in pairs}
    return {slug: Path(source).absolute() for slug, source in sources.items() if source is not None}


def backbones_of(texts: Sequence[str]) -> list[BackboneSpec]:
    """The backbones that the texts describe."""
    from methods import parse_backbone

    return [parse_backbone(text) for text in texts]


def repetition_context(
    stored: Shard,
    *,
    data_root: Path | None,
    weights: dict[str, Path],
    files: dict[str, Path],
    device: str | None = None,
    threads: int | None = None,
    eval_batch: int | None = None,
) -> RunContext:
    """The context for a repetition of a run; None means as in the run.

    The default device is that of the run if this
    machine has one, else the CPU. Raises UsageError for a device that does not exist.
    """
    read_splits.cache_clear()  # own images may have changed since they were read
    record, provenance = stored.record, stored.record.provenance
    kind = provenance.device.partition(":")[0]
    device_of_run = {"cuda": "cuda" if find_gpus() else "cpu", "mps": "auto"}.get(kind, "cpu")
    context = RunContext(
        data_root=data_root,
        weights=weights,
        files=files,
        device=resolve_device(device or device_of_run, record.spec.precision),
        threads=threads or provenance.threads,
    )
    batch = eval_batch or provenance.eval_batch
    return context.model_copy(update={"eval_batch": batch}) if batch else context
