"""Imports a bundle. Its labels must agree with other runs and the data.

Accuracy depends on test labels as much as on predictions, and a bundle's own labels prove nothing. They are therefore
compared with those of the runs in the folder, and with the data if they are on disk.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.context import RunContext
from bench.experiment.task import evaluation_splits, load_task, read_splits
from bench.record import Predictions, RunRecord
from bench.results import Imported, Shard, Shards, TrueLabels, import_bundle
from bench.spec import ExperimentSpec
from datasets_registry import BenchError


def import_results(shards: Shards, bundle: Path, *, data_root: Path | None = None) -> Imported:
    """Import a bundle with all checks; a bundle with any error adds nothing.

    Raises BundleError if a run cannot be loaded, or has other test images or labels than another run on its task, or
    than the data below `data_root` (default: as for runs).
    """
    read_splits.cache_clear()  # own images may have changed since they were read
    labels, data = KnownLabels(), _OnDisk(data_root)
    for run_id in shards.scan():
        if (stored := shards.read(run_id)) is not None:
            labels.add(stored)

    def problems(shard: Shard) -> list[str]:
        disagreements = [*labels.disagreements(shard), *data.disagreements(shard)]
        labels.add(shard)
        return disagreements

    return import_bundle(shards, bundle, problems)


class KnownLabels:
    """Images and labels of the runs seen so far: by task and split, and by dataset, split and images."""

    def __init__(self) -> None:
        self._truths: dict[tuple[object, ...], TrueLabels] = {}

    def copy(self) -> "KnownLabels":
        """The same labels, to which others may be added."""
        labels = KnownLabels()
        labels._truths |= self._truths
        return labels

    def add(self, shard: Shard) -> None:
        """Take the images and labels of a run as known."""
        for item in shard.predictions:
            truth = TrueLabels(item.images, item.label, f"run {shard.record.run_id} on the same data", item.group)
            for key in _keys(shard.record, item):
                if key not in self._truths or self._truths[key].group is None:  # older runs have no groups
                    self._truths[key] = truth

    def disagreements(self, shard: Shard) -> Iterator[str]:
        """How the images and labels of a run differ from the known ones, one sentence for each split."""
        for item in shard.predictions:
            for key in _keys(shard.record, item):
                if key in self._truths and (text := self._truths[key].disagreement(item)) is not None:
                    yield text
                    break


def _keys(record: RunRecord, item: Predictions) -> tuple[tuple[object, ...], ...]:
    dataset = item.split if item.split in record.spec.targets else record.spec.dataset
    return (record.spec.task_fingerprint, item.split), (dataset, record.spec.protocol, item.split, hash(item.images))


class _OnDisk:
    """Images and labels of the datasets on disk. Runs on a dataset that is not on disk are not checked."""

    def __init__(self, data_root: Path | None) -> None:
        self._context = RunContext(data_root=data_root)
        self._truths: dict[tuple[object, ...], Mapping[str, TrueLabels]] = {}

    def disagreements(self, shard: Shard) -> Iterator[str]:
        spec = shard.record.spec
        truths = self._splits(spec)
        for item in shard.predictions:
            truth = truths.get(item.split)
            text = None if truth is None else truth.disagreement(item)
            if truth is None or text is None:
                continue
            if set(truth.images) == set(item.images) or self._has_data_of(spec):
                yield text

    def _has_data_of(self, spec: ExperimentSpec) -> bool:
        """Whether the data on disk are exactly those of the spec; other data may have other images."""
        try:
            load_task(spec, self._context)
        except BenchError:
            return False
        return True

    def _splits(self, spec: ExperimentSpec) -> Mapping[str, TrueLabels]:
        key = spec.dataset, spec.protocol, spec.targets
        if key not in self._truths:
            try:
                splits = evaluation_splits(spec, self._context)
            except BenchError:  # not on disk here, or unknown to this installation
                splits = ()
            self._truths[key] = {
                split.name: TrueLabels.of(
                    split, f"{split.name if split.name in spec.targets else spec.dataset} on disk"
                )
                for split in splits
            }
        return self._truths[key]
