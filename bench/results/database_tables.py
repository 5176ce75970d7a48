"""The tables of the results database: creates them, and loads shards into them.

Many runs are loaded at a time, since inserting single rows is slow. `schema.sql` describes the tables. The digest of
its text is the version of a database; a database of another version is emptied and loaded again from the shards.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from bench.errors import StoreError
from bench.record import TOP, Cost, DifficultyRecord, RunRecord
from bench.results.checksummed_json import sha256
from bench.results.shards import Shard, ShardEntry
from bench.spec import COLUMNS, LATER_COLUMNS
from datasets_registry import canonical_json

_LOG = logging.getLogger("bench.results")
SCORE_COLUMNS = "accuracy, macro_accuracy, macro_precision, nll, brier, ece, n, n_classes, selected_on_test, optimism"
PREDICTION_COLUMNS = """run_id, split, position, image, label, predicted, rank, true_logit, log_sum_exp, sum_p2,
    top_labels, top_logits"""
REFUSED = (
    duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError, ValueError, OverflowError, TypeError,
)  # fmt: skip
"""Errors that loading a run with impossible values raises, in DuckDB, pandas and numpy; not errors of the disk."""
_SPEC_COLUMNS = (
    "method", "backbone", "dataset", "task_fingerprint", "draw", "protocol", "shots", "seed", "precision", *COLUMNS,
)  # fmt: skip


@cache
def _schema() -> tuple[str, str]:
    """The SQL that creates the tables, and its version."""
    sql = (resources.files("bench.results") / "schema.sql").read_text(encoding="utf-8")
    return sql, hashlib.sha256(sql.encode()).hexdigest()[:16]


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """The comment on each table of an open database; that on `runs` is the version of the schema."""
    return dict(connection.execute("SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal").fetchall())


def check_tables(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise StoreError unless the database has the tables of `schema.sql`."""
    if _tables(connection).get("runs") != _schema()[1]:
        raise StoreError(
            f"Another version of etl-bench made {path}. The runs are safe in their shards. Rebuild the database with "
            "`etl-bench runs rebuild`."
        )


def check_own(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise StoreError for a database with tables of which none has a mark of etl-bench, the comment on `runs`."""
    found = _tables(connection)
    if found and found.get("runs") is None:
        raise StoreError(
            f"etl-bench did not make the database {path}, which has the table {min(found)!r}. It is kept; move it "
            "away, or give another folder of runs."
        )


def make_tables(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the tables of `schema.sql`. Tables of another version are deleted with their rows, with a warning.

    Raises StoreError for a database that etl-bench did not make.
    """
    (sql, version), found = _schema(), _tables(connection)
    if found.get("runs") == version:
        return
    check_own(connection, path)
    if found:
        _LOG.warning("Another version of etl-bench made %s; it is rebuilt from the shards of the runs.", path)
    connection.execute("BEGIN TRANSACTION")
    for name in found:
        connection.execute(f'DROP TABLE "{name}"')
    connection.execute(sql)
    connection.execute(f"COMMENT ON TABLE runs IS '{version}'")
    connection.execute("COMMIT")


def delete_runs(connection: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    """Delete runs with their scores and predictions."""
    if run_ids:
        for table in ("predictions", "scores", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT unnest(?))", [run_ids])
        used = "SELECT groups FROM scores WHERE groups IS NOT NULL"
        connection.execute(f"DELETE FROM image_groups WHERE digest NOT IN ({used})")


def insert_runs(connection: duckdb.DuckDBPyConnection, found: Sequence[tuple[ShardEntry, Shard]]) -> None:
    """Insert runs with scores and predictions. Runs of a race are left out: they use no test images."""
    found = [(entry, shard) for entry, shard in found if shard.record.spec.fold is None]
    if not found:
        return
    rows = [_run_row(shard.record, entry.stamp) | {"imported": shard.imported} for entry, shard in found]
    _insert(connection, "runs", rows)
    outcomes, groups = _outcomes([shard for _, shard in found])
    unknown = dict.fromkeys(("images", "correct", "groups"))
    scores = [
        {"run_id": shard.record.run_id} | vars(score) | outcomes.get((shard.record.run_id, score.split), unknown)
        for _, shard in found
        for score in shard.record.all_scores
    ]
    _insert(connection, "scores", scores)
    known = {digest for (digest,) in connection.execute("SELECT digest FROM image_groups").fetchall()}
    _insert(
        connection,
        "image_groups",
        [{"digest": digest, "numbers": numbers} for digest, numbers in groups.items() if digest not in known],
    )
    _insert_predictions(connection, [shard for _, shard in found])


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, object]] | pd.DataFrame
) -> None:
    if not len(rows):
        return
    connection.register("incoming", pd.DataFrame(rows))
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")


def _outcomes(shards: Sequence[Shard]) -> tuple[dict[tuple[str, str], dict[str, object]], dict[str, bytes]]:
    """The columns `images`, `correct` and `groups` of the scores of some runs, by run id and split.

    Also the numbers of the groups of each digest.
    """
    orders: dict[tuple[str, ...], np.ndarray] = {}
    digests: dict[tuple[tuple[str, ...], bytes], str] = {}  # most runs share their images
    found: dict[tuple[str, str], dict[str, object]] = {}
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
            numbers = None if item.group is None else item.group[order].tobytes()
            found[shard.record.run_id, item.split] = {
                "images": digests[key],
                "correct": np.packbits(right).tobytes(),
                "groups": None if numbers is None else _digest(numbers),
            }
            if numbers is not None:
                groups[_digest(numbers)] = numbers
    return found, groups


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


@contextmanager
def scratch_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory, in which `refusal` tries to load runs."""
    with duckdb.connect() as scratch:
        make_tables(scratch, Path("scratch"))
        yield scratch


def refusal(scratch: duckdb.DuckDBPyConnection, shards: Sequence[Shard]) -> str | None:
    """Why runs do not load into a database together; None if they do. The database is left unchanged."""
    scratch.execute("BEGIN TRANSACTION")
    try:
        insert_runs(scratch, [(ShardEntry(shard.record.run_id, ""), shard) for shard in shards])
    except REFUSED as error:
        return f"it does not load into a database ({' '.join(str(error).split())[:300]})"
    finally:
        scratch.execute("ROLLBACK")
    return None


def _run_row(record: RunRecord, stamp: str) -> dict[str, object]:
    spec = record.spec
    row = {name: getattr(spec, name) for name in _SPEC_COLUMNS} | {
        "run_id": record.run_id,
        "shard_stamp": stamp,
        "config": canonical_json(spec.config),
        "recipe_name": None if spec.recipe is None else str(spec.recipe.get("name")),
        "recipe": None if spec.recipe is None else canonical_json(spec.recipe),
        "status": str(record.status),
        "error_kind": record.error.kind if record.error else None,
        "error_message": record.error.message if record.error else None,
        "final_loss": record.final_loss,
        "provenance": record.provenance.model_dump_json(exclude={"support_digests"}),
        "support_digest": _support_digest(record) if spec.targets else None,
        "created_at": _utc(record.created_at),
        "targets": canonical_json(list(spec.targets)) if spec.targets else None,
        "selected_epoch": record.selected_epoch,
        "device": record.provenance.device_class,
        **{name: getattr(spec, name) or None for name in LATER_COLUMNS},
    }
    return row | dict.fromkeys(Cost.model_fields) | (vars(record.cost) if record.cost else {})


def _support_digest(record: RunRecord) -> str | None:
    found = record.provenance.support_digests
    return sha256(canonical_json(found).encode()) if found else None


def _utc(moment: datetime) -> datetime:
    """The time in UTC without a time zone, like the timestamps of the database."""
    return moment.astimezone(UTC).replace(tzinfo=None)
