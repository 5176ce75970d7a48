"""Scores of stored predictions: those of a new record, and the check that the scores of a record follow from them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from bench.analysis import metrics
from bench.record import SCORES_VERSION, Predictions, RunRecord, RunStatus, Score
from bench.results.predictions import impossible_columns
from bench.spec import OPEN_BASE, OPEN_NEW
from datasets_registry import EvalProtocol

METRICS = ("accuracy", "macro_accuracy", "macro_precision", "nll", "brier", "ece")
"""The metrics of a `Score`."""
OF_LOGITS = ("nll", "brier", "ece")
"""Those that version 1 computed from full logits."""
TOLERANCE = 1e-9
"""Largest difference of two sums of the same numbers in another order, times the value if it is above 1."""


def split_scores(item: Predictions, n_classes: int) -> dict[str, float]:
    """The metrics of one split from its stored columns; a class that is never predicted has precision 0.

    They depend on nothing that is not stored, so whoever has the predictions gets the same values. Memory is taken for
    the classes that occur, whatever `n_classes` a record states.
    """
    columns = {name: getattr(item, name) for name in ("label", "predicted", "true_logit", "log_sum_exp", "sum_p2")}
    scores = metrics.run_metrics(columns | {"top_logit": item.top_logits[:, 0]})
    classes, place, predicted = np.unique(item.predicted, return_inverse=True, return_counts=True)
    hits = np.bincount(place[item.predicted == item.label], minlength=len(classes))
    scores["macro_precision"] = float((hits / predicted).sum() / n_classes)
    return {name: scores[name] for name in METRICS}


def with_current_scores(record: RunRecord, predictions: Sequence[Predictions]) -> RunRecord:
    """The record with its scores by today's definitions; unchanged if it has them or its predictions are impossible."""
    if record.scores_version >= SCORES_VERSION or record.status is RunStatus.FAILED:
        return record
    by_split = {item.split: item for item in predictions}

    def current(score: Score) -> Score:
        item = by_split.get(score.split)
        if item is None or impossible_columns(item, score.n_classes):
            return score
        recomputed = split_scores(item, score.n_classes)
        return score.model_copy(update={name: recomputed[name] for name in OF_LOGITS})

    opened = record.open and record.open.model_copy(
        update={"base": current(record.open.base), "new": current(record.open.new)}
    )
    scores = [current(score) for score in record.scores]
    return record.model_copy(update={"scores": scores, "open": opened, "scores_version": SCORES_VERSION})


def contradiction(record: RunRecord, predictions: Sequence[Predictions]) -> str:
    """The first reason why a record does not follow from its predictions, in one sentence; empty if it does."""
    if record.spec.run_id != record.run_id:
        return f"the record has the id {record.run_id}, and its spec has the id {record.spec.run_id}"
    if record.status is RunStatus.FAILED:
        return "a failed run has scores or predictions" if record.scores or predictions else ""
    expected = ["all", *record.spec.targets]
    if record.spec.protocol is EvalProtocol.BASE_TO_NEW:
        expected = ["base", "new", *((OPEN_BASE, OPEN_NEW) if record.open else ())]
    by_split = {item.split: item for item in predictions}
    scored, predicted = [score.split for score in record.all_scores], [item.split for item in predictions]
    for what, splits in (("scores", scored), ("predictions", predicted)):
        if sorted(splits) != sorted(expected):
            return f"{what} are of {', '.join(splits) or 'no split'}, and the spec requires {', '.join(expected)}"
    for score in record.all_scores:
        if problem := _split_contradiction(score, by_split[score.split]):
            return f"{score.split}: {problem}"
    return _open_contradiction(record, by_split)


def _split_contradiction(score: Score, item: Predictions) -> str:
    """Why the columns of a split are impossible, or the first stated number that does not follow from them."""
    if score.n != len(item.images):
        return f"n is {score.n}, but there are predictions of {len(item.images)} images"
    if problem := impossible_columns(item, score.n_classes):
        return problem
    for name, value in split_scores(item, score.n_classes).items():
        claimed = float(getattr(score, name))
        if not math.isclose(claimed, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            return f"{name} is stated as {claimed:.6f}, but the predictions give {value:.6f}"
    return ""


def _open_contradiction(record: RunRecord, by_split: Mapping[str, Predictions]) -> str:
    """Why predictions among all names cannot be of the images that are also predicted among base or new names."""
    if record.open is None:
        return ""
    n_base = next(score.n_classes for score in record.scores if score.split == "base")
    for name, name_among_all, first in (("base", OPEN_BASE, 0), ("new", OPEN_NEW, n_base)):
        plain, opened = by_split[name], by_split[name_among_all]
        groups = [None if item.group is None else item.group.tolist() for item in (opened, plain)]
        same_labels = np.array_equal(opened.label, plain.label + first)
        if opened.images != plain.images or not same_labels or groups[0] != groups[1]:
            return f"{opened.split}: its images, labels or groups are not those of {plain.split}"
    return ""
