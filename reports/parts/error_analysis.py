"""The error analysis as JSON for the page's script, with lists instead of named fields to save space."""

from collections.abc import Mapping
from typing import Any

from bench.analysis import error_analysis
from bench.papers import Catalogue
from reports.views import BoardView, ErrorAnalysisView


def list_rows(errors: ErrorAnalysisView, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Class lists with the errors that most runs make, in order."""
    return [
        {
            "key": item.key,
            "title": catalogue.dataset(item.dataset).title,
            "dataset": item.dataset,
            "split": item.split,
            "backbone": item.backbone,
            "names": item.names,
            "n": item.n_images,
            "images": [{"id": image.image, "label": image.label} for image in item.images],
            "moved": [{"label": image.label, "before": image.before} for image in item.moved],
        }
        for item in errors.lists
    ]


def cell_rows(board: BoardView, errors: ErrorAnalysisView) -> dict[str, Any]:
    """One board: names of its entries, and the errors of each on every class list."""
    names = {entry.key: board.entry_name(entry.key) for entry in board.board.entries}
    cells, changed = errors.cells.get(board.anchor, {}), errors.changes.get(board.anchor, {})
    rows = [
        _cell(entry, key, cell, errors.seeds) | _changes(changed.get((entry, key)))
        for (entry, key), cell in cells.items()
    ]
    return {"entries": names, "cells": rows}


def _cell(entry: str, list_key: str, cell: error_analysis.EntryErrors, seeds: Mapping[str, int]) -> dict[str, Any]:
    classes = list(zip(cell.labels, cell.sizes, cell.taken_for, strict=True))
    about = {"entry": entry, "list": list_key, "classes": classes, "of": cell.n_classes}
    return about | {"pairs": _pairs(cell.pairs), "runs": [_run(run, seeds[run.run_id]) for run in cell.runs]}


def _changes(changes: error_analysis.Changes | None) -> dict[str, Any]:
    if changes is None:
        return {}
    gains = [[gain.label, gain.n, gain.before, gain.after] for gain in changes.gains]
    return {"changes": {"fixed": changes.fixed, "broken": changes.broken, "gains": gains, "guesses": changes.guesses}}


def _run(run: error_analysis.RunErrors, seed: int) -> dict[str, Any]:
    tops = [_permilles(top) for top in run.tops]
    scored = {"id": run.run_id, "seed": seed, "right": run.right, "classes": run.right_by_class}
    return scored | {"pairs": _pairs(run.pairs), "tops": tops}


def _permilles(top: error_analysis.TopClasses) -> list[int]:
    """Classes alternating with their probabilities in permille: the first, and the others with at least 1."""
    shares = [(label, round(1000 * share)) for label, share in top]
    return [part for rank, (label, share) in enumerate(shares) if rank == 0 or share for part in (label, share)]


def _pairs(pairs: tuple[error_analysis.Confusion, ...]) -> list[list[int]]:
    return [[pair.label, pair.predicted, pair.count, pair.n] for pair in pairs]
