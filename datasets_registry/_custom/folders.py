"""The folders where a person's own datasets are looked for: TOML files and imported features."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

CUSTOM_FOLDERS_VARIABLE = "ETL_BENCH_DATASETS"
PROJECT_FOLDER = "etl-bench-datasets"


def custom_folders(environment: Mapping[str, str]) -> list[Path]:
    """Where TOML files of own datasets are looked for.

    The folder that ETL_BENCH_DATASETS names, alone; otherwise `./etl-bench-datasets`, then the user's own folder.
    Read when the catalogue is imported, so that worker processes, which inherit both, see the same datasets.
    """
    named = environment.get(CUSTOM_FOLDERS_VARIABLE)
    if named:
        return [Path(named).expanduser()]
    return [Path(PROJECT_FOLDER), custom_folder(environment)]


def custom_folder(environment: Mapping[str, str]) -> Path:
    """The user's own folder of TOML files, which counts in whatever folder a command is given."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "clip-etl-bench" / "datasets"
