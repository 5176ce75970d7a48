"""The results database: a DuckDB file with the runs of a folder, loaded from their shards, and queries on it.

The shards are the primary data; the file can be deleted and is then built again from them.

- `Store.ingest` loads what is new. A run has the stamp of its shard, so a replaced shard is noticed without opening it.
- `Store.rebuild` writes a new file in place of the old one, which may be damaged.
- `schema.sql` describes the tables, and the digest of its text is the version of a file. Tables of another version are
  deleted and loaded again.
- A run that cannot be read, or that the database refuses, is left out with a warning, and the others are loaded.

While a process has a DuckDB file open for writing, no other process can open it at all. Workers therefore never open
it, and every method here keeps the connection open as briefly as possible.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import time
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from bench._util.prefetch import prefetch
from bench.analysis import Outcomes
from bench.errors import ShardError, StoreError, StoreLockedError
from bench.results.files import sha256
from bench.results.known_facts import with_changed_settings
from bench.results.shards import Shard, Shards, no_runs
from bench.results.staleness import code_reasons
from bench.results.table_rows import insert_difficulties, insert_runs
from bench.spec import COLUMNS, EXTERNAL, LATER_COLUMNS

CHUNK = 1000
"""Runs per transaction. This limits the memory, and the work that is lost if the process is killed."""
_LISTED = 5
"""Number of unreadable runs that are listed; further ones are counted."""
_FRAME_VECTORS = 2
"""DuckDB's vectors of 2,048 rows that become a frame at a time."""
_REFUSED = (
    duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError, ValueError, OverflowError, TypeError,
)  # fmt: skip
"""Errors that loading a run with impossible values raises, in DuckDB, pandas and numpy; not errors of the disk."""
_DAMAGED = re.compile(r"Corrupt database|^(IO|INTERNAL|FATAL) Error")
"""DuckDB's errors that concern the file and not the query."""
_HOLDER = re.compile(r"held in (.+?) \(PID (\d+)\)")
_LOCKED = re.compile(r"Could not set lock on file|Conflicting lock is held|used by another process")
"""DuckDB's messages about a file that another process has locked, on Linux, macOS and Windows."""
_READ_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}
_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_LOG = logging.getLogger("bench.results")


@dataclass(frozen=True)
class Store:
    """The results database of one runs folder. Every method opens and closes the file.

    `lock_timeout` is the number of seconds it waits while another process has locked the file. `file` is the file if it
    is not `results.duckdb` in the runs folder.
    """

    runs: Path
    lock_timeout: float = 3.0
    file: Path | None = None

    @property
    def path(self) -> Path:
        """The database file."""
        return self.file or self.runs / "results.duckdb"

    # --- loading ------------------------------------------------------------------------------------------------------

    def ingest(self) -> int:
        """Load new and changed shards and drop runs whose shard is gone; returns the number of loaded runs.

        Unreadable shards are listed in a warning. Each chunk of runs is committed separately: if the process is killed,
        the next call loads the remaining runs.

        Raises StoreLockedError if another process has locked the database.
        """
        shards = Shards(self.runs)
        stamps = shards.scan()
        difficulties = shards.difficulties.all()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        loaded, unreadable = 0, list[str]()
        with self._opened(read_only=False) as connection:
            _make_tables(connection, self.path)
            stored = dict(connection.execute("SELECT run_id, shard_stamp FROM runs").fetchall())
            changed = [run_id for run_id, stamp in stamps.items() if stored.get(run_id) != stamp]
            outdated = stored.keys() & set(changed) | stored.keys() - stamps.keys()
            with _transaction(connection):
                _delete_runs(connection, sorted(outdated))
            chunks = [changed[start : start + CHUNK] for start in range(0, len(changed), CHUNK)]
            for read_shards in prefetch(chunks, lambda chunk: _read(shards, chunk, unreadable), depth=1):
                loaded += _insert_loadable(connection, read_shards, stamps)
            with _transaction(connection):
                connection.execute("DELETE FROM difficulty")
                insert_difficulties(connection, difficulties)
        for message in unreadable[:_LISTED]:
            _LOG.warning("Left out: %s", message)
        if len(unreadable) > _LISTED:
            _LOG.warning("Left out: %d more runs that cannot be read.", len(unreadable) - _LISTED)
        return loaded

    def rebuild(self) -> int:
        """Write a new database from the shards in place of the old one, which may be damaged; returns its runs.

        Raises StoreLockedError if another process has locked the old database, and StoreError if etl-bench did not
        make it.
        """
        if not self.path.is_file() and not (self.runs / "shards").is_dir():
            raise StoreError(f"There is no database to rebuild. {no_runs(self.runs)}")
        readable = not self.path.is_file() or self._is_readable()
        draft = replace(self, file=self.path.with_name(".results.rebuilding.duckdb"))
        for leftover in (draft.path, _log_of(draft.path)):  # of a process that was killed
            leftover.unlink(missing_ok=True)
        loaded = draft.ingest()
        _log_of(self.path).unlink(missing_ok=True)
        if not readable:
            set_aside = self.path.replace(self.path.with_name(f"{self.path.name}.unreadable"))
            _LOG.warning("The old file is no readable database; it is kept as %s.", set_aside)
        draft.path.replace(self.path)
        _log_of(draft.path).unlink(missing_ok=True)
        return loaded

    def _is_readable(self) -> bool:
        """Whether the file is a database; raises StoreError if it is locked or etl-bench did not make it."""
        try:
            with self._opened(read_only=False) as connection:
                tables = _tables(connection)
        except StoreLockedError:
            raise
        except StoreError:
            return False
        _check_own(tables, self.path)
        return True

    @contextmanager
    def _opened(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside the block. The file is made unless `read_only`.

        Errors of DuckDB inside the block concern the file, and are raised as StoreError.
        """
        connection = self._connect(read_only=read_only)
        try:
            with connection:
                yield connection
        except duckdb.Error as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise StoreError(f"{self.path} cannot be used: {lines[0]} {_advice(error)}") from error

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """Open the file, and wait while another process holds it; raises StoreLockedError or StoreError."""
        deadline = time.monotonic() + self.lock_timeout
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=_READ_CONFIG if read_only else {})
            except duckdb.Error as error:
                holder = _HOLDER.search(str(error))
                if holder is None and not _LOCKED.search(str(error)):
                    reason = " ".join(str(error).split()).rstrip(".!")
                    raise StoreError(f"{self.path} cannot be opened: {reason}. {_advice(error)}") from error
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                who = f"process {holder[2]} ({holder[1]})" if holder else "another process"
                raise StoreLockedError(
                    f"The results database {self.path} is held by {who}. Wait until it is done, or end it, and repeat "
                    "the command; finished runs are safe in their shards."
                ) from error

    # --- queries ------------------------------------------------------------------------------------------------------

    def runs_frame(self, *, outcomes: bool = False, installed: bool = False) -> pd.DataFrame:
        """One row per run and split, ordered by spec. A failed run is one row without a split.

        Runs with an open score also have the splits `open-base` and `open-new`, base and new images among all names.

        With `outcomes`, `correct` is an array `(n,)`: whether each test image is classified correctly, ordered by
        image; `images` is a digest of the images and their labels. Both are None for runs without predictions. `groups`
        is an array `(n,)` of int32 in the same order: images with the same number share a group, such as a patient,
        and an image without a group has a number of its own. It is None if no image has a group, and for runs that are
        older than groups. Runs with the same groups share one array.

        With `installed`, `stale` is the change of the installed method's code since the run, and `changed_settings` has
        the names of settings that are not the published ones; empty if there are none.

        `support_digest` is the digest of the support images' contents, for runs with targets. Provenance, which is
        rarely needed, is in `provenance_frame`. `uses` is what code of others states that it sees besides the
        labelled images, a list as JSON; None if it states nothing. `imported` is True if the run was imported and not
        verified since.

        Whole numbers that may be missing (costs and counts of failed runs) have pandas' nullable type Int64. Times are
        UTC without a time zone.
        """
        frame = self._frame(
            f"""SELECT run_id, method, config, recipe_name, recipe, backbone, dataset, task_fingerprint, draw,
                    protocol, shots, seed, "precision", status, error_message, split, accuracy, macro_accuracy,
                    macro_precision, nll, brier, ece, n, n_classes, selected_on_test, optimism,
                    trainable_parameters, prepare_seconds, train_seconds, eval_seconds, steps, peak_memory_bytes,
                    image_passes, prompted_image_passes, text_passes, shared_prepare_seconds, shared_train_seconds,
                    shared_eval_seconds, shared_image_passes, shared_text_passes, final_loss, error_kind, created_at,
                    {", ".join(COLUMNS)}, selected_epoch, fits, candidate_evaluations,
                    tuning_seconds, added_memory_bytes, device, {", ".join(LATER_COLUMNS)}, support_digest, imported,
                    CASE WHEN starts_with(method, '{EXTERNAL}') THEN provenance ->> '$.external.uses' END AS uses,
                    provenance ->> '$.method_version' AS version, provenance ->> '$.method_digest' AS digest
                FROM runs LEFT JOIN scores USING (run_id)
                ORDER BY backbone, protocol, dataset, method, shots, seed, run_id, split"""
        )
        code = frame[["method", "version", "digest"]].astype(object)
        frame = frame.drop(columns=["version", "digest"])
        if outcomes:
            frame = self.with_outcomes(frame)
        if not installed:
            return frame
        used = list(code.where(code.notna(), None).itertuples(index=False, name=None))
        reasons = {
            (method, version, digest): ", ".join(code_reasons(method, int(version or 1), digest))
            for method, version, digest in set(used)
        }
        stale = pd.Series([reasons[row] for row in used], index=frame.index, dtype="str")
        return with_changed_settings(frame.assign(stale=stale))

    def with_outcomes(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of `runs_frame` with the outcome of every test image: the columns `images`, `correct` and `groups`."""
        outcomes = self.outcomes(frame["run_id"].tolist())
        rows = [outcomes.get(place) for place in zip(frame["run_id"].tolist(), frame["split"].tolist(), strict=True)]
        columns = {
            "images": [None if row is None else row.images for row in rows],
            "correct": [None if row is None else row.right for row in rows],
            "groups": [None if row is None else row.groups for row in rows],
        }
        return frame.assign(
            **{name: pd.Series(values, index=frame.index, dtype=object) for name, values in columns.items()}
        )

    def outcomes(self, run_ids: Collection[str]) -> dict[tuple[str, str], Outcomes]:
        """What runs answer on their test images, by run and split; without splits that have no predictions."""
        rows = self._frame(
            "SELECT run_id, split, images, correct, n, groups FROM scores WHERE run_id IN (SELECT unnest($ids)) "
            "AND images IS NOT NULL",
            {"ids": list(dict.fromkeys(run_ids)) or [""]},
        )
        groups = {}
        if rows["groups"].notna().any():
            stored = self._frame("SELECT digest, numbers FROM image_groups")
            pairs = zip(stored["digest"].tolist(), stored["numbers"].tolist(), strict=True)
            groups = {digest: _apart(np.frombuffer(numbers, np.int32)) for digest, numbers in pairs}
        return {
            (run_id, split): Outcomes(images, n, np.frombuffer(bits, np.uint8), groups.get(digest))
            for run_id, split, images, bits, n, digest in zip(*(rows[name].tolist() for name in rows), strict=True)
        }

    def provenance_frame(self) -> pd.DataFrame:
        """One row per run: `run_id` and its provenance as JSON, without the digests of the support images."""
        return self._frame("SELECT run_id, provenance FROM runs ORDER BY run_id")

    def difficulty_frame(self) -> pd.DataFrame:
        """One row per backbone, dataset, split and measure."""
        return self._frame(
            "SELECT backbone, dataset, split, measure, value, n_classes, n_images, data_fingerprint, backbone_digest, "
            "created_at FROM difficulty ORDER BY backbone, dataset, split, measure"
        )

    def predictions_frame(self, run_ids: str | Sequence[str]) -> pd.DataFrame:
        """One row per image of those runs, in the order of the test lists."""
        ids = [run_ids] if isinstance(run_ids, str) else list(run_ids)
        return self._frame(
            "SELECT * FROM predictions WHERE run_id IN (SELECT unnest(?)) ORDER BY run_id, split, position", [ids]
        )

    def outcomes_frame(self, run_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """One row per run, split and image with the columns that `bench.analysis` uses; all runs if None."""
        return self._frame(
            "SELECT run_id, split, position, image, label, predicted, true_logit, top_logits[1] AS top_logit, "
            "log_sum_exp, sum_p2 FROM predictions WHERE ? OR run_id IN (SELECT unnest(?)) "
            "ORDER BY run_id, split, position",
            [run_ids is None, list(run_ids or [""])],
        )

    def top_classes_frame(self, run_ids: Sequence[str], images: Sequence[str]) -> pd.DataFrame:
        """The top classes of some images and their logits: `run_id`, `split`, `image`, `log_sum_exp` and two lists."""
        return self._frame(
            "SELECT run_id, split, image, log_sum_exp, top_labels, top_logits FROM predictions "
            "WHERE run_id IN (SELECT unnest(?)) AND image IN (SELECT unnest(?)) ORDER BY run_id, split, position",
            [list(run_ids) or [""], list(images) or [""]],
        )

    def query(self, sql: str, tables: Mapping[str, pd.DataFrame] | None = None) -> pd.DataFrame:
        """The result of one read-only SQL statement, which has no access to anything outside the database.

        `tables` are frames that the statement may read by these names besides the tables of the database.
        Raises StoreError if there is not exactly one statement, it writes, or DuckDB rejects it.
        """
        with self._reading() as connection:
            for name, frame in (tables or {}).items():
                connection.register(name, frame)
            try:
                statements = connection.extract_statements(sql)
                if len(statements) != 1:
                    raise StoreError(f"{len(statements)} SQL statements were given; give exactly one.")
                if statements[0].type not in _READING:
                    raise StoreError(
                        f"{statements[0].type.name} is not a reading statement, and this command only reads; "
                        "use SELECT, WITH, DESCRIBE, SHOW or SUMMARIZE. Runs are changed by running them again."
                    )
                return connection.execute(statements[0]).df()
            except duckdb.Error as error:
                if _DAMAGED.search(str(error)):
                    raise
                raise StoreError(f"DuckDB refuses the query: {' '.join(str(error).split())}") from error

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside the block, to a database with the tables of `schema.sql`."""
        if not self.path.is_file():
            raise StoreError(
                f"There is no results database at {self.path}; run experiments into {self.runs} first, "
                "or build it from shards with `etl-bench runs rebuild`."
            )
        with self._opened(read_only=True) as connection:
            if _tables(connection).get("runs") != _schema()[1]:
                raise StoreError(
                    f"Another version of etl-bench made {self.path}. The runs are safe in their shards. Rebuild the "
                    "database with `etl-bench runs rebuild`."
                )
            yield connection

    def _frame(self, sql: str, values: list[object] | dict[str, object] | None = None) -> pd.DataFrame:
        with self._reading() as connection:
            return fetch_frame(connection.execute(sql, values))


def fetch_frame(result: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The rows of a query as `result.df()` gives them, with less memory: texts being fetched are Python objects."""
    chunks = [result.fetch_df_chunk(_FRAME_VECTORS)]
    while len(chunks[-1]):
        chunks.append(result.fetch_df_chunk(_FRAME_VECTORS))
    parts = chunks[:-1] or chunks
    frame = pd.concat(parts, ignore_index=True)
    texts = [name for name in frame if any(isinstance(part[name].dtype, pd.StringDtype) for part in parts)]
    return frame.astype(dict.fromkeys(texts, "str"))  # a part without any text has another type


def _apart(numbers: np.ndarray) -> np.ndarray:
    """Numbers of groups in which each image without a group (-1) has a number of its own."""
    alone = numbers < 0
    renumbered = numbers.copy()
    renumbered[alone] = numbers.max(initial=-1) + 1 + np.arange(alone.sum(), dtype=np.int32)
    return renumbered


def fresh_store(runs: Path) -> Store:
    """The database of a runs folder, after loading all new shards.

    A folder that cannot be written, does not exist or has no results is left unchanged: its database is in a temporary
    folder, which is deleted with the store. It starts as a copy of the folder's database, if that is usable.
    """
    store = Store(runs)
    writable = os.access(runs, os.W_OK | os.X_OK) and (not store.path.exists() or os.access(store.path, os.W_OK))
    if runs.is_dir() and writable and any((runs / name).exists() for name in ("shards", "difficulty", store.path.name)):
        store.ingest()
        return store
    temporary = Store(runs, file=Path(tempfile.mkdtemp(prefix="etl-bench-")) / store.path.name)
    weakref.finalize(temporary, shutil.rmtree, temporary.path.parent, ignore_errors=True)
    if store.path.is_file() and os.access(store.path, os.R_OK):
        shutil.copyfile(store.path, temporary.path)
    try:
        temporary.ingest()
    except StoreError:
        temporary.path.unlink(missing_ok=True)
        temporary.ingest()
    return temporary


def _log_of(path: Path) -> Path:
    """DuckDB's file beside a database with what is not yet in it."""
    return path.with_name(f"{path.name}.wal")


def _advice(error: duckdb.Error) -> str:
    """What to do when the database cannot be read or written."""
    full = "Make room on the disk, then rebuild" if "No space left" in str(error) else "Rebuild"
    return f"The runs are safe in their shards. {full} the database with `etl-bench runs rebuild`."


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All changes inside, or none of them."""
    connection.begin()
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # the error that is being raised is more informative
            connection.rollback()
        raise
    connection.commit()


# --- tables -----------------------------------------------------------------------------------------------------------


@cache
def _schema() -> tuple[str, str]:
    """The SQL that creates the tables, and its version."""
    sql = (resources.files("bench.results") / "schema.sql").read_text(encoding="utf-8")
    return sql, sha256(sql.encode())[:16]


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """The comment on each table of an open database; that on `runs` is the version of the schema."""
    return dict(connection.execute("SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal").fetchall())


def _check_own(tables: Mapping[str, str | None], path: Path) -> None:
    """Raise StoreError for a database with tables of which none has a mark of etl-bench, the comment on `runs`."""
    if tables and tables.get("runs") is None:
        raise StoreError(
            f"etl-bench did not make the database {path}, which has the table {min(tables)!r}. It is kept; move it "
            "away, or give another folder of runs."
        )


def _make_tables(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the tables of `schema.sql`. Tables of another version are deleted with their rows, with a warning.

    Raises StoreError for a database that etl-bench did not make.
    """
    (sql, version), tables = _schema(), _tables(connection)
    if tables.get("runs") == version:
        return
    _check_own(tables, path)
    if tables:
        _LOG.warning("Another version of etl-bench made %s; it is rebuilt from the shards of the runs.", path)
    with _transaction(connection):
        for name in tables:
            connection.execute(f'DROP TABLE "{name}"')
        connection.execute(sql)
        connection.execute(f"COMMENT ON TABLE runs IS '{version}'")


def _read(shards: Shards, run_ids: Sequence[str], unreadable: list[str]) -> list[Shard]:
    """The shards of some runs, without damaged ones; adds messages about unreadable shards to `unreadable`."""
    readable = []
    for run_id in run_ids:
        try:
            shard = shards.read(run_id)
        except ShardError as error:
            unreadable.append(f"run {run_id}. {error}")
            continue
        if shard is not None:
            readable.append(shard)
    return readable


def _insert_loadable(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard], stamps: Mapping[str, str]) -> int:
    """Insert runs in one transaction and return their number.

    If the database rejects one of them, each is inserted separately; rejected runs are left out with a warning.
    """
    try:
        with _transaction(connection):
            insert_runs(connection, shards, stamps)
        return len(shards)
    except _REFUSED as error:
        if len(shards) == 1:
            run_id, reason = shards[0].record.run_id, " ".join(str(error).split())[:300]
            _LOG.warning("Left out: run %s, which the database refuses (%s).", run_id, reason)
            return 0
    return sum(_insert_loadable(connection, [shard], stamps) for shard in shards)


def _delete_runs(connection: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    """Delete runs with their scores and predictions."""
    if run_ids:
        for table in ("predictions", "scores", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT unnest(?))", [run_ids])
        used = "SELECT groups FROM scores WHERE groups IS NOT NULL"
        connection.execute(f"DELETE FROM image_groups WHERE digest NOT IN ({used})")


@contextmanager
def scratch_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory, in which `refusal` tries to load runs."""
    with duckdb.connect() as scratch:
        _make_tables(scratch, Path("scratch"))
        yield scratch


def refusal(scratch: duckdb.DuckDBPyConnection, shard: Shard) -> str | None:
    """Why a run does not load into a database; None if it does. The database is left unchanged."""
    scratch.begin()
    try:
        insert_runs(scratch, [shard], {shard.record.run_id: ""})
    except _REFUSED as error:
        return f"it does not load into a database ({' '.join(str(error).split())[:300]})"
    finally:
        scratch.rollback()
    return None
