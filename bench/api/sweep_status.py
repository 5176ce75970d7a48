"""The state of the sweeps in a runs folder, read from their files without a lock."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.options import Runs
from bench.errors import UsageError
from bench.sweep import duration
from bench.table import Table, Tables

if TYPE_CHECKING:
    from bench.sweep import Living, UnfinishedSweep


@dataclass(frozen=True)
class SweepStatus:
    """Running sweeps, their workers, and sweeps with missing runs.

    Args:
        on_disk: number of runs with a result.
        failures: run id, label and message of the failed ones, oldest first.
        age: seconds since the last result was stored; None without results.
        sweeps: process and progress of each running sweep.
        workers: the task of each worker.
        unfinished: sweeps whose runs are not all there.
    """

    runs: Path
    on_disk: int
    failures: list[dict[str, object]]
    age: float | None
    sweeps: list[Living]
    workers: list[dict[str, str]]
    unfinished: list[UnfinishedSweep]

    @property
    def summary(self) -> str:
        """The counts of runs, failures and running sweeps as one line."""
        parts = [f"{counted(self.on_disk, 'run')} on disk in {self.runs}"]
        if self.age is not None:
            parts += [f"{len(self.failures)} of them failed", f"the last one stored {duration(self.age)} ago"]
        return f"{', '.join(parts)}; {counted(len(self.sweeps), 'running sweep')}"

    def tables(self, most_failures: int) -> Tables:
        """Running sweeps, tasks of the workers, and the newest failures; those that are empty are left out."""
        sweeps = [
            {"sweep": f"{item.process.host}:{item.process.pid}", **item.facts}
            | {"to_go": None if (seconds := item.facts.get("seconds_left")) is None else duration(seconds)}
            for item in self.sweeps
        ]
        columns = ["sweep", "done", "failed", "elsewhere", "total", "a_minute", "to_go"]
        tables = [Table(sweeps, columns), Table(self.workers), Table(self.failures[-most_failures:])]
        return Tables(table for table in tables if table.rows)

    def to_json(self) -> dict[str, object]:
        """Plain values of everything."""
        incomplete = [
            {"file": str(item.file), "planned": item.planned, "missing": list(item.run_ids), "command": item.command}
            for item in self.unfinished
        ]
        running = [{"process": asdict(item.process), "beat": item.beat, **item.facts} for item in self.sweeps]
        return {
            "runs": str(self.runs), "on_disk": self.on_disk, "failures": self.failures, "last_result_s": self.age,
            "sweeps": running, "workers": self.workers, "incomplete": incomplete,
        }  # fmt: skip


def sweep_state(runs: Runs = "runs") -> SweepStatus:
    """The state of all sweeps in a folder. Dead sweeps and workers are left out.

    Processes on other machines count as alive while their counter changes. Raises UsageError if there is no folder.
    """
    from bench.results import Shards
    from bench.sweep import living, unfinished_sweeps, worker_rows

    folder = Path(runs)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; give that of the runs with --runs.")
    shards = Shards(folder)
    sweeps = [item for item in living(folder) if item.kind == "sweep"]
    finished = set(shards.scan())
    last = shards.last_change(finished)
    failures: list[dict[str, object]] = [
        {"run": record.run_id, "what": record.spec.label(), "message": record.error.message.partition("\n")[0]}
        for record in shards.failures(finished)
        if record.error is not None
    ]
    age = None if last is None else max(time.time() - last, 0.0)
    unfinished = unfinished_sweeps(folder, finished)
    return SweepStatus(folder, len(finished), failures, age, sweeps, worker_rows(folder), unfinished)
