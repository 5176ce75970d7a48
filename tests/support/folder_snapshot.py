"""What a folder contains, to see whether a command has changed it. Imports nothing of the harness."""

from __future__ import annotations

import os
from pathlib import Path


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file but the database, which a reader may refresh; folders have none."""
    found = {}
    for place, folders, files in os.walk(folder):
        found |= {f"{place}/{name}": (0, 0) for name in folders}
        for name in files:
            if name != "results.duckdb":
                stat = Path(place, name).lstat()
                found[f"{place}/{name}"] = stat.st_size, stat.st_mtime_ns
    return found
