"""The choices of a sweep's options, and how the command line shows an option. Loads no torch."""

from dataclasses import dataclass
from enum import StrEnum


class Panel(StrEnum):
    """Groups of options in `etl-bench run --help`."""

    WHAT = "What to run"
    HOW = "How to run it"
    WHERE = "Where to read and write"
    ADVANCED = "Advanced"
    RAY = "Ray"
    SLURM = "Slurm"


@dataclass(frozen=True)
class Option:
    """How the command line shows a field.

    Args:
        name: long name, if it differs from the field's.
        env: environment variable that sets it.
    """

    panel: Panel = Panel.ADVANCED
    short: str | None = None
    name: str | None = None
    env: str | None = None
    hidden: bool = False


class RecipeChoice(StrEnum):
    """Where training settings come from: the papers, or short settings for the demo backbone."""

    PUBLISHED = "published"
    DEMO = "demo"


class RerunPolicy(StrEnum):
    """Which existing runs are computed again. Each policy includes the previous one."""

    MISSING = "missing"
    """Only runs without a shard. A failed run is not repeated."""
    FAILED = "failed"
    """Also failed runs."""
    STALE = "stale"
    """Also runs whose code, weights or data have changed since the run."""
    ALL = "all"
    """Every run. A failure never replaces an earlier success."""


class LauncherName(StrEnum):
    """Where runs are computed."""

    LOCAL = "local"
    INLINE = "inline"
    RAY = "ray"
    SLURM = "slurm"
