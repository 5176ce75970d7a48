"""Opens the file of a results database, which another process may hold, and says what to do with one that fails."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import duckdb

from bench.errors import StoreError, StoreLockedError

_HOLDER = re.compile(r"held in (.+?) \(PID (\d+)\)")
_LOCKED = re.compile(r"Could not set lock on file|Conflicting lock is held|used by another process")
"""DuckDB's messages about a file that another process has locked, on Linux, macOS and Windows."""
DAMAGED = re.compile(r"Corrupt database|^(IO|INTERNAL|FATAL) Error")
"""DuckDB's errors that concern the file and not the query."""
_READ_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}


@contextmanager
def open_database(path: Path, lock_timeout: float, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection inside the block; see `connect`. Errors of DuckDB inside it concern the file and are StoreErrors."""
    connection = connect(path, lock_timeout, read_only=read_only)
    try:
        with connection:
            yield connection
    except duckdb.Error as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise StoreError(f"{path} cannot be used: {said[0]} {_advice(error)}") from error


def connect(path: Path, lock_timeout: float, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection to the file, which is made unless `read_only`.

    Raises StoreLockedError if another process holds it for more than `lock_timeout` seconds, and StoreError if it
    cannot be opened.
    """
    deadline = time.monotonic() + lock_timeout
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=_READ_CONFIG if read_only else {})
        except duckdb.Error as error:
            holder = _HOLDER.search(str(error))
            if holder is None and not _LOCKED.search(str(error)):
                said = " ".join(str(error).split()).rstrip(".!")
                raise StoreError(f"{path} cannot be opened: {said}. {_advice(error)}") from error
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            who = f"process {holder[2]} ({holder[1]})" if holder else "another process"
            raise StoreLockedError(
                f"The results database {path} is held by {who}. Wait until it is done, or end it, and repeat "
                "the command; finished runs are safe in their shards."
            ) from error


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All changes inside, or none of them."""
    connection.execute("BEGIN TRANSACTION")
    with ExitStack() as unless_done:
        unless_done.callback(_roll_back, connection)
        yield
        unless_done.pop_all()
    connection.execute("COMMIT")


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # the error that is being raised is more informative
        connection.execute("ROLLBACK")


def _advice(error: duckdb.Error) -> str:
    """What to do when the database cannot be read or written."""
    full = "Make room on the disk, then rebuild" if "No space left" in str(error) else "Rebuild"
    return f"The runs are safe in their shards. {full} the database with `etl-bench runs rebuild`."
