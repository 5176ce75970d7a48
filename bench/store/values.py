"""Values as the database holds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one whole number that a query gives."""
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def utc(moment: datetime) -> datetime:
    """A moment in UTC, without a zone, as the database's timestamps are."""
    return moment.astimezone(UTC).replace(tzinfo=None)
