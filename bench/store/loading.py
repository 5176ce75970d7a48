"""From shards to tables: frames of many runs at a time, since single rows are slow."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd

from bench.published import PUBLISHED_COLUMNS, published_digest, published_frame
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.results.shards import Shard, ShardEntry
from bench.store.values import canonical, utc

TOP = 5
"""Classes kept with their logits for each image."""
SCORE_COLUMNS = "accuracy, macro_accuracy, macro_precision, nll, brier, ece, n, n_classes, selected_on_test, optimism"
CURVE_COLUMNS = "run_id, split, epoch, epochs, steps, seconds, accuracy"
_RUN_COLUMNS = """run_id, shard_stamp, method, config, recipe_name, recipe, backbone, dataset, task_fingerprint, draw,
    protocol, shots, seed, "precision", status, error_kind, error_message, final_loss, trainable_parameters,
    prepare_seconds, train_seconds, eval_seconds, steps, peak_memory_bytes, image_passes, prompted_image_passes,
    text_passes, provenance, created_at, targets, support, class_text, epoch_selection, selected_epoch, fits,
    candidate_evaluations, tuning_seconds"""
PREDICTION_COLUMNS = """run_id, split, position, image, label, predicted, rank, true_logit, log_sum_exp, sum_p2,
    top_labels, top_logits"""
_DIFFICULTY_COLUMNS = """backbone, backbone_digest, dataset, data_fingerprint, split, n_classes, n_images, measure,
    value, created_at"""
_COST_FIELDS = (
    "trainable_parameters",
    "prepare_seconds",
    "train_seconds",
    "eval_seconds",
    "steps",
    "peak_memory_bytes",
    "image_passes",
    "prompted_image_passes",
    "text_passes",
    "fits",
    "candidate_evaluations",
    "tuning_seconds",
)


def forget(connection: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    """Delete runs with everything of them."""
    if run_ids:
        connection.execute("DELETE FROM predictions WHERE run_id IN (SELECT unnest(?))", [run_ids])
        connection.execute("DELETE FROM curves WHERE run_id IN (SELECT unnest(?))", [run_ids])
        connection.execute("DELETE FROM scores WHERE run_id IN (SELECT unnest(?))", [run_ids])
        connection.execute("DELETE FROM runs WHERE run_id IN (SELECT unnest(?))", [run_ids])


def insert_runs(connection: duckdb.DuckDBPyConnection, found: Sequence[tuple[ShardEntry, Shard]]) -> None:
    """Insert runs with their scores and predictions."""
    if not found:
        return
    _insert(
        connection, "runs", _RUN_COLUMNS, pd.DataFrame([_run_row(shard.record, entry.stamp) for entry, shard in found])
    )
    scores = [
        {"run_id": shard.record.run_id} | score.model_dump(mode="json")
        for _, shard in found
        for score in shard.record.scores
    ]
    if scores:
        _insert(connection, "scores", f"run_id, split, {SCORE_COLUMNS}", pd.DataFrame(scores))
    curves = [
        {"run_id": shard.record.run_id, "split": split, "accuracy": accuracy} | point.model_dump(exclude={"accuracy"})
        for _, shard in found
        for point in shard.record.curve
        for split, accuracy in point.accuracy.items()
    ]
    if curves:
        _insert(connection, "curves", CURVE_COLUMNS, pd.DataFrame(curves))
    _insert_predictions(connection, [shard for _, shard in found])


def _insert(connection: duckdb.DuckDBPyConnection, table: str, columns: str, frame: pd.DataFrame) -> None:
    connection.register("incoming", frame)
    connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming")
    connection.unregister("incoming")


def _insert_predictions(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard]) -> None:
    """All predictions of some runs in one statement: lists are put together inside DuckDB, column by column."""
    pieces = [(shard.record.run_id, item) for shard in shards for item in shard.predictions]
    if not pieces:
        return
    lengths = [len(item.images) for _, item in pieces]
    columns: dict[str, object] = {
        "run_id": _repeat([run_id for run_id, _ in pieces], lengths),
        "split": _repeat([item.split for _, item in pieces], lengths),
        "position": _positions(lengths),
        "image": _images([item.images for _, item in pieces]),
    }
    for name in ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2"):
        columns[name] = np.concatenate([getattr(item, name) for _, item in pieces])
    columns["top_count"] = np.concatenate(
        [np.full(n, _width(item)) for n, (_, item) in zip(lengths, pieces, strict=True)]
    )
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


def _positions(lengths: Sequence[int]) -> np.ndarray:
    """0, 1, ... n - 1 for each n, one after the other, without an array for each."""
    ends = np.cumsum(lengths)
    positions: np.ndarray = np.arange(ends[-1], dtype=np.int32)
    positions -= np.repeat((ends - lengths).astype(np.int32), lengths)
    return positions


def _width(item: Predictions) -> int:
    return min(TOP, int(item.top_labels.shape[1]))


def _first_columns(blocks: Sequence[np.ndarray], n: int) -> np.ndarray:
    """The first n columns of some blocks of rows, one below the other: `(n, rows)`, 0 where a block is narrower."""
    found = np.zeros((n, sum(len(block) for block in blocks)), dtype=blocks[0].dtype)
    begin = 0
    for block in blocks:
        end, width = begin + len(block), min(n, block.shape[1])
        found[:width, begin:end] = block[:, :width].T
        begin = end
    return found


def _images(lists: Sequence[tuple[str, ...]]) -> pd.Categorical[str]:
    """All names of some lists in order, each distinct one stored once: most runs have their list in common."""
    place: dict[str, int] = {}
    codes: dict[tuple[str, ...], np.ndarray] = {}
    for names in lists:
        if names not in codes:
            codes[names] = np.array([place.setdefault(name, len(place)) for name in names], dtype=np.int32)
    return pd.Categorical.from_codes(
        np.concatenate([codes[names] for names in lists]), categories=pd.Index(list(place))
    )


def _repeat(values: list[str], lengths: list[int]) -> pd.Categorical[str]:
    """A column that holds `values[i]` `lengths[i]` times, each distinct text stored once."""
    categories = sorted(set(values))
    place = {value: code for code, value in enumerate(categories)}
    codes = np.repeat(np.array([place[value] for value in values], dtype=np.int32), lengths)
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories))


def insert_difficulties(connection: duckdb.DuckDBPyConnection, records: Sequence[DifficultyRecord]) -> None:
    """Insert difficulties, a row a measure."""
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
            "created_at": utc(record.created_at),
        }
        for record in records
        for measure, value in record.measures.items()
    ]
    if rows:
        _insert(connection, "difficulty", _DIFFICULTY_COLUMNS, pd.DataFrame(rows).astype({"value": "float64"}))


def refresh_published(connection: duckdb.DuckDBPyConnection) -> None:
    """Replace the published numbers if this release ships others."""
    known = connection.execute("SELECT digest FROM published_digest").fetchall()
    if known != [(published_digest(),)]:
        connection.execute("DELETE FROM published")
        _insert(connection, "published", ", ".join(PUBLISHED_COLUMNS), published_frame())
        connection.execute("DELETE FROM published_digest")
        connection.execute("INSERT INTO published_digest VALUES (?)", [published_digest()])


def _run_row(record: RunRecord, stamp: str) -> dict[str, object]:
    spec = record.spec
    row: dict[str, object] = {
        "run_id": record.run_id,
        "shard_stamp": stamp,
        "method": spec.method,
        "config": canonical(spec.config),
        "recipe_name": None if spec.recipe is None else str(spec.recipe.get("name")),
        "recipe": None if spec.recipe is None else canonical(spec.recipe),
        "backbone": spec.backbone,
        "dataset": spec.dataset,
        "task_fingerprint": spec.task_fingerprint,
        "draw": str(spec.draw),
        "protocol": str(spec.protocol),
        "shots": spec.shots,
        "seed": spec.seed,
        "precision": spec.precision,
        "status": str(record.status),
        "error_kind": record.error.kind if record.error else None,
        "error_message": record.error.message if record.error else None,
        "final_loss": record.final_loss,
        "provenance": canonical(record.provenance.model_dump(mode="json")),
        "created_at": utc(record.created_at),
        "targets": canonical(list(spec.targets)) if spec.targets else None,
        "support": spec.support,
        "class_text": spec.class_text,
        "epoch_selection": spec.epoch_selection,
        "selected_epoch": record.selected_epoch,
    }
    for name in _COST_FIELDS:
        row[name] = getattr(record.cost, name) if record.cost else None
    return row
