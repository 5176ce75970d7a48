"""Conversion of values from and to the database."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb


def query_int(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The integer in the first column of a query's first row."""
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces, so that equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def utc(moment: datetime) -> datetime:
    """The time in UTC without a time zone, like the timestamps of the database."""
    return moment.astimezone(UTC).replace(tzinfo=None)
