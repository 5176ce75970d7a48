"""`etl-bench status`: shows the state of all sweeps in a folder, from any shell."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows


def status(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
    watch: Annotated[
        float | None, typer.Option("--watch", min=0.2, help="Repeat after this many seconds, until Ctrl-C.")
    ] = None,
) -> None:
    """Show running sweeps, the task of each worker, and the number of runs on disk. Only reads files, without a lock.

    Dead sweeps and workers are not shown. Processes on other machines count as alive while their heartbeat changes.
    """
    import time

    while True:
        _show(runs, as_json=as_json)
        if watch is None:
            return
        time.sleep(watch)


def _show(runs: Path, *, as_json: bool) -> None:
    from bench.results import Shards
    from bench.sweep import duration, read_heartbeats, unfinished_sweeps, worker_rows

    sweeps = [item for item in read_heartbeats(runs) if item.kind == "sweep"]
    workers = worker_rows(runs)
    finished = {entry.run_id for entry in Shards(runs).scan()}
    on_disk, unfinished = len(finished), unfinished_sweeps(runs, finished)
    if as_json:
        running = [{"process": item.process.dump(), "beat": item.beat, **item.facts} for item in sweeps]
        incomplete = [
            {"file": str(item.file), "planned": item.planned, "missing": list(item.run_ids), "command": item.command}
            for item in unfinished
        ]
        found = {"runs": str(runs), "on_disk": on_disk, "sweeps": running, "workers": workers}
        print_json(found | {"incomplete": incomplete})
        return
    print_line(f"{counted(on_disk, 'run')} on disk in {runs}; {counted(len(sweeps), 'running sweep')}")
    if sweeps:
        rows = []
        for item in sweeps:
            seconds = item.facts.get("seconds_left")
            left = None if seconds is None else duration(seconds)
            rows.append({"sweep": f"{item.process.host}:{item.process.pid}", **item.facts, "to_go": left})
        print_rows(rows, ["sweep", "done", "failed", "elsewhere", "total", "a_minute", "to_go"])
    if workers:
        print_rows(workers)
    for sweep in unfinished:
        print_line(str(sweep))
