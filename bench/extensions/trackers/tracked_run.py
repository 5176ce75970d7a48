"""A finished run as experiment trackers receive it: parameters, metrics, learning curve and tags."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.analysis import metrics, wilson
from bench.record import CurvePoint, DifficultyRecord, RunRecord, Score
from bench.spec import ExperimentSpec

Parameter = str | int | float | bool
PROJECT = "clip-etl-bench"
"""Project of Weights & Biases and trackio, and experiment of MLflow, where no other is named."""
_FACTS_OF_A_SPLIT = {"split", "n", "n_classes", "selected_on_test"}


@dataclass(frozen=True)
class TrackedRun:
    """A finished run.

    Args:
        name: the run in words.
        group: the same for runs that differ only in their seed: the run in words, and a digest of the settings.
        created_at: when the run was finished. Another time for the same run id is a newer result.
        seconds: wall clock of preparation, training and evaluation, with the shared features.
        parameters: run id, method, dataset, backbone, protocol, shots and seed; `config.*` and `recipe.*` are the
            settings of the method and of its training.
        metrics: `SPLIT/accuracy` and the other metrics of every split, as fractions; `SPLIT/accuracy_low` and `_high`,
            its 95 % interval over test images, and `SPLIT/images`, their number; `H` where base and new classes are
            scored; `cost/*` and `difficulty/SPLIT/*`.
        curve: finished epochs, and the accuracy by split and the seconds at that time. Empty without `--curve`.
        tags: version of etl-bench, commit, digests and device.
    """

    run_id: str
    name: str
    group: str
    created_at: datetime
    seconds: float
    parameters: Mapping[str, Parameter]
    metrics: Mapping[str, float]
    curve: Sequence[tuple[int, Mapping[str, float]]]
    tags: Mapping[str, str]


def tracked_run(record: RunRecord, difficulty: Sequence[DifficultyRecord] = ()) -> TrackedRun:
    """A finished record, with the difficulty of its dataset for its backbone if that was measured."""
    spec, cost = record.spec, record.cost
    return TrackedRun(
        run_id=record.run_id,
        name=spec.label(),
        group=_group(spec),
        created_at=record.created_at,
        seconds=0.0 if cost is None else cost.known_seconds,
        parameters=dict(_parameters(record)),
        metrics=dict(_metrics(record)) | dict(_difficulty(difficulty)),
        curve=[],
        tags=dict(_tags(record)),
    )


def _group(spec: ExperimentSpec) -> str:
    settings = spec.model_copy(update={"seed": 0, "task_fingerprint": ""})  # the fingerprint depends on the seed
    return f"{spec.label().removesuffix(f', seed {spec.seed}')}, {spec.backbone} ({settings.run_id[:8]})"


def _parameters(record: RunRecord) -> Iterator[tuple[str, Parameter]]:
    yield "run_id", record.run_id
    yield from _flat(record.spec.model_dump(mode="json", exclude={"schema_version"}))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    """Nested settings with joined names, without unset ones; a list is its values with commas between them."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            if value:
                yield f"{prefix}{key}", ",".join(map(str, value))
        elif value is not None:
            yield f"{prefix}{key}", value


def _metrics(record: RunRecord) -> Iterator[tuple[str, float]]:
    for score in record.all_scores:
        yield from _numbers(score.model_dump(exclude=_FACTS_OF_A_SPLIT), f"{score.split}/")
        ends = zip(("low", "high"), wilson(score.accuracy, score.n), strict=True)
        yield from ((f"{score.split}/accuracy_{name}", end) for name, end in ends)
        yield f"{score.split}/images", float(score.n)
    base, new = record.score("base"), record.score("new")
    if base and new:
        yield "H", _harmonic(base, new)
    if record.open:
        yield "open/H", _harmonic(record.open.base, record.open.new)
    yield from _numbers(record.model_dump(include={"final_loss", "selected_epoch"}), "")
    if record.cost:
        total = {"learning_seconds": record.cost.learning_seconds}
        yield from _numbers(record.cost.model_dump() | total, "cost/")


def _harmonic(base: Score, new: Score) -> float:
    return metrics.harmonic_mean(base.accuracy, new.accuracy)


def _difficulty(records: Sequence[DifficultyRecord]) -> Iterator[tuple[str, float]]:
    for record in records:
        yield from _numbers(record.measures, f"difficulty/{record.split}/")


def _point(point: CurvePoint) -> dict[str, float]:
    return {f"{split}/accuracy": value for split, value in point.accuracy.items()} | {"seconds": point.seconds}


def _numbers(values: Mapping[str, float | None], prefix: str) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if value is not None:
            yield f"{prefix}{name}", float(value)


def _tags(record: RunRecord) -> Iterator[tuple[str, str]]:
    made = record.provenance
    yield "etl_bench.version", made.package_version
    yield "etl_bench.method_code", made.code
    if made.git_commit is not None:
        yield "git.commit", made.git_commit
        yield "git.dirty", str(made.git_dirty).lower()
    yield "device", made.device_class
    yield "python", made.python
    yield "platform", made.platform
    oracles = [f"{score.split}: {score.selected_on_test}" for score in record.scores if score.selected_on_test]
    if oracles:
        yield "selected_on_test", "; ".join(oracles)
