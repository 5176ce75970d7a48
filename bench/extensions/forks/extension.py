"""The runs of official code and of the user's adapter."""

from bench.extension import RunKind
from bench.spec import FORK

ADAPTER = "adapter:"
"""Beginning of the requested name of code that is run by the user's adapter."""

KIND = RunKind(
    FORK,
    requested=(FORK, ADAPTER),
    planner="bench.extensions.forks.planner",
    runner="bench.extensions.forks.fork_run:run_official_code",
)
