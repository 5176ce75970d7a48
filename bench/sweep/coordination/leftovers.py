"""Removes what dead processes left in a runs folder: heartbeats, leases and temporary files."""

import re
from contextlib import suppress
from pathlib import Path

import psutil

from bench.experiment import MODELS
from bench.sweep.coordination.heartbeat import read_heartbeats, remove_dead_heartbeats
from bench.sweep.coordination.leases import Leases

_DRAFT = re.compile(r"\..+\.(\d+)-\d+\.tmp")
"""Name of a temporary file of `write_atomically` or of a lease, with the number of its process."""
_FOLDERS = ("live", "leases", "sweeps", "checkpoints", MODELS, "difficulty/*", "shards/??")


def remove_leftovers(leases: Leases) -> None:
    """Remove the traces of dead processes in the runs folder of these leases, whose heartbeat has started.

    What cannot be deleted, such as a file of another user, stays.
    """
    with suppress(OSError):
        remove_dead_heartbeats(leases.runs)
    with suppress(OSError):
        leases.remove_dead()
    with suppress(OSError):
        _remove_drafts(leases.runs)


def _remove_drafts(runs: Path) -> None:
    """Delete temporary files whose process does not run; none while another machine may be writing them."""
    if any(state.process.alive() is None for state in read_heartbeats(runs)):
        return
    for pattern in _FOLDERS:
        for draft in runs.glob(f"{pattern}/.*.tmp"):
            if (found := _DRAFT.fullmatch(draft.name)) and not psutil.pid_exists(int(found[1])):
                draft.unlink(missing_ok=True)
