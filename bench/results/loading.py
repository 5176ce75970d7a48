"""Loads shards into tables, many runs at a time, since inserting single rows is slow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd

from bench.papers import published_digest, published_frame
from bench.record import TOP, Cost, DifficultyRecord, RunRecord
from bench.results.shards import Shard, ShardEntry
from datasets_registry import canonical_json

SCORE_COLUMNS = "accuracy, macro_accuracy, macro_precision, nll, brier, ece, n, n_classes, selected_on_test, optimism"
CURVE_COLUMNS = "run_id, split, epoch, epochs, steps, seconds, accuracy"
PREDICTION_COLUMNS = """run_id, split, position, image, label, predicted, rank, true_logit, log_sum_exp, sum_p2,
    top_labels, top_logits"""
REFUSED = (
    duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError, ValueError, OverflowError, TypeError,
)  # fmt: skip
"""Errors that loading a run with impossible values raises, in DuckDB, pandas and numpy; not errors of the disk."""
_SPEC_COLUMNS = {
    "method", "backbone", "dataset", "task_fingerprint", "draw", "protocol", "shots", "seed", "precision", "support",
    "class_text", "epoch_selection",
}  # fmt: skip


def delete_runs(connection: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    """Delete runs with their scores, curves and predictions."""
    if run_ids:
        for table in ("predictions", "curves", "scores", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT unnest(?))", [run_ids])


def insert_runs(connection: duckdb.DuckDBPyConnection, found: Sequence[tuple[ShardEntry, Shard]]) -> None:
    """Insert runs with scores, curves and predictions. Runs of a race are left out: they use no test images."""
    found = [(entry, shard) for entry, shard in found if shard.record.spec.fold is None]
    if not found:
        return
    _insert(connection, "runs", [_run_row(shard.record, entry.stamp) for entry, shard in found])
    scores = [
        {"run_id": shard.record.run_id} | score.model_dump(mode="json")
        for _, shard in found
        for score in shard.record.all_scores
    ]
    _insert(connection, "scores", scores)
    curves = [
        {"run_id": shard.record.run_id, "split": split, "accuracy": accuracy} | point.model_dump(exclude={"accuracy"})
        for _, shard in found
        for point in shard.record.curve
        for split, accuracy in point.accuracy.items()
    ]
    _insert(connection, "curves", curves)
    _insert_predictions(connection, [shard for _, shard in found])


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, object]] | pd.DataFrame
) -> None:
    if not len(rows):
        return
    connection.register("incoming", pd.DataFrame(rows))
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")


def _insert_predictions(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard]) -> None:
    """Insert all predictions of some runs in one statement. DuckDB assembles the lists from columns, which is fast."""
    pieces = [(shard.record.run_id, item) for shard in shards for item in shard.predictions]
    if not pieces:
        return
    lengths = [len(item.images) for _, item in pieces]
    columns: dict[str, object] = {
        "run_id": pd.Categorical([run_id for run_id, _ in pieces]).repeat(lengths),
        "split": pd.Categorical([item.split for _, item in pieces]).repeat(lengths),
        "position": np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
        "image": _images([item.images for _, item in pieces]),
    }
    for name in ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2"):
        columns[name] = np.concatenate([getattr(item, name) for _, item in pieces])
    columns["top_count"] = np.repeat([min(TOP, item.top_labels.shape[1]) for _, item in pieces], lengths)
    best_labels = _first_columns([item.top_labels for _, item in pieces], TOP)
    best_logits = _first_columns([item.top_logits for _, item in pieces], TOP)
    for rank in range(TOP):
        columns[f"top_label_{rank}"], columns[f"top_logit_{rank}"] = best_labels[rank], best_logits[rank]
    labels = ", ".join(f"top_label_{rank}" for rank in range(TOP))
    logits = ", ".join(f"top_logit_{rank}" for rank in range(TOP))
    connection.register("incoming", pd.DataFrame(columns))
    connection.execute(
        f"""INSERT INTO predictions ({PREDICTION_COLUMNS})
            SELECT run_id, split, position, image, label, predicted, rank, true_logit, log_sum_exp, sum_p2,
                [{labels}][1:top_count], [{logits}][1:top_count]
            FROM incoming"""
    )
    connection.unregister("incoming")


def _first_columns(blocks: Sequence[np.ndarray], n: int) -> np.ndarray:
    """The first n columns of stacked blocks, transposed to `(n, rows)`; missing columns of a block are 0."""
    found = np.zeros((n, sum(len(block) for block in blocks)), dtype=blocks[0].dtype)
    begin = 0
    for block in blocks:
        end, width = begin + len(block), min(n, block.shape[1])
        found[:width, begin:end] = block[:, :width].T
        begin = end
    return found


def _images(lists: Sequence[tuple[str, ...]]) -> pd.Categorical[str]:
    """The concatenated names of some lists as a categorical. Most runs share a list, so each list is encoded once."""
    code_of: dict[str, int] = {}
    codes: dict[tuple[str, ...], np.ndarray] = {}
    for names in lists:
        if names not in codes:
            codes[names] = np.array([code_of.setdefault(name, len(code_of)) for name in names], dtype=np.int32)
    return pd.Categorical.from_codes(
        np.concatenate([codes[names] for names in lists]), categories=pd.Index(list(code_of))
    )


def insert_difficulties(connection: duckdb.DuckDBPyConnection, records: Sequence[DifficultyRecord]) -> None:
    """Insert difficulty records, one row per measure."""
    rows = [
        {
            "backbone": record.backbone,
            "backbone_digest": record.backbone_digest,
            "dataset": record.dataset,
            "data_fingerprint": record.data_fingerprint,
            "split": record.split,
            "n_classes": record.n_classes,
            "n_images": record.n_images,
            "measure": measure,
            "value": value,
            "created_at": _utc(record.created_at),
        }
        for record in records
        for measure, value in record.measures.items()
    ]
    if rows:  # a column of None alone would be of type object
        _insert(connection, "difficulty", pd.DataFrame(rows).astype({"value": float}))


def refresh_published(connection: duckdb.DuckDBPyConnection) -> None:
    """Replace the published numbers if those of this release differ."""
    known = connection.execute("SELECT digest FROM published_digest").fetchall()
    if known != [(published_digest(),)]:
        connection.execute("DELETE FROM published")
        _insert(connection, "published", published_frame())
        connection.execute("DELETE FROM published_digest")
        connection.execute("INSERT INTO published_digest VALUES (?)", [published_digest()])


def _run_row(record: RunRecord, stamp: str) -> dict[str, object]:
    spec = record.spec
    row = spec.model_dump(mode="json", include=_SPEC_COLUMNS) | {
        "run_id": record.run_id,
        "shard_stamp": stamp,
        "config": canonical_json(spec.config),
        "recipe_name": None if spec.recipe is None else str(spec.recipe.get("name")),
        "recipe": None if spec.recipe is None else canonical_json(spec.recipe),
        "status": str(record.status),
        "error_kind": record.error.kind if record.error else None,
        "error_message": record.error.message if record.error else None,
        "final_loss": record.final_loss,
        "provenance": canonical_json(record.provenance.model_dump(mode="json")),
        "created_at": _utc(record.created_at),
        "targets": canonical_json(list(spec.targets)) if spec.targets else None,
        "selected_epoch": record.selected_epoch,
        "device": record.provenance.device_class,
        "held_out_shot": spec.held_out_shot or None,
        "openworld_auc": record.open.openworld_auc if record.open else None,
        "near_ood_auroc": record.open.near_ood_auroc if record.open else None,
    }
    row |= record.cost.model_dump() if record.cost else dict.fromkeys(Cost.model_fields)
    return row


def _utc(moment: datetime) -> datetime:
    """The time in UTC without a time zone, like the timestamps of the database."""
    return moment.astimezone(UTC).replace(tzinfo=None)
