"""The results database: loads run shards into DuckDB and answers with frames; the only file that writes SQL.

The shards are the truth and the database is a view of them that can be thrown away. While a process has a DuckDB file
open for writing, no other process can open it at all, so workers never touch it, and every function here opens the
connection late and closes it early.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from bench.errors import QueryError, StoreError, StoreLockedError, StoreVersionError
from bench.published import PUBLISHED_COLUMNS, published_digest, published_frame
from bench.record import DifficultyRecord, Predictions, RunRecord
from bench.shards import Shard, ShardEntry, Shards

TOP = 5
_CHUNK = 500
_HOLDER = re.compile(r"held in (.+?) \(PID (\d+)\)")
_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_SEALED = {"enable_external_access": "false", "python_enable_replacements": "false"}

_SCORE_COLUMNS = "accuracy, macro_accuracy, macro_precision, nll, brier, ece, n, n_classes, selected_on_test"
_RUN_COLUMNS = """run_id, shard_stamp, method, config, recipe_name, recipe, backbone, dataset, task_fingerprint, draw,
    protocol, shots, seed, "precision", status, error_kind, error_message, final_loss, trainable_parameters,
    prepare_seconds, train_seconds, eval_seconds, steps, peak_memory_bytes, image_passes, prompted_image_passes,
    text_passes, provenance, created_at, targets, support, class_text"""
_PREDICTION_COLUMNS = """run_id, split, position, image, label, predicted, rank, true_logit, log_sum_exp, sum_p2,
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
)


@dataclass(frozen=True)
class Ingested:
    """What one `ingest` changed: runs loaded for the first time or again, and runs whose shard has gone."""

    loaded: int
    dropped: int
    total: int


@dataclass(frozen=True)
class Store:
    """The results database of one runs folder. Needs no closing: every method opens and closes the file.

    Args:
        runs: the runs folder; the database is `results.duckdb` in it.
        patience: seconds to wait for another process that holds the file.
    """

    runs: Path
    patience: float = 3.0

    @property
    def path(self) -> Path:
        """The database file."""
        return self.runs / "results.duckdb"

    # --- loading ------------------------------------------------------------------------------------------------------

    def ingest(self, shards: Shards) -> Ingested:
        """Make the database equal to what is on disk, in one transaction, opening only shards that are new.

        Raises:
            StoreLockedError: another process holds the database.
            StoreVersionError: a newer release wrote it.
        """
        entries = shards.scan()
        difficulties = shards.difficulties()
        with self._writing() as connection:
            loaded = dict(connection.execute("SELECT run_id, shard_stamp FROM runs").fetchall())
            known = {entry.run_id for entry in entries}
            fresh = [entry for entry in entries if loaded.get(entry.run_id) != entry.stamp]
            gone = [run_id for run_id in loaded if run_id not in known]
            connection.execute("BEGIN TRANSACTION")
            _forget(connection, gone + [entry.run_id for entry in fresh if entry.run_id in loaded])
            count = 0
            for start in range(0, len(fresh), _CHUNK):
                count += _load(connection, shards, fresh[start : start + _CHUNK])
            connection.execute("DELETE FROM difficulty")
            _insert_difficulties(connection, difficulties)
            _refresh_published(connection)
            connection.execute("COMMIT")
            total = _one(connection, "SELECT count(*) FROM runs")
        return Ingested(loaded=count, dropped=len(gone), total=total)

    def rebuild(self, shards: Shards) -> Ingested:
        """Write a new database from the shards alone and put it in the place of the old one, whatever that was.

        Raises:
            StoreLockedError: another process holds the old database.
        """
        if self.path.is_file():
            try:
                self._connect(read_only=False).close()
            except StoreLockedError:
                raise
            except StoreError:
                pass  # damaged, or no DuckDB file at all: about to be replaced
        self.runs.mkdir(parents=True, exist_ok=True)
        draft = _Draft(self.runs, self.patience)
        draft.remove()
        result = draft.ingest(shards)
        self.path.with_name(self.path.name + ".wal").unlink(missing_ok=True)
        draft.path.replace(self.path)
        draft.remove()
        return result

    # --- asking -------------------------------------------------------------------------------------------------------

    def runs_frame(self) -> pd.DataFrame:
        """One row per run and split, ordered by what was asked; a failed run is one row without a split.

        Whole numbers that can be absent (costs and counts of failed runs) have pandas' nullable Int64 type; times are
        UTC without a zone.
        """
        return self._frame(
            f"""SELECT runs.run_id, method, config, recipe_name, recipe, backbone, dataset, task_fingerprint, draw,
                    protocol, shots, seed, "precision", status, error_message, split, {_SCORE_COLUMNS},
                    trainable_parameters, prepare_seconds, train_seconds, eval_seconds, steps, peak_memory_bytes,
                    image_passes, prompted_image_passes, text_passes, final_loss, error_kind, provenance, created_at,
                    targets, support, class_text
                FROM runs LEFT JOIN scores ON runs.run_id = scores.run_id
                ORDER BY backbone, protocol, dataset, method, shots, seed, runs.run_id, split"""
        )

    def difficulty_frame(self) -> pd.DataFrame:
        """One row per backbone, dataset, split and measure."""
        return self._frame(
            "SELECT backbone, dataset, split, measure, value, n_classes, n_images, data_fingerprint, backbone_digest, "
            "created_at FROM difficulty ORDER BY backbone, dataset, split, measure"
        )

    def published_frame(self) -> pd.DataFrame:
        """One row per published number, with the columns of `bench.published.published_frame`."""
        columns = ", ".join(PUBLISHED_COLUMNS)
        return self._frame(f"SELECT {columns} FROM published ORDER BY {columns}").astype({"shots": "Int64"})

    def predictions_frame(self, run_ids: str | Sequence[str]) -> pd.DataFrame:
        """One row per image of those runs, in the order of the evaluation lists."""
        asked = [run_ids] if isinstance(run_ids, str) else list(run_ids)
        return self._frame(
            f"SELECT {_PREDICTION_COLUMNS} FROM predictions WHERE run_id IN (SELECT unnest(?)) "
            "ORDER BY run_id, split, position",
            [asked],
        )

    def outcomes_frame(self, run_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """What `bench.posthoc` and `bench.paired` need of every image, without the top-5 lists; all runs if None."""
        return self._frame(
            "SELECT run_id, split, position, image, label, predicted, true_logit, top_logits[1] AS top_logit, "
            "log_sum_exp, sum_p2 FROM predictions WHERE ? OR run_id IN (SELECT unnest(?)) "
            "ORDER BY run_id, split, position",
            [run_ids is None, list(run_ids or [""])],
        )

    def tops_frame(self, run_ids: Sequence[str], images: Sequence[str]) -> pd.DataFrame:
        """The best classes and their logits of some images: `run_id`, `split`, `image`, `log_sum_exp` and the lists."""
        return self._frame(
            "SELECT run_id, split, image, log_sum_exp, top_labels, top_logits FROM predictions "
            "WHERE run_id IN (SELECT unnest(?)) AND image IN (SELECT unnest(?)) ORDER BY run_id, split, position",
            [list(run_ids) or [""], list(images) or [""]],
        )

    def query(self, sql: str) -> pd.DataFrame:
        """The answer to one reading SQL statement; it can neither write nor see anything outside the database.

        Raises:
            QueryError: more or less than one statement, a statement that writes, or one that DuckDB refuses.
        """
        with self._reading() as connection:
            try:
                statements = connection.extract_statements(sql)
                if len(statements) != 1:
                    raise QueryError(f"{len(statements)} SQL statements were given; give exactly one.")
                if statements[0].type not in _READING:
                    raise QueryError(
                        f"{statements[0].type.name} is not a reading statement, and this command only reads; "
                        "use SELECT, WITH, DESCRIBE, SHOW or SUMMARIZE. Runs are changed by running them again."
                    )
                return connection.execute(statements[0]).df()
            except duckdb.Error as error:
                raise QueryError(f"DuckDB refuses the query: {' '.join(str(error).split())}") from error

    # --- inside -------------------------------------------------------------------------------------------------------

    def _frame(self, sql: str, values: list[object] | None = None) -> pd.DataFrame:
        with self._reading() as connection:
            return connection.execute(sql, values).df()

    @contextmanager
    def _writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.runs.mkdir(parents=True, exist_ok=True)
        connection = self._connect(read_only=False)
        try:
            _migrate(connection, self.path)
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.is_file():
            raise StoreError(
                f"There is no results database at {self.path}; run experiments into {self.runs} first, "
                "or build it from shards with `etl-bench results rebuild`."
            )
        connection = self._connect(read_only=True)
        try:
            version = _version(connection)
            _refuse_newer(version, self.path)
            if version < len(migrations()):
                raise StoreError(
                    f"{self.path} has schema {version}, and this etl-bench wants {len(migrations())}; "
                    "bring it up to date with `etl-bench results rebuild`."
                )
            yield connection
        finally:
            connection.close()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                config: dict[str, str | bool | int | float | list[str]] = dict(_SEALED) if read_only else {}
                return duckdb.connect(str(self.path), read_only=read_only, config=config)
            except duckdb.Error as error:
                holder = _HOLDER.search(str(error))
                if holder is None and "lock" not in str(error):
                    raise StoreError(
                        f"{self.path} cannot be opened: {' '.join(str(error).split())}. "
                        "The runs are safe in their shards; build it anew with `etl-bench results rebuild`."
                    ) from error
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                who = f"process {holder[2]} ({holder[1]})" if holder else "another process"
                raise StoreLockedError(
                    f"The results database {self.path} is held by {who}. Wait until it is done, or end it, and repeat "
                    "the command; finished runs are safe in their shards."
                ) from error


class _Draft(Store):
    """A database under construction, beside the one it will replace."""

    @property
    def path(self) -> Path:
        return self.runs / ".results.rebuilding.duckdb"

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.with_name(self.path.name + ".wal").unlink(missing_ok=True)


def fresh_store(runs: Path) -> Store:
    """The database of that runs folder with every committed shard loaded."""
    store = Store(runs)
    store.ingest(Shards(runs))
    return store


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as a parquet file."""
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.table("frame").write_parquet(str(path), compression="zstd")


def migrations() -> list[str]:
    """The SQL of the numbered migrations, in order; the number of a migration is its place, from 1."""
    files = [item for item in (resources.files("bench") / "schema").iterdir() if item.name.endswith(".sql")]
    return [item.read_text(encoding="utf-8") for item in sorted(files, key=lambda item: item.name)]


def _version(connection: duckdb.DuckDBPyConnection) -> int:
    tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    return _one(connection, "SELECT coalesce(max(version), 0) FROM schema_version") if "schema_version" in tables else 0


def _refuse_newer(version: int, path: Path) -> None:
    if version > len(migrations()):
        raise StoreVersionError(
            f"{path} has schema {version}, and this etl-bench knows schemas up to {len(migrations())}; upgrade "
            "etl-bench, or build the database anew from the shards with `etl-bench results rebuild`."
        )


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    version = _version(connection)
    _refuse_newer(version, path)
    if version == len(migrations()):
        return
    connection.execute("BEGIN TRANSACTION")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    for number, sql in enumerate(migrations(), start=1):
        if number > version:
            connection.execute(sql)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", [number, _utc(datetime.now(UTC))])
    connection.execute("COMMIT")


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def _forget(connection: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    if run_ids:
        connection.execute("DELETE FROM predictions WHERE run_id IN (SELECT unnest(?))", [run_ids])
        connection.execute("DELETE FROM scores WHERE run_id IN (SELECT unnest(?))", [run_ids])
        connection.execute("DELETE FROM runs WHERE run_id IN (SELECT unnest(?))", [run_ids])


def _load(connection: duckdb.DuckDBPyConnection, shards: Shards, entries: Sequence[ShardEntry]) -> int:
    found = [(entry, shard) for entry in entries if (shard := shards.read(entry.run_id)) is not None]
    if not found:
        return 0
    _insert(
        connection, "runs", _RUN_COLUMNS, pd.DataFrame([_run_row(shard.record, entry.stamp) for entry, shard in found])
    )
    scores = [
        {"run_id": shard.record.run_id} | score.model_dump(mode="json")
        for _, shard in found
        for score in shard.record.scores
    ]
    if scores:
        _insert(connection, "scores", f"run_id, split, {_SCORE_COLUMNS}", pd.DataFrame(scores))
    _insert_predictions(connection, [shard for _, shard in found])
    return len(found)


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
        "position": np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
        "image": [image for _, item in pieces for image in item.images],
    }
    for name in ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2"):
        columns[name] = np.concatenate([getattr(item, name) for _, item in pieces])
    columns["top_count"] = np.concatenate(
        [np.full(n, _width(item)) for n, (_, item) in zip(lengths, pieces, strict=True)]
    )
    for rank in range(TOP):
        columns[f"top_label_{rank}"] = np.concatenate([_column(item.top_labels, rank, 0) for _, item in pieces])
        columns[f"top_logit_{rank}"] = np.concatenate([_column(item.top_logits, rank, 0.0) for _, item in pieces])
    labels = ", ".join(f"top_label_{rank}" for rank in range(TOP))
    logits = ", ".join(f"top_logit_{rank}" for rank in range(TOP))
    connection.register("incoming", pd.DataFrame(columns))
    connection.execute(
        f"""INSERT INTO predictions ({_PREDICTION_COLUMNS})
            SELECT run_id, split, position, image, label, predicted, rank, true_logit, log_sum_exp, sum_p2,
                [{labels}][1:top_count], [{logits}][1:top_count]
            FROM incoming"""
    )
    connection.unregister("incoming")


def _width(item: Predictions) -> int:
    return min(TOP, int(item.top_labels.shape[1]))


def _column(values: np.ndarray, rank: int, filler: float) -> np.ndarray:
    if rank < values.shape[1]:
        return np.asarray(values[:, rank])
    return np.full(len(values), filler, dtype=values.dtype)


def _repeat(values: list[str], lengths: list[int]) -> pd.Categorical[str]:
    """A column that holds `values[i]` `lengths[i]` times, each distinct text stored once."""
    categories = sorted(set(values))
    place = {value: code for code, value in enumerate(categories)}
    codes = np.repeat(np.array([place[value] for value in values], dtype=np.int32), lengths)
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories))


def _insert_difficulties(connection: duckdb.DuckDBPyConnection, records: Sequence[DifficultyRecord]) -> None:
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
    if rows:
        _insert(connection, "difficulty", _DIFFICULTY_COLUMNS, pd.DataFrame(rows).astype({"value": "float64"}))


def _refresh_published(connection: duckdb.DuckDBPyConnection) -> None:
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
        "config": _canonical(spec.config),
        "recipe_name": None if spec.recipe is None else str(spec.recipe.get("name")),
        "recipe": None if spec.recipe is None else _canonical(spec.recipe),
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
        "provenance": _canonical(record.provenance.model_dump(mode="json")),
        "created_at": _utc(record.created_at),
        "targets": _canonical(list(spec.targets)) if spec.targets else None,
        "support": spec.support,
        "class_text": spec.class_text,
    }
    for name in _COST_FIELDS:
        row[name] = getattr(record.cost, name) if record.cost else None
    return row


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
