"""Errors by class, confused pair and image, from stored predictions that are read in batches."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import TYPE_CHECKING

import pandas as pd

from bench.analysis import Leaderboard, calibration, error_analysis
from reports.presenters.content import Pictures
from reports.views import ClassListView, ErrorAnalysisView

if TYPE_CHECKING:
    from bench.results import Store

IMAGES = 3
"""Hard images listed for a class list."""
MOVED = 4
"""Images listed for a class list that runs fix or break against zero-shot."""
RUNS_READ_TOGETHER = 100
"""Runs whose predictions are read together: limits memory, and few queries are faster than many."""


@dataclass(frozen=True)
class _Evaluation:
    """One entry of one board on one class list; its predictions are stored under the split name `stored`.

    `zero_shot` is the run of the board's zero-shot entry on the dataset, if there is one.
    """

    anchor: str
    entry: str
    run_ids: tuple[str, ...]
    stored: str
    zero_shot: str | None


@dataclass(frozen=True, order=True)
class _ClassList:
    backbone: str
    dataset: str
    split: str

    @property
    def key(self) -> str:
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{self.backbone}-{self.dataset}-{self.split}")


def error_analysis_view(
    boards: Mapping[str, Leaderboard],
    seeds: Mapping[str, int],
    stored: Store,
    pictures: Pictures,
) -> tuple[ErrorAnalysisView, calibration.CalibrationByRun]:
    """The errors of all entries of a page, and the calibration of all runs.

    Predictions are read once, in batches of datasets. `boards` are by anchor and `seeds` by run id.
    """
    lists: list[ClassListView] = []
    calibrated: dict[tuple[str, str], Mapping[str, float]] = {}
    cells: dict[str, dict[tuple[str, str], error_analysis.EntryErrors]] = {anchor: {} for anchor in boards}
    changed: dict[str, dict[tuple[str, str], error_analysis.Changes]] = {anchor: {} for anchor in boards}
    for batch in _batches(_evaluations(boards)):
        run_ids = _run_ids(chain.from_iterable(batch.values()))
        frame = stored.outcomes_frame(run_ids)
        parts = {
            class_list: frame[(frame["split"] == evaluations[0].stored) & frame["run_id"].isin(_run_ids(evaluations))]
            for class_list, evaluations in batch.items()
        }
        hard = {
            class_list: error_analysis.hard_images(part, limit=IMAGES)
            for class_list, part in parts.items()
            if len(part)
        }
        shown_images = sorted({item.image for items in hard.values() for item in items})
        tops = _tops(stored.top_classes_frame(run_ids, shown_images))
        for class_list, items in hard.items():
            part, images = parts[class_list], [item.image for item in items]
            reference = next((one.zero_shot for one in batch[class_list] if one.zero_shot is not None), "")
            moved = error_analysis.moved_images(part, reference, limit=MOVED)
            calibrated |= calibration.calibration_by_run(part)
            lists.append(_list_view(class_list, part, items, moved, pictures))
            by_run = _columns_by_run(part)
            for evaluation in batch[class_list]:
                stored_runs = {run: by_run[run] for run in evaluation.run_ids if run in by_run}
                if stored_runs:
                    best = {
                        run: [tops.get((run, evaluation.stored, item), ()) for item in images] for run in stored_runs
                    }
                    columns = {run: (label, predicted) for run, (_, label, predicted) in stored_runs.items()}
                    place = (evaluation.entry, class_list.key)
                    cells[evaluation.anchor][place] = error_analysis.entry_errors(columns, best)
                    if (
                        against := by_run.get(evaluation.zero_shot or "")
                    ) is None or evaluation.zero_shot in stored_runs:
                        continue
                    changes = error_analysis.changes(against, stored_runs, moved)
                    if changes is not None:
                        changed[evaluation.anchor][place] = changes
    return ErrorAnalysisView(tuple(lists), cells, changed, seeds), calibrated


def _batches(lists: Mapping[_ClassList, list[_Evaluation]]) -> Iterator[dict[_ClassList, list[_Evaluation]]]:
    """Class lists that are read together: those of one dataset, and of further datasets up to `BATCH` runs."""
    batch: dict[_ClassList, list[_Evaluation]] = {}
    for _, group in groupby(lists.items(), key=lambda item: (item[0].backbone, item[0].dataset)):
        more = dict(group)
        if batch and len(_run_ids(chain.from_iterable((batch | more).values()))) > RUNS_READ_TOGETHER:
            yield batch
            batch = {}
        batch |= more
    if batch:
        yield batch


def _run_ids(evaluations: Iterable[_Evaluation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run for evaluation in evaluations for run in evaluation.run_ids))


def _evaluations(boards: Mapping[str, Leaderboard]) -> dict[_ClassList, list[_Evaluation]]:
    """All entries by the class list that they were evaluated on."""
    by_list: defaultdict[_ClassList, list[_Evaluation]] = defaultdict(list)
    for anchor, board in boards.items():
        setting = board.setting
        for dataset in board.datasets:
            reference = () if board.baseline is None else board.array.ids(board.baseline, dataset)
            zero_shot = reference[0] if reference else None
            for split in board.splits:
                stored = board.array.stored.get((dataset, split), split)
                for entry in board.entries:
                    if run_ids := board.array.ids(entry.key, dataset):
                        evaluation = _Evaluation(anchor, entry.key, run_ids, stored, zero_shot)
                        by_list[_ClassList(setting.backbone, dataset, split)].append(evaluation)
    return dict(_split_by_storage(by_list))


def _split_by_storage(
    by_list: Mapping[_ClassList, list[_Evaluation]],
) -> Iterator[tuple[_ClassList, list[_Evaluation]]]:
    """Splits class lists with two stored names: a dataset can be trained on in one protocol and a target in another."""
    for class_list, evaluations in by_list.items():
        names = dict.fromkeys(item.stored for item in evaluations)
        for name in names:
            is_target = len(names) > 1 and name != class_list.split
            split = f"{class_list.split} (target)" if is_target else class_list.split
            yield replace(class_list, split=split), [item for item in evaluations if item.stored == name]


def _columns_by_run(part: pd.DataFrame) -> dict[str, error_analysis.Columns]:
    """Images, labels and predictions of each run."""
    codes, image_names = pd.factorize(part["image"])  # each image becomes an object once
    images, label, predicted = (
        image_names.to_numpy(dtype=object)[codes],
        part["label"].to_numpy(),
        part["predicted"].to_numpy(),
    )
    groups = part.groupby("run_id", sort=False, observed=True).indices
    return {str(run): (images[at], label[at], predicted[at]) for run, at in groups.items()}


def _list_view(
    class_list: _ClassList,
    frame: pd.DataFrame,
    hard: Sequence[error_analysis.HardImage],
    moved: Sequence[error_analysis.MovedImage],
    pictures: Pictures,
) -> ClassListView:
    runs = frame["run_id"].nunique()
    images = [*(item.image for item in hard), *(item.image for item in moved)]
    return ClassListView(
        key=class_list.key,
        backbone=class_list.backbone,
        dataset=class_list.dataset,
        split=class_list.split,
        names=pictures.class_names(class_list.dataset, class_list.split.partition(" ")[0]),
        n_images=len(frame) // runs,
        n_runs=runs,
        images=tuple(hard),
        moved=tuple(moved),
        pictures=tuple(pictures.picture(class_list.dataset, image) for image in images),
    )


def _tops(frame: pd.DataFrame) -> dict[tuple[str, str, str], error_analysis.TopClasses]:
    """By run, split and image."""
    by_image = {}
    names = ("run_id", "split", "image", "top_labels", "top_logits", "log_sum_exp")
    for run, split, image, labels, logits, log_sum_exp in zip(*(frame[name].tolist() for name in names), strict=True):
        shares = error_analysis.probabilities(logits, log_sum_exp)
        by_image[run, split, image] = tuple(zip(labels.tolist(), shares, strict=True))
    return by_image
