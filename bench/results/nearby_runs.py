"""The message about a folder without runs, with nearby folders that have runs."""

from pathlib import Path

RACE = "race"
"""Folder with the runs of `recommend` in a runs folder. They are evaluated on training images and have no board."""
_NAMED = 3
"""Largest number of folders that a message lists."""


def no_runs(folder: Path) -> str:
    """A message that the folder has no runs, with the folders inside or beside it that have some."""
    nearby = [place for around in (folder, folder.parent) for place in runs_folders(around) if place != folder]
    if not nearby:
        return f"There are no runs in {folder}. Give another folder with --runs, or make runs with `etl-bench run`."
    named = " or ".join(f"--runs {place}" for place in nearby[:_NAMED])
    return f"There are no runs in {folder}, but nearby: give {named}."


def runs_folders(place: Path) -> list[Path]:
    """The folders with runs directly inside a folder, sorted by name, without races; empty if it cannot be read."""
    try:
        inside = sorted(place.iterdir())
    except OSError:
        return []
    return [child for child in inside if child.name != RACE and any((child / "shards").glob("??/*.json"))]
