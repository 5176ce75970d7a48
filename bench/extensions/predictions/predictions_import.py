"""Turns files of predictions into runs. Every statement of a file is compared with the dataset and with our draw."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options as opt
from datasets_registry import DataError

if TYPE_CHECKING:
    from bench.extensions.predictions.prediction_files import PredictionFile
    from bench.record import Predictions, RunRecord


@dataclass(frozen=True)
class ImportedPredictions:
    """The result of an import.

    Args:
        added: records of the new runs.
        unchanged: ids of runs that were there with the same predictions.
        kept: ids of runs that were there with other predictions and were kept.
        notes: what the files state and nothing proves, and what differs from our own runs, one sentence each.
    """

    added: tuple[RunRecord, ...]
    unchanged: tuple[str, ...]
    kept: tuple[str, ...]
    notes: tuple[str, ...]


def import_predictions(
    files: Annotated[
        Sequence[Path | str],
        opt.Arg("Files of predictions, .npz.", metavar="FILE..."),
    ],
    runs: opt.NewRuns = "runs",
    *,
    dataset: Annotated[str | None, opt.Opt("Its name here. Default: found from the name in the file.", "-d")] = None,
    backbone: Annotated[
        str | None, opt.Opt("As in `run`. Default: OpenAI's weights of the file's model.", "-b")
    ] = None,
    data_root: opt.DataRoot = None,
) -> ImportedPredictions:
    """Check files of predictions that other code computed and add their runs; with any error, nothing is added.

    Files of one method, seed and number of shots are one run: those of base and new classes are a base-to-new run, and
    files of other datasets that follow a training are the targets of a cross-dataset run.

    Args:
        files: see `etl-bench doctor docs add-a-method`.

    Raises DataError for a file that contradicts the dataset, or if the dataset is not on disk.
    """
    from bench.extensions.predictions.prediction_files import read_predictions
    from bench.results import Shards, fresh_store

    shards = Shards(Path(runs))
    read = [read_predictions(Path(path)) for path in files]
    # imports torch, which the checks above do not need
    from bench.extensions.predictions.declared_run import DeclaredRun

    built = [DeclaredRun(group, dataset, backbone, data_root) for group in _runs(read)]
    records = [run.made() for run in built]
    ids = Counter(record.run_id for record, _ in records)
    if repeated := [run_id for run_id, count in ids.items() if count > 1]:
        raise DataError(f"Several of these files describe the same run ({repeated[0]}); give each once.")
    origin = hashlib.sha256("\n".join(sorted(file.digest for file in read)).encode()).hexdigest()
    added, unchanged, conflicting = [], [], []
    for record, items in records:
        stored = shards.read(record.run_id)
        known_items = () if stored is None else stored.predictions
        if known_items and _same(known_items, items):
            unchanged.append(record.run_id)
        elif not known_items and shards.write(record, items, origin=origin):
            added.append(record)
        else:
            conflicting.append(record.run_id)
    fresh_store(Path(runs))
    notes = dict.fromkeys(note for run in built for note in run.notes)
    return ImportedPredictions(tuple(added), tuple(unchanged), tuple(conflicting), tuple(notes))


def _runs(files: Iterable[PredictionFile]) -> Iterator[list[PredictionFile]]:
    """The files of each run. All classes without a training belong to the training on base classes, if there is one."""
    groups: dict[tuple[object, ...], list[PredictionFile]] = {}
    for file in files:
        head = file.head
        settings = tuple(sorted((key, repr(value)) for key, value in head.settings.items()))
        key = head.method, head.seed, head.shots, head.commit, head.backbone or head.model, settings
        groups.setdefault(key, []).append(file)
    for group in groups.values():
        with_base = {file.head.dataset for file in group if file.head.classes == "base"}
        by_dataset: dict[str, list[PredictionFile]] = {}
        halves: dict[str, list[PredictionFile]] = {}
        for file in group:
            head = file.head
            of_halves = head.classes != "all" or (head.dataset in with_base and not head.trained)
            (halves if of_halves else by_dataset).setdefault(head.dataset, []).append(file)
        yield from halves.values()
        whole = [file for of_dataset in by_dataset.values() for file in of_dataset]
        if whole and not all(file.head.trained for file in whole):
            yield whole  # a training and its targets
        else:
            yield from by_dataset.values()


def _same(a: Sequence[Predictions], b: Sequence[Predictions]) -> bool:
    import numpy as np

    other = {item.split: item for item in b}
    return {item.split for item in a} == other.keys() and all(
        item.images == other[item.split].images
        and np.array_equal(item.label, other[item.split].label)
        and np.array_equal(item.top_labels, other[item.split].top_labels)
        and np.array_equal(item.top_logits, other[item.split].top_logits)
        for item in a
    )
