"""The current work of all workers, read from their heartbeat files."""

import time
from pathlib import Path

from bench.coordination.heartbeat import HeartbeatState, read_heartbeats
from bench.sweep.tally import duration


def worker_rows(runs: Path, sweep: str | None = None) -> list[dict[str, str]]:
    """One row per worker of one sweep or of all: host and process, task, and elapsed time."""
    found = [
        item for item in read_heartbeats(runs) if item.kind == "worker" and sweep in (None, item.facts.get("sweep"))
    ]
    found.sort(key=lambda item: (item.process.host, item.process.pid, item.name))
    return [
        {"worker": f"{item.process.host}:{item.process.pid}", "doing": doing(item), "for": _elapsed(item)}
        for item in found
    ]


def doing(item: HeartbeatState) -> str:
    """The current task, with the attempt number after the first, and whether a signal has stopped the worker."""
    attempt = item.facts.get("attempt") or 1
    task = str(item.facts.get("task") or "-")
    text = f"{task}, attempt {attempt}" if attempt > 1 else task
    return f"{text}, stopped (`kill -CONT {item.process.pid}` resumes it)" if item.process.stopped() else text


def _elapsed(item: HeartbeatState) -> str:
    """Elapsed time of the task; empty for other machines, whose monotonic clocks cannot be compared."""
    since = item.facts.get("since")
    if since is None or item.facts.get("task") is None or item.process.alive() is None:
        return ""
    return duration(max(time.monotonic() - since, 0.0))
