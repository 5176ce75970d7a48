"""What to say of a folder without runs: where runs were found instead."""

from pathlib import Path

_NAMED = 3
"""Number of folders that a message names."""


def no_runs(folder: Path) -> str:
    """A sentence that the folder holds no runs, with the nearest folders that do.

    Searched are the folders inside it and beside it, such as `runs/demo` for `runs`.
    """
    found = nearby_runs(folder)
    if not found:
        return f"There are no runs in {folder}. Give another folder with --runs, or make runs with `etl-bench run`."
    named = " or ".join(f"--runs {place}" for place in found[:_NAMED])
    return f"There are no runs in {folder}, but nearby: give {named}."


def nearby_runs(folder: Path) -> list[Path]:
    """Folders with runs inside or beside a folder, in this order, sorted by name."""
    found: dict[Path, None] = {}
    for place in (folder, folder.parent):
        try:
            inside = sorted(place.iterdir())
        except OSError:
            continue
        inside = [child for child in inside if child != folder]
        found |= dict.fromkeys(child for child in inside if any((child / "shards").glob("??/*.json")))
    return list(found)
