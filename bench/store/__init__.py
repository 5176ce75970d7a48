"""The results database, and the only rooms that write SQL: questions, loading, migrations."""

from __future__ import annotations

from bench.store.database import Ingested, Store, fresh_store, write_parquet
from bench.store.schema_upgrade import migrations

__all__ = ["Ingested", "Store", "fresh_store", "migrations", "write_parquet"]
