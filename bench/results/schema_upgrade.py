"""Schema of the database: numbered migrations, applied in order."""

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb

from bench.errors import StoreError, StoreVersionError


def migrations() -> list[str]:
    """SQL of the migrations in order; they are numbered from 1."""
    files = [item for item in (resources.files("bench.results") / "schema").iterdir() if item.name.endswith(".sql")]
    return [item.read_text(encoding="utf-8") for item in sorted(files, key=lambda item: item.name)]


def version(connection: duckdb.DuckDBPyConnection) -> int:
    """Schema version of an open database, 0 for an empty one."""
    if query_int(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_version'") == 0:
        return 0
    return query_int(connection, "SELECT coalesce(max(version), 0) FROM schema_version")


def _readable_version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The schema version of the database; raises StoreVersionError if a newer release wrote it."""
    found = version(connection)
    if found > len(migrations()):
        raise StoreVersionError(
            f"{path} has schema {found}, and this etl-bench knows schemas up to {len(migrations())}; upgrade "
            "etl-bench, or rebuild the database from the shards with `etl-bench runs rebuild`."
        )
    return found


def check_current(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise StoreError unless the database has the schema of this release."""
    found = _readable_version(connection, path)
    if found < len(migrations()):
        raise StoreError(
            f"{path} has schema {found}, and this etl-bench needs {len(migrations())}; "
            "update it with `etl-bench runs rebuild`."
        )


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Migrate an open database to the schema of this release, in one transaction."""
    found = _readable_version(connection, path)
    if found == len(migrations()):
        return
    connection.execute("BEGIN TRANSACTION")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    for number, sql in enumerate(migrations(), start=1):
        if number > found:
            connection.execute(sql)
            connection.execute(
                "INSERT INTO schema_version VALUES (?, ?)", [number, datetime.now(UTC).replace(tzinfo=None)]
            )
    connection.execute("COMMIT")


def query_int(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The integer in the first column of a query's first row."""
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
