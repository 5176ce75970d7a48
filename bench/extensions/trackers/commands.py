"""The command `export send`."""

from typing import Any

import typer

from bench._util.words import counted
from bench.cli import options_of, print_line, remark
from bench.extensions.trackers.sending import send_runs


@options_of(send_runs)
def _send(**options: Any) -> None:
    """Send finished runs to experiment trackers, as `run --tracker` does while they finish.

    Runs that are already there are not sent again. `etl-bench doctor docs trackers` says what is sent.
    """
    missing = 0
    for done in send_runs(say=remark, **options):
        print_line(f"{done.tracker}: {counted(done.sent, 'run')} sent, {done.known} already there")
        missing += done.missing
    if missing:
        raise typer.Exit(1)


COMMANDS = {"export send": _send}
