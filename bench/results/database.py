"""The results database: run shards loaded into DuckDB, and queries that return frames.

The shards are the primary data; the database can be deleted and rebuilt from them at any time. While a process has a
DuckDB file open for writing, no other process can open it at all. Workers therefore never open it, and every method
here keeps the connection open as briefly as possible.
"""

import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import duckdb
import numpy as np
import pandas as pd

from bench._util.prefetch import prefetch
from bench.analysis import Outcomes
from bench.errors import ShardError, StoreError, StoreLockedError
from bench.results.database_file import DAMAGED, connect, open_database, transaction
from bench.results.database_tables import (
    PREDICTION_COLUMNS,
    REFUSED,
    SCORE_COLUMNS,
    check_own,
    check_tables,
    delete_runs,
    insert_difficulties,
    insert_runs,
    make_tables,
)
from bench.results.known_facts import with_changed_settings
from bench.results.shards import Shard, ShardEntry, Shards, no_runs
from bench.results.staleness import code_reasons
from bench.spec import COLUMNS, EXTERNAL, LATER_COLUMNS

FRAME_VECTORS = 2
"""DuckDB's vectors of 2,048 rows that become a frame at a time."""
CHUNK = 1000
"""Runs per transaction. This limits the memory, and the work that is lost if the process is killed."""
_LOG = logging.getLogger("bench.results")
_NO_TABLES: Mapping[str, pd.DataFrame] = MappingProxyType({})
_SHOWN = 5
"""Number of unreadable runs that are listed; further ones are counted."""
_READ_STATEMENTS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


@dataclass(frozen=True)
class IngestResult:
    """The changes of one `ingest`: loaded runs (new or replaced), dropped runs (without a shard), and the new total."""

    loaded: int
    dropped: int
    total: int


@dataclass(frozen=True)
class Store:
    """The results database of one runs folder, `results.duckdb`. Every method opens and closes the file.

    `lock_timeout` is the number of seconds it waits while another process has locked the file. `folder` is the folder
    of the file if it is not the runs folder.
    """

    runs: Path
    lock_timeout: float = 3.0
    folder: Path | None = None

    @property
    def path(self) -> Path:
        """The database file."""
        return (self.folder or self.runs) / "results.duckdb"

    # --- loading ------------------------------------------------------------------------------------------------------

    def ingest(self, shards: Shards) -> IngestResult:
        """Load new and changed shards and drop runs whose shard is gone. Unreadable shards are listed in a warning.

        Each chunk of runs is committed separately: if the process is killed, the next call loads the remaining runs.

        Raises StoreLockedError if another process has locked the database.
        """
        entries = shards.scan()
        difficulties = shards.difficulties.all()
        with self._writing() as connection:
            loaded = dict(connection.execute("SELECT run_id, shard_stamp FROM runs").fetchall())
            known = {entry.run_id for entry in entries}
            changed = [entry for entry in entries if loaded.get(entry.run_id) != entry.stamp]
            gone = [run_id for run_id in loaded if run_id not in known]
            with transaction(connection):
                delete_runs(connection, gone + [entry.run_id for entry in changed if entry.run_id in loaded])
            count = 0
            chunks = [changed[start : start + CHUNK] for start in range(0, len(changed), CHUNK)]
            unread: list[str] = []
            for found in prefetch(chunks, lambda chunk: _read(shards, chunk, unread), depth=1):
                count += _insert_loadable(connection, found)
            with transaction(connection):
                connection.execute("DELETE FROM difficulty")
                insert_difficulties(connection, difficulties)
            total = connection.table("runs").shape[0]
        for message in unread[:_SHOWN]:
            _LOG.warning("Left out: %s", message)
        if len(unread) > _SHOWN:
            _LOG.warning("Left out: %d more runs that cannot be read.", len(unread) - _SHOWN)
        return IngestResult(loaded=count, dropped=len(gone), total=total)

    def rebuild(self, shards: Shards) -> IngestResult:
        """Write a new database from the shards and replace the old one, which may be damaged.

        Raises StoreLockedError if another process has locked the old database, and StoreError if etl-bench did not
        make it.
        """
        if not self.path.is_file() and not (self.runs / "shards").is_dir():
            raise StoreError(f"There is no database to rebuild. {no_runs(self.runs)}")
        readable = not self.path.is_file() or self._is_readable()
        draft = _Draft(self.runs, self.lock_timeout)
        draft.remove()
        result = draft.ingest(shards)
        self.path.with_name(self.path.name + ".wal").unlink(missing_ok=True)
        if not readable:
            kept = self.path.replace(self.path.with_name(f"{self.path.name}.unreadable"))
            _LOG.warning("The old file is no readable database; it is kept as %s.", kept)
        draft.path.replace(self.path)
        draft.remove()
        return result

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
                    protocol, shots, seed, "precision", status, error_message, split, {SCORE_COLUMNS},
                    trainable_parameters, prepare_seconds, train_seconds, eval_seconds, steps, peak_memory_bytes,
                    image_passes, prompted_image_passes, text_passes, shared_prepare_seconds, shared_train_seconds,
                    shared_eval_seconds, shared_image_passes, shared_text_passes, final_loss, error_kind, created_at,
                    {", ".join(COLUMNS)}, selected_epoch, fits, candidate_evaluations,
                    tuning_seconds, added_memory_bytes, device, {", ".join(LATER_COLUMNS)},
                    support_digest, imported,
                    CASE WHEN starts_with(method, '{EXTERNAL}') THEN
                        provenance ->> '$.external.uses' END AS uses
                FROM runs LEFT JOIN scores USING (run_id)
                ORDER BY backbone, protocol, dataset, method, shots, seed, run_id, split"""
        )
        if outcomes:
            frame = self.with_outcomes(frame)
        if not installed:
            return frame
        made = self._frame(
            "SELECT run_id, method, provenance ->> '$.method_version', provenance ->> '$.method_digest' FROM runs"
        ).astype(object)
        stale = {
            run_id: ", ".join(code_reasons(method, int(version or 1), digest))
            for run_id, method, version, digest in made.where(made.notna(), None).itertuples(index=False, name=None)
        }
        return with_changed_settings(frame.assign(stale=frame["run_id"].map(stale)))

    def with_outcomes(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of `runs_frame` with the outcome of every test image: the columns `images`, `correct` and `groups`."""
        known = self.outcomes(frame["run_id"].tolist())
        rows = [known.get(place) for place in zip(frame["run_id"].tolist(), frame["split"].tolist(), strict=True)]
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
        found = self._frame(
            "SELECT run_id, split, images, correct, n, groups FROM scores WHERE run_id IN (SELECT unnest($ids)) "
            "AND images IS NOT NULL",
            {"ids": list(dict.fromkeys(run_ids)) or [""]},
        )
        groups = {}
        if found["groups"].notna().any():
            stored = self._frame("SELECT digest, numbers FROM image_groups")
            pairs = zip(stored["digest"].tolist(), stored["numbers"].tolist(), strict=True)
            groups = {digest: _apart(np.frombuffer(numbers, np.int32)) for digest, numbers in pairs}
        return {
            (run_id, split): Outcomes(images, n, np.frombuffer(bits, np.uint8), groups.get(digest))
            for run_id, split, images, bits, n, digest in zip(*(found[name].tolist() for name in found), strict=True)
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
            f"SELECT {PREDICTION_COLUMNS} FROM predictions WHERE run_id IN (SELECT unnest(?)) "
            "ORDER BY run_id, split, position",
            [ids],
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

    def query(self, sql: str, tables: Mapping[str, pd.DataFrame] = _NO_TABLES) -> pd.DataFrame:
        """The result of one read-only SQL statement, which has no access to anything outside the database.

        `tables` are frames that the statement may read by these names besides the tables of the database.
        Raises StoreError if there is not exactly one statement, it writes, or DuckDB rejects it.
        """
        with self._reading() as connection:
            for name, frame in tables.items():
                connection.register(name, frame)
            try:
                statements = connection.extract_statements(sql)
                if len(statements) != 1:
                    raise StoreError(f"{len(statements)} SQL statements were given; give exactly one.")
                if statements[0].type not in _READ_STATEMENTS:
                    raise StoreError(
                        f"{statements[0].type.name} is not a reading statement, and this command only reads; "
                        "use SELECT, WITH, DESCRIBE, SHOW or SUMMARIZE. Runs are changed by running them again."
                    )
                return connection.execute(statements[0]).df()
            except duckdb.Error as error:
                if DAMAGED.search(str(error)):
                    raise
                raise StoreError(f"DuckDB refuses the query: {' '.join(str(error).split())}") from error

    # --- internal -----------------------------------------------------------------------------------------------------

    def _frame(self, sql: str, values: list[object] | dict[str, object] | None = None) -> pd.DataFrame:
        with self._reading() as connection:
            return fetch_frame(connection.execute(sql, values))

    def _is_readable(self) -> bool:
        """Whether the file is a database; raises StoreError if it is locked or etl-bench did not make it."""
        try:
            connection = connect(self.path, self.lock_timeout, read_only=False)
        except StoreLockedError:
            raise
        except (StoreError, duckdb.Error):
            return False
        with connection:
            try:
                check_own(connection, self.path)
            except duckdb.Error:
                return False
        return True

    @contextmanager
    def _writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open_database(self.path, self.lock_timeout, read_only=False) as connection:
            make_tables(connection, self.path)
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.is_file():
            raise StoreError(
                f"There is no results database at {self.path}; run experiments into {self.runs} first, "
                "or build it from shards with `etl-bench runs rebuild`."
            )
        with open_database(self.path, self.lock_timeout, read_only=True) as connection:
            check_tables(connection, self.path)
            yield connection


def _apart(numbers: np.ndarray) -> np.ndarray:
    """Numbers of groups in which each image without a group (-1) has a number of its own."""
    alone = numbers < 0
    found = numbers.copy()
    found[alone] = numbers.max(initial=-1) + 1 + np.arange(alone.sum(), dtype=np.int32)
    return found


def fetch_frame(result: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The rows of a query as `result.df()` gives them, with less memory: texts being fetched are Python objects."""
    chunks = [result.fetch_df_chunk(FRAME_VECTORS)]
    while len(chunks[-1]):
        chunks.append(result.fetch_df_chunk(FRAME_VECTORS))
    parts = chunks[:-1] or chunks
    frame = pd.concat(parts, ignore_index=True)
    texts = [name for name in frame if any(isinstance(part[name].dtype, pd.StringDtype) for part in parts)]
    return frame.astype(dict.fromkeys(texts, "str"))  # a part without any text has another type


def _read(shards: Shards, entries: Sequence[ShardEntry], unread: list[str]) -> list[tuple[ShardEntry, Shard]]:
    """Read the shards of some entries, without damaged ones; adds messages about unreadable shards to `unread`."""
    found = []
    for entry in {entry.run_id: entry for entry in entries}.values():
        try:
            shard = shards.read(entry.run_id)
        except ShardError as error:
            unread.append(f"run {entry.run_id}. {error}")
            continue
        if shard is not None:
            found.append((entry, shard))
    return found


def _insert_loadable(connection: duckdb.DuckDBPyConnection, found: Sequence[tuple[ShardEntry, Shard]]) -> int:
    """Insert runs in one transaction and return their number.

    If the database rejects one of them, each is inserted separately; rejected runs are left out with a warning.
    """
    try:
        with transaction(connection):
            insert_runs(connection, found)
        return len(found)
    except REFUSED as error:
        if len(found) == 1:
            reason = " ".join(str(error).split())[:300]
            _LOG.warning("Left out: run %s, which the database refuses (%s).", found[0][0].run_id, reason)
            return 0
    return sum(_insert_loadable(connection, [one]) for one in found)


class _Draft(Store):
    """A database under construction, next to the old one."""

    @property
    def path(self) -> Path:
        return self.runs / ".results.rebuilding.duckdb"

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.with_name(self.path.name + ".wal").unlink(missing_ok=True)


def fresh_store(runs: Path) -> Store:
    """The database of a runs folder, after loading all new shards.

    A folder that cannot be written, does not exist or has no results is left unchanged: its database is in a temporary
    folder, which is deleted with the store.
    """
    if runs.is_dir() and any((runs / name).exists() for name in ("shards", "difficulty", "results.duckdb")):
        store = Store(runs)
        if _writable(runs, store.path):
            store.ingest(Shards(runs))
            return store
    return _temporary_store(runs)


def _writable(runs: Path, database: Path) -> bool:
    return os.access(runs, os.W_OK | os.X_OK) and (not database.exists() or os.access(database, os.W_OK))


def _temporary_store(runs: Path) -> Store:
    """A store whose file is in a temporary folder. It starts as a copy of the folder's database, if that is usable."""
    store = Store(runs, folder=Path(tempfile.mkdtemp(prefix="etl-bench-")))
    weakref.finalize(store, shutil.rmtree, store.path.parent, ignore_errors=True)
    existing = Store(runs).path
    if existing.is_file() and os.access(existing, os.R_OK):
        shutil.copyfile(existing, store.path)
    try:
        store.ingest(Shards(runs))
    except StoreError:
        store.path.unlink(missing_ok=True)
        store.ingest(Shards(runs))
    return store
