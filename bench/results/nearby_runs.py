"""What to say of a folder without runs: where runs were found instead."""

from pathlib import Path

RACE = "race"
"""Folder inside a runs folder with the runs of `recommend`. They are scored on training images and have no board."""
_NAMED = 3
"""Number of folders that a message names."""


def no_runs(folder: Path) -> str:
    """A sentence that the folder holds no runs, with the folders inside or beside it that do."""
    nearby = [place for around in (folder, folder.parent) for place in runs_folders(around) if place != folder]
    if not nearby:
        return f"There are no runs in {folder}. Give another folder with --runs, or make runs with `etl-bench run`."
    named = " or ".join(f"--runs {place}" for place in nearby[:_NAMED])
    return f"There are no runs in {folder}, but nearby: give {named}."


def runs_folders(place: Path) -> list[Path]:
    """The folders with runs directly inside a folder, sorted by name, without races; none if it cannot be read."""
    try:
        inside = sorted(place.iterdir())
    except OSError:
        return []
    return [child for child in inside if child.name != RACE and any((child / "shards").glob("??/*.json"))]
