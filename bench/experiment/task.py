"""Builds the task of a run from the data on disk; it must equal the planned task."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from bench.context import RunContext
from bench.errors import StaleSpecError
from bench.spec import ExperimentSpec
from datasets_registry import (
    DatasetSplits,
    EvalSplit,
    FewShotTask,
    PoolRule,
    SupportList,
    SupportRule,
    TaskRequest,
    build_task,
    get_dataset,
    held_out,
    read_support_list,
)
from methods import ClassText, parse_class_text


@lru_cache(maxsize=32)
def read_splits(dataset: str, data_root: Path | None) -> DatasetSplits:
    """The splits of a dataset, read once per process, and again after a plan or after own images were added."""
    return get_dataset(dataset).reader(data_root)


def load_task(spec: ExperimentSpec, context: RunContext) -> FewShotTask:
    """Build the task of a spec.

    Raises:
        StaleSpecError: if it differs from the planned task, or if a file that the spec needs is not available.
        DataError: if the dataset cannot be read.
    """
    task = declared_task(spec, context)
    if task.fingerprint != spec.task_fingerprint:
        raise StaleSpecError(
            f"The data of {spec.dataset} changed since this run was planned "
            f"({spec.task_fingerprint[:8]} -> {task.fingerprint[:8]}); plan it again with the same command."
        )
    return task


def declared_task(
    spec: ExperimentSpec, context: RunContext, splits: Callable[[str, Path | None], DatasetSplits] = read_splits
) -> FewShotTask:
    """The task of a spec's draw rule, shots and seed on these data, regardless of the planned fingerprint.

    Args:
        splits: reads the splits of a dataset by its name and the folder of the data.

    Raises StaleSpecError if a file that the spec needs is not available, and DataError if a dataset cannot be read.
    """
    return build_task(
        TaskRequest(
            get_dataset(spec.dataset),
            splits(spec.dataset, context.data_root),
            protocol=spec.protocol,
            shots=spec.shots,
            seed=spec.seed,
            draw=spec.draw,
            targets=[(get_dataset(name), splits(name, context.data_root)) for name in spec.targets],
            support_list=_support_list(spec, context),
            texts=_class_text(spec, context),
            allow_fewer=spec.allow_fewer,
            fold=_fold(spec),
            held_out_shot=spec.held_out_shot,
            rule=None if spec.support_rule is None else SupportRule.parse(spec.support_rule),
            pool=None if spec.unlabelled is None else PoolRule.parse(spec.unlabelled),
        )
    )


def evaluation_splits(spec: ExperimentSpec, context: RunContext) -> tuple[EvalSplit, ...]:
    """The evaluation splits of a spec on the data on disk, even if these have changed since it was planned.

    They do not depend on shots, seed and draw rule. Raises DataError if a dataset cannot be read.
    """
    task = build_task(
        TaskRequest(
            get_dataset(spec.dataset),
            read_splits(spec.dataset, context.data_root),
            protocol=spec.protocol,
            shots=0,
            seed=0,
            draw="nested",
            targets=[(get_dataset(name), read_splits(name, context.data_root)) for name in spec.targets],
            fold=_fold(spec),
        )
    )
    return task.evals


def _fold(spec: ExperimentSpec) -> held_out.Fold | None:
    return None if spec.fold is None else held_out.Fold.parse(spec.fold)


def _support_list(spec: ExperimentSpec, context: RunContext) -> SupportList | None:
    if spec.support is None or spec.support_rule is not None:
        return None
    listed = read_support_list(_named_file(spec.support, "support list", "--support FILE", context))
    if listed.digest != spec.support:
        raise StaleSpecError(
            f"Support list {listed.source} changed since this run was planned; plan it again with the same command."
        )
    return listed


def _class_text(spec: ExperimentSpec, context: RunContext) -> ClassText | None:
    kind, _, value = (spec.class_text or "").partition(":")
    if kind != "descriptions":
        return parse_class_text(spec.class_text)
    text = parse_class_text(f"{kind}:{_named_file(value, 'descriptions', '--class-text descriptions:FILE', context)}")
    if text is None or text.value != value:
        raise StaleSpecError(
            "The descriptions changed since this run was planned; plan it again with the same command."
        )
    return text


def _named_file(digest: str, what: str, option: str, context: RunContext) -> Path:
    if digest not in context.files:
        raise StaleSpecError(f"This run needs the {what} {digest[:12]}; give its file again with {option}.")
    return context.files[digest]
