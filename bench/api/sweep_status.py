"""The state of the sweeps in a runs folder, read from their files without a lock."""

from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.sweep import (
    HeartbeatState,
    UnfinishedSweep,
    duration,
    read_heartbeats,
    unfinished_sweeps,
    worker_rows,
)


@dataclass(frozen=True)
class SweepStatus:
    """Running sweeps, their workers, and sweeps with missing runs.

    Args:
        on_disk: number of runs with a result.
        sweeps: process, heartbeat and progress of each running sweep.
        workers: the task of each worker.
        unfinished: sweeps whose runs are not all there.
    """

    runs: Path
    on_disk: int
    sweeps: list[HeartbeatState]
    workers: list[dict[str, str]]
    unfinished: list[UnfinishedSweep]

    @property
    def rows(self) -> list[dict[str, object]]:
        """One row per running sweep, as they are printed."""
        rows = []
        for item in self.sweeps:
            seconds = item.facts.get("seconds_left")
            left = None if seconds is None else duration(seconds)
            rows.append({"sweep": f"{item.process.host}:{item.process.pid}", **item.facts, "to_go": left})
        return rows

    def to_json(self) -> dict[str, object]:
        """Plain values of everything."""
        incomplete = [
            {"file": str(item.file), "planned": item.planned, "missing": list(item.run_ids), "command": item.command}
            for item in self.unfinished
        ]
        running = [{"process": item.process.dump(), "beat": item.beat, **item.facts} for item in self.sweeps]
        return {
            "runs": str(self.runs), "on_disk": self.on_disk, "sweeps": running, "workers": self.workers,
            "incomplete": incomplete,
        }  # fmt: skip


def sweep_state(runs: str | Path = "runs") -> SweepStatus:
    """The state of all sweeps in a folder. Dead sweeps and workers are left out.

    Processes on other machines count as alive while their heartbeat changes. Raises UsageError if there is no folder.
    """
    from bench.results import Shards

    folder = Path(runs)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; give that of the runs with --runs.")
    sweeps = [item for item in read_heartbeats(folder) if item.kind == "sweep"]
    workers = worker_rows(folder)
    finished = {entry.run_id for entry in Shards(folder).scan()}
    return SweepStatus(folder, len(finished), sweeps, workers, unfinished_sweeps(folder, finished))
