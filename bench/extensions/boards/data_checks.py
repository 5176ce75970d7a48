"""Checks the support images, test images and true labels of runs against their spec, with the data of the board.

Three levels, since a board may not hold every dataset:

- The data are available, or the dataset is synthetic: the task is built and compared, including the contents of the
  support images.
- Only the split file is available: the draw and all labels are compared. The fingerprint of the task is recomputed with
  the contents that the run states, so that the run must have drawn the declared images.
- Neither: nothing is compared, and the reason is reported.

A dataset that the board does not know is a problem, since its runs could not be compared with any others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from PIL import Image

from bench.context import RunContext
from bench.errors import StaleSpecError
from bench.experiment import declared_task
from bench.results import Shard, TrueLabels
from bench.spec import ExperimentSpec
from datasets_registry import BenchError, CoopReader, DataError, DatasetSplits, FewShotTask, canonical_json, get_dataset

_NOT_OF_THE_TASK = {"method", "config", "recipe", "backbone", "task_fingerprint", "precision", "epoch_selection"}
"""Fields of a spec that leave its task as it is."""


class Level(StrEnum):
    """The extent to which the data of a run were checked."""

    DATA = "support images, test images and labels equal those of the declared draw"
    LISTS = "draw and labels equal those of the split file; contents of images not checked"
    NOTHING = "data not checked"


@dataclass(frozen=True)
class DataVerdict:
    """The result of the data checks of a run: their extent, the errors, and the reasons for missing checks."""

    level: Level
    problems: tuple[str, ...] = ()
    reason: str = ""


class DataChecks:
    """Checks runs against the data below `data_root`; synthetic datasets need none. Each task is built once."""

    def __init__(self, data_root: Path | None) -> None:
        self._context = RunContext(data_root=data_root)
        self._tasks: dict[str, FewShotTask | BenchError] = {}

    def check(self, shard: Shard) -> DataVerdict:
        """The verdict on one completed run."""
        spec = shard.record.spec
        try:
            for name in (spec.dataset, *spec.targets):
                get_dataset(name)
        except BenchError as error:
            reason = str(error).partition(". ")[0]  # the rest advises the owner of the runs, not of the board
            return DataVerdict(Level.NOTHING, (f"its dataset is not known to this board: {reason}",))
        try:
            return _compare(shard, self._task(spec), Level.DATA)
        except StaleSpecError as error:
            return DataVerdict(Level.NOTHING, reason=str(error).partition(";")[0])
        except BenchError as error:
            missing = str(error)
        try:
            task = declared_task(spec, self._context, listed_splits({}))
            keys, stated = [sample.key for sample in task.support.samples], shard.record.provenance.support_digests
            if len(keys) == len(stated):  # the contents of support images are those that the run states
                digests = dict(zip(keys, stated, strict=True))
                task = declared_task(spec, self._context, listed_splits(digests))
            return _compare(shard, task, Level.LISTS)
        except BenchError:
            return DataVerdict(Level.NOTHING, tuple(_beyond_catalogue(shard)), missing.partition(". ")[0])

    def _task(self, spec: ExperimentSpec) -> FewShotTask:
        key = canonical_json(spec.model_dump(mode="json", exclude=_NOT_OF_THE_TASK))
        if key not in self._tasks:
            try:
                self._tasks[key] = declared_task(spec, self._context)
            except BenchError as error:
                self._tasks[key] = error
        task = self._tasks[key]
        if isinstance(task, BenchError):
            raise task
        return task


def _beyond_catalogue(shard: Shard) -> Iterator[str]:
    """Numbers of classes and test images that are larger than those of the full dataset."""
    spec = shard.record.spec
    for score in shard.record.all_scores:
        info = get_dataset(score.split if score.split in spec.targets else spec.dataset)
        if score.n_classes > info.num_classes:
            yield f"{score.split}: {score.n_classes} classes are stated, and {info.name} has {info.num_classes}"
        if score.n > info.expected.get("test", score.n):
            yield f"{score.split}: {score.n} test images are stated, and {info.name} has {info.expected['test']}"


def _compare(shard: Shard, task: FewShotTask, level: Level) -> DataVerdict:
    record, problems = shard.record, []
    truths = {split.name: TrueLabels.of(split, "the dataset") for split in task.evals}
    for item in shard.predictions:
        problem = truths[item.split].disagreement(item) if item.split in truths else None
        problems += [problem] if problem else []
    numbers = {split.name: len(split.classes) for split in task.evals}
    for score in record.all_scores:
        among = numbers.get(score.split, sum(numbers.values()))  # the splits of the open score are among all names
        if score.n_classes != among:
            problems.append(f"{score.split}: {score.n_classes} classes are stated, and the data have {among}")
    if task.fingerprint != record.spec.task_fingerprint:
        problems.append(
            f"its support images are not those of draw {record.spec.draw}, seed {record.spec.seed} (task "
            f"{record.spec.task_fingerprint[:8]}, the board's data give {task.fingerprint[:8]})"
        )
    elif level is Level.DATA:
        digests = [task.support.images.digest(sample.key) for sample in task.support.samples]
        if digests != record.provenance.support_digests:
            problems.append("the digests of its support images are not those of the declared draw")
        if task.pool is not None and task.pool.digest() != record.provenance.unlabelled_digest:
            problems.append("the digest of its unlabelled images is not that of the declared pool")
    return DataVerdict(level, tuple(problems))


@dataclass(frozen=True)
class _StatedImages:
    """Images of which only the digests that a run states are known."""

    digests: dict[str, str]

    def load(self, key: str) -> Image.Image:
        """Raises DataError: there is no image."""
        raise DataError(f"The image {key!r} is not on this machine; only the split file is.")

    def digest(self, key: str) -> str:
        """The stated digest, empty if there is none."""
        return self.digests.get(key, "")


def listed_splits(digests: dict[str, str]) -> Callable[[str, Path | None], DatasetSplits]:
    """A way to read splits that needs only the split file, with stated digests of images."""
    images = _StatedImages(digests)

    def read(dataset: str, data_root: Path | None) -> DatasetSplits:
        reader = get_dataset(dataset).reader
        if not isinstance(reader, CoopReader):
            raise DataError(f"Dataset {dataset!r} has no split file.")
        return replace(reader.lists(data_root), images=images, layout="split file only")

    return read
