"""What this folder adds to the harness: code and predictions of others as runs."""

from bench.extension import Extension, RunKind
from bench.spec import FORK

ADAPTER = "adapter:"
"""Beginning of the requested name of code that is run by the user's adapter."""

EXTENSION = Extension(
    commands="bench.extensions.forks.commands:COMMANDS",
    kinds=(
        RunKind(
            FORK,
            requested=(FORK, ADAPTER),
            planner="bench.extensions.forks.planner",
            runner="bench.extensions.forks.fork_run:run_official_code",
        ),
    ),
)
