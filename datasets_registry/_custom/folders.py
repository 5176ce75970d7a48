"""The folders that are searched for custom datasets: TOML files and imported features."""

import logging
import os
from pathlib import Path

from platformdirs import user_config_path

CUSTOM_FOLDERS_VARIABLE = "ETL_BENCH_DATASETS"
PROJECT_FOLDER = "etl-bench-datasets"


def custom_folders() -> list[Path]:
    """The folders that are searched for custom datasets, in order of precedence.

    If ETL_BENCH_DATASETS is set, only its folder is searched; otherwise `./etl-bench-datasets`, then the user's folder.
    They are read when the catalogue is imported. Worker processes inherit the variable and the working folder, so they
    see the same datasets.
    """
    named = os.environ.get(CUSTOM_FOLDERS_VARIABLE)
    return [Path(named).expanduser()] if named else [Path(PROJECT_FOLDER), user_custom_folder()]


def user_custom_folder() -> Path:
    """The user's folder of custom datasets for all projects, `~/.config/clip-etl-bench/datasets` on Linux."""
    return user_config_path("clip-etl-bench", appauthor=False) / "datasets"


def custom_files(pattern: str) -> list[Path]:
    """Files in the custom folders that match a glob pattern, in order of precedence."""
    found: list[Path] = []
    for folder in custom_folders():
        try:
            found += sorted(folder.glob(pattern)) if folder.is_dir() else []
        except OSError as error:
            logging.getLogger("etl-bench").warning(
                "The folder %s of custom datasets cannot be read (%s). Check its permissions.", folder, error
            )
    return found
