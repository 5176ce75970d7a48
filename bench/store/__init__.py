"""The results database: loads run shards into DuckDB. SQL is written only in this folder.

`fresh_store(folder)` loads all new shards of a runs folder and returns its `Store`, whose methods return frames.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> store = fresh_store(Path(tempfile.mkdtemp()))  # no runs yet, but the published numbers
    >>> len(store.runs_frame())
    0
    >>> store.query("SELECT printed FROM published WHERE method = 'zero_shot' AND dataset = 'average' LIMIT 1")
      printed
    0   69.34
"""

from bench.store.bundle_import import import_results, unloadable_runs
from bench.store.database import IngestResult, Store, fresh_store, write_parquet
from bench.store.schema_upgrade import migrations

__all__ = ["IngestResult", "Store", "fresh_store", "import_results", "migrations", "unloadable_runs", "write_parquet"]
