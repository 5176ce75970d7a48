"""Leaderboards as documents of Every Eval Ever's schema, version 0.3.0: one for each entry of a board.

The schema is that of the package `every-eval-ever` (MIT). Scores are proportions. Their uncertainty is
over seeds and test images.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import bench
from bench.analysis import HARMONIC, OPEN, Covers, Entry, Estimate, H, Leaderboard
from bench.boards.exchange.entry_files import named_entries, provenance_sentences
from bench.results import slug

_SCHEMA_VERSION = "0.3.0"
LIBRARY = "clip-etl-bench"
_MEASURES = {
    "all": "accuracy over all classes",
    "base": "accuracy over the base classes",
    "new": "accuracy over the new classes",
    H: "harmonic mean of base and new accuracy",
    OPEN: "harmonic mean of base and new accuracy, each among all names",
}


def eee_documents(boards: Sequence[Leaderboard], *, organization: str, made: datetime) -> dict[str, dict[str, Any]]:
    """A document for each entry with scores, by file name.

    Args:
        organization: that provides the results.
        made: when the documents are written.
    """
    return {
        f"{name}.json": _document(board, entry, list(_results(board, entry)), name, organization, made)
        for name, board, entry in named_entries(boards)
    }


def _document(
    board: Leaderboard, entry: Entry, results: list[dict[str, Any]], name: str, organization: str, made: datetime
) -> dict[str, Any]:
    stamp = f"{made.timestamp():.0f}"
    setting = board.setting
    return {
        "schema_version": _SCHEMA_VERSION,
        "evaluation_id": f"{LIBRARY}/{name}/{stamp}",
        "retrieved_timestamp": stamp,
        "source_metadata": {
            "source_name": LIBRARY,
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": LIBRARY, "version": bench.__version__},
        "model_info": {
            "name": f"{entry.key} on {setting.backbone}",
            "id": f"{LIBRARY}/{slug(entry.key)}.{setting.backbone}",
            "additional_details": _texts(
                {
                    "deployment_type": "self_deployed",
                    "model_availability": "unknown",
                    "method": entry.method,
                    "backbone": setting.backbone,
                    "config": entry.config,
                    "recipe": entry.recipe,
                    "selected_on_test": entry.oracle,
                    "scored_cells": f"{entry.n} of {entry.expected}",
                    "provenance": " ".join(provenance_sentences(entry)),
                }
            ),
        },
        "evaluation_results": results,
    }


def _results(board: Leaderboard, entry: Entry) -> Iterator[dict[str, Any]]:
    for dataset, cell in sorted(entry.cells.items()):
        for measure in board.measures:
            if (estimate := cell.scores.get(measure)) is not None:
                yield _result(board, dataset, measure, estimate, cell.run_ids)
    for measure in board.measures:
        if (estimate := entry.average(measure, board.convention)) is not None:
            convention = {"convention": str(board.convention)} if measure in HARMONIC else {}
            yield _result(board, "average", measure, estimate, (), convention)


def _result(
    board: Leaderboard,
    dataset: str,
    measure: str,
    estimate: Estimate,
    run_ids: Sequence[str],
    details: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    setting = board.setting
    return {
        "evaluation_result_id": f"{dataset}/{measure}",
        "evaluation_name": f"{dataset}, {setting.protocol}, {setting.shots_text}, {measure}",
        "source_data": {
            "dataset_name": dataset,
            "source_type": "other",
            "additional_details": _texts(setting.facts()),
        },
        "metric_config": {
            "evaluation_description": _MEASURES[measure],
            "metric_id": "harmonic_mean_accuracy" if measure in HARMONIC else "accuracy",
            "metric_name": measure if measure in HARMONIC else "Accuracy",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
            "additional_details": {"split": measure, **(details or {})},
        },
        "score_details": {
            "score": estimate.mean,
            "details": _texts({"run_ids": list(run_ids), "seeds": estimate.n}),
            "uncertainty": _uncertainty(estimate),
        },
    }


def _uncertainty(estimate: Estimate) -> dict[str, Any]:
    """The number of test images (of seeds, if it is unknown), and the interval with what it covers."""
    found: dict[str, Any] = {"num_samples": estimate.n if estimate.images is None else estimate.images}
    if estimate.low is not None and estimate.high is not None:
        formula = "Student t" if estimate.covers is Covers.SEEDS else "Wilson, effective number of images"
        found["confidence_interval"] = {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": 0.95,
            "method": f"{formula}, over {estimate.covers}",
        }
    return found


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as text, as the schema requires of details."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
