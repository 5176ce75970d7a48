"""What is loaded from shards and difficulty records: the rows of the tables of `schema.sql`.

Many runs are inserted at a time, since inserting single rows is slow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd

from bench.record import TOP, Cost, DifficultyRecord
from bench.results.files import sha256
from bench.results.shards import Shard
from bench.spec import COLUMNS, LATER_COLUMNS
from datasets_registry import canonical_json

_SPEC_COLUMNS = (
    "method", "backbone", "dataset", "task_fingerprint", "draw", "protocol", "shots", "seed", "precision", *COLUMNS,
)  # fmt: skip


def insert_runs(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard], stamps: Mapping[str, str]) -> None:
    """Insert runs with scores and predictions. Runs of a race are left out: they use no test images.

    `stamps` has the stamp of each shard by run id.
    """
    shards = [shard for shard in shards if shard.record.spec.fold is None]
    if not shards:
        return
    _insert(connection, "runs", [_run_row(shard, stamps[shard.record.run_id]) for shard in shards])
    outcomes, groups = _outcomes(shards)
    unknown = dict.fromkeys(("images", "correct", "groups"))
    scores = [
        {"run_id": shard.record.run_id} | vars(score) | outcomes.get((shard.record.run_id, score.split), unknown)
        for shard in shards
        for score in shard.record.all_scores
    ]
    _insert(connection, "scores", scores)
    stored = {digest for (digest,) in connection.execute("SELECT digest FROM image_groups").fetchall()}
    new: list[dict[str, object]] = [
        {"digest": digest, "numbers": numbers} for digest, numbers in groups.items() if digest not in stored
    ]
    _insert(connection, "image_groups", new)
    _insert_predictions(connection, shards)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, object]] | pd.DataFrame
) -> None:
    if not len(rows):
        return
    connection.register("incoming", pd.DataFrame(rows))
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")


def _run_row(shard: Shard, stamp: str) -> dict[str, object]:
    record, spec = shard.record, shard.record.spec
    support = record.provenance.support_digests
    row = {name: getattr(spec, name) for name in _SPEC_COLUMNS} | {
        "run_id": record.run_id,
        "shard_stamp": stamp,
        "imported": shard.imported,
        "config": canonical_json(spec.config),
        "recipe_name": None if spec.recipe is None else str(spec.recipe.get("name")),
        "recipe": None if spec.recipe is None else canonical_json(spec.recipe),
        "status": str(record.status),
        "error_kind": record.error.kind if record.error else None,
        "error_message": record.error.message if record.error else None,
        "final_loss": record.final_loss,
        "provenance": record.provenance.model_dump_json(exclude={"support_digests"}),
        "support_digest": sha256(canonical_json(support).encode()) if spec.targets and support else None,
        "created_at": _utc(record.created_at),
        "targets": canonical_json(list(spec.targets)) if spec.targets else None,
        "selected_epoch": record.selected_epoch,
        "device": record.provenance.device_class,
        **{name: getattr(spec, name) or None for name in LATER_COLUMNS},
    }
    return row | dict.fromkeys(Cost.model_fields) | (vars(record.cost) if record.cost else {})


def _utc(moment: datetime) -> datetime:
    """The time in UTC without a time zone, like the timestamps of the database."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _outcomes(shards: Sequence[Shard]) -> tuple[dict[tuple[str, str], dict[str, object]], dict[str, bytes]]:
    """The columns `images`, `correct` and `groups` of the scores of some runs, by run id and split.

    Also the numbers of the groups of each digest.
    """
    orders: dict[tuple[str, ...], np.ndarray] = {}
    digests: dict[tuple[tuple[str, ...], bytes], str] = {}  # most runs share their images
    columns: dict[tuple[str, str], dict[str, object]] = {}
    groups: dict[str, bytes] = {}
    for shard in shards:
        for item in shard.predictions:
            if item.images not in orders:
                orders[item.images] = np.array(sorted(range(len(item.images)), key=item.images.__getitem__), dtype=int)
            order = orders[item.images]
            key = item.images, item.label.tobytes()
            if key not in digests:
                lines = [f"{item.images[place]} {item.label[place]}" for place in order]
                digests[key] = _digest("\n".join(lines).encode())
            right = (item.label == item.predicted)[order]
            row: dict[str, object] = {"images": digests[key], "correct": np.packbits(right).tobytes(), "groups": None}
            if item.group is not None:
                numbers = item.group[order].tobytes()
                row["groups"] = digest = _digest(numbers)
                groups[digest] = numbers
            columns[shard.record.run_id, item.split] = row
    return columns, groups


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


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
    for rank in range(TOP):
        columns[f"top_label_{rank}"] = _column([item.top_labels for _, item in pieces], rank)
        columns[f"top_logit_{rank}"] = _column([item.top_logits for _, item in pieces], rank)
    labels = ", ".join(f"top_label_{rank}" for rank in range(TOP))
    logits = ", ".join(f"top_logit_{rank}" for rank in range(TOP))
    connection.register("incoming", pd.DataFrame(columns))
    connection.execute(
        f"""INSERT INTO predictions
            SELECT run_id, split, position, image, label, predicted, rank, true_logit, log_sum_exp, sum_p2,
                [{labels}][1:top_count], [{logits}][1:top_count]
            FROM incoming"""
    )
    connection.unregister("incoming")


def _column(blocks: Sequence[np.ndarray], number: int) -> np.ndarray:
    """One column of stacked blocks; 0 where a block does not have it."""
    missing = np.zeros(max(map(len, blocks)), dtype=blocks[0].dtype)
    return np.concatenate([block[:, number] if number < block.shape[1] else missing[: len(block)] for block in blocks])


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
