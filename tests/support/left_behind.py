"""Traces that processes leave in a runs folder: the file and the claims of a process that is dead or elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from bench.sweep.launch.task_claims import Process

OTHER_MACHINE = replace(Process.current(), boot="another machine")


def dead_process() -> Process:
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    child.wait()
    return replace(Process.current(), pid=child.pid, started="1")


def write_living(runs: Path, name: str, process: Process, beat: int = 1) -> None:
    (runs / "live").mkdir(parents=True, exist_ok=True)
    said = {"kind": "worker", "process": asdict(process), "beat": beat, "facts": {}}
    (runs / "live" / f"{name}.json").write_text(json.dumps(said))


def write_claim(runs: Path, key: str, holder: str, process: Process) -> None:
    (runs / "claims").mkdir(parents=True, exist_ok=True)
    (runs / "claims" / f"{key}.json").write_text(json.dumps({"holder": holder, "process": asdict(process)}))
