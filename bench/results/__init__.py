"""Results on disk: run shards, the database that is rebuilt from them, bundles, verification, and provenance.

Shards are the source of all results. SQL is written only here. `fresh_store(folder)` loads all new shards of a runs
folder and returns its `Store`, whose methods return frames.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> store = fresh_store(Path(tempfile.mkdtemp()))  # no runs yet
    >>> len(store.runs_frame())
    0
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
