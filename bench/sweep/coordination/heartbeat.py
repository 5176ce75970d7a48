"""A small file for each running process, rewritten with a higher counter at every beat.

`etl-bench status` and the live view read these files, and a lease (`leases.py`) is valid while its
holder is alive. No clocks of machines are compared. A process of this machine is looked up by its number. A process of
another machine is considered dead when its counter has not changed for a minute of the observer's monotonic clock.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.results import write_atomically
from bench.sweep.coordination.process_identity import ProcessIdentity

BEAT_SECONDS = 5.0
TIMEOUT_SECONDS = 60.0
"""Seconds without a beat after which a process of another machine is considered dead."""
ABANDONED_SECONDS = 3600.0
"""A file of another machine is abandoned if it was written so much earlier than the newest heartbeat of its folder."""
_LOG = logging.getLogger("bench.sweep.coordination.heartbeat")


@dataclass(frozen=True)
class HeartbeatState:
    """The content of one heartbeat file. `kind` is `sweep` or `worker`, and `beat` is the counter."""

    name: str
    kind: str
    process: ProcessIdentity
    beat: int
    facts: dict[str, Any]


class Heartbeat:
    """This process's heartbeat in a runs folder; a context manager.

    `kind` is `sweep` or `worker`, `facts` are JSON values to report from the start, `beat` is the interval in seconds.
    """

    def __init__(
        self, runs: Path, kind: str, facts: dict[str, Any] | None = None, *, beat: float = BEAT_SECONDS
    ) -> None:
        self.name = uuid.uuid4().hex[:16]
        self.kind = kind
        self.process = ProcessIdentity.current()
        self._path = _folder(runs) / f"{self.name}.json"
        self._facts = dict(facts or {})
        self._beat = 0
        self._interval = beat
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)

    def __enter__(self) -> Self:
        """Start beating; raises OSError if the folder cannot be written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def update(self, **facts: object) -> None:
        """Change the reported facts at once."""
        with self._lock:
            self._facts |= facts
        self._try_to_write()

    def _keep_beating(self) -> None:
        while not self._end.wait(self._interval):
            self._try_to_write()

    def _try_to_write(self) -> None:
        """Write a beat. A failure, as on a full disk, must not end the work."""
        try:
            self._write()
        except OSError as error:
            _LOG.debug("No beat: %s", error)

    def _write(self) -> None:
        with self._lock:
            self._beat += 1
            state = {"kind": self.kind, "process": self.process.dump(), "beat": self._beat, "facts": self._facts}
            write_atomically(self._path, json.dumps(state, ensure_ascii=False).encode(), durable=False)


def read_heartbeats(runs: Path) -> list[HeartbeatState]:
    """The heartbeats in a runs folder by name, except those of processes known to be dead."""
    found = [read_heartbeat(runs, path.stem) for path in sorted(_folder(runs).glob("*.json"))]
    return [state for state in found if state is not None and state.process.alive() is not False]


def read_heartbeat(runs: Path, name: str) -> HeartbeatState | None:
    """One heartbeat; None if it has ended or its file is damaged."""
    try:
        state = json.loads((_folder(runs) / f"{name}.json").read_bytes())
        process = ProcessIdentity.load(state["process"])
        return HeartbeatState(name, state["kind"], process, state["beat"], state["facts"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        _LOG.debug("Not a heartbeat: %s", name)
        return None


def has_heartbeats(runs: Path) -> bool:
    """Whether the folder of heartbeats exists. The first process makes it, and nothing removes it."""
    return _folder(runs).is_dir()


def remove_dead_heartbeats(runs: Path) -> None:
    """Delete the files of dead processes, and abandoned files of other machines. May raise OSError."""
    abandoned = abandoned_files(runs)
    for path in _folder(runs).glob("*.json"):
        state = read_heartbeat(runs, path.stem)
        alive = None if state is None else state.process.alive()
        if alive is False or (alive is None and abandoned(path)):
            path.unlink(missing_ok=True)


def abandoned_files(runs: Path) -> Callable[[Path], bool]:
    """A function of a file: whether it is much older than the newest heartbeat, by the times of the file system."""
    stamps = [stamp for file in _folder(runs).glob("*.json") if (stamp := _written(file)) is not None]
    newest = max(stamps, default=0.0)

    def abandoned(path: Path) -> bool:
        written = _written(path)
        return written is not None and written < newest - ABANDONED_SECONDS

    return abandoned


def _written(path: Path) -> float | None:
    """When a file was last written; None if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


@dataclass
class LivenessMonitor:
    """Decides from its own observations which processes are dead; `clock` is monotonic."""

    timeout: float = TIMEOUT_SECONDS
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, tuple[object, float]] = field(default_factory=dict)

    def is_dead(self, name: str, process: ProcessIdentity | None, beat: object) -> bool:
        """Whether a process is certainly dead.

        For a process that is not visible here, this depends on whether the beat changed since earlier calls.
        """
        alive = None if process is None else process.alive()
        if alive is not None:
            return not alive
        before = self._since.get(name)
        if before is None or before[0] != beat:
            self._since[name] = (beat, self.clock())
            return False
        return self.clock() - before[1] > self.timeout


def _folder(runs: Path) -> Path:
    return runs / "live"
