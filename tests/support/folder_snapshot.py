"""What a folder contains, to see whether a command has changed it. Imports nothing of the harness."""

from __future__ import annotations

import hashlib
from pathlib import Path


def snapshot(folder: Path) -> dict[str, str]:
    """Everything in the folder by path, with the digest of each file but the database, which a reader may refresh."""

    def content(path: Path) -> str:
        if not path.is_file() or path.name == "results.duckdb":
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*"))}
