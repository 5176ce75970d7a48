"""Traces that processes leave in a runs folder: the heartbeat and the leases of a process that is dead or elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from bench.sweep.coordination.process_identity import ProcessIdentity

OTHER_MACHINE = replace(ProcessIdentity.current(), boot="another machine")


def dead_process() -> ProcessIdentity:
    """A process of this machine that has ended."""
    program = """
import json
from bench.sweep.coordination.process_identity import ProcessIdentity
print(json.dumps(ProcessIdentity.current().dump()))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment).stdout
    return ProcessIdentity.load(json.loads(said))


def write_heartbeat(runs: Path, name: str, process: ProcessIdentity, beat: int = 1) -> None:
    (runs / "live").mkdir(parents=True, exist_ok=True)
    said = {"kind": "worker", "process": process.dump(), "beat": beat, "facts": {}}
    (runs / "live" / f"{name}.json").write_text(json.dumps(said))


def write_lease(runs: Path, key: str, holder: str, process: ProcessIdentity) -> None:
    (runs / "leases").mkdir(parents=True, exist_ok=True)
    (runs / "leases" / f"{key}.json").write_text(json.dumps({"holder": holder, "process": process.dump()}))
