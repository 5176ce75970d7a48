"""The schema of the database: numbered migrations, applied in order."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb

from bench.errors import StoreError, StoreVersionError
from bench.store.values import one, utc


def migrations() -> list[str]:
    """The SQL of the numbered migrations, in order; the number of a migration is its place, from 1."""
    files = [item for item in (resources.files("bench.store") / "schema").iterdir() if item.name.endswith(".sql")]
    return [item.read_text(encoding="utf-8") for item in sorted(files, key=lambda item: item.name)]


def version(connection: duckdb.DuckDBPyConnection) -> int:
    """The schema of an open database, 0 for an empty one."""
    tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    return one(connection, "SELECT coalesce(max(version), 0) FROM schema_version") if "schema_version" in tables else 0


def refuse_newer(found: int, path: Path) -> None:
    """Raise StoreVersionError for a schema that this release does not know."""
    if found > len(migrations()):
        raise StoreVersionError(
            f"{path} has schema {found}, and this etl-bench knows schemas up to {len(migrations())}; upgrade "
            "etl-bench, or build the database anew from the shards with `etl-bench results rebuild`."
        )


def check_current(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise StoreError for a database that has another schema than this release wants."""
    found = version(connection)
    refuse_newer(found, path)
    if found < len(migrations()):
        raise StoreError(
            f"{path} has schema {found}, and this etl-bench wants {len(migrations())}; "
            "bring it up to date with `etl-bench results rebuild`."
        )


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring an open database to this release's schema, in one transaction."""
    found = version(connection)
    refuse_newer(found, path)
    if found == len(migrations()):
        return
    connection.execute("BEGIN TRANSACTION")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    for number, sql in enumerate(migrations(), start=1):
        if number > found:
            connection.execute(sql)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", [number, utc(datetime.now(UTC))])
    connection.execute("COMMIT")
