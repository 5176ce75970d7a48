"""Processes that say that they are there: a small file each, written anew at every beat of a counter.

`etl-bench status` and the live view read these files, and leases (`bench/coordination/leases.py`) tell by them whether
their holder is still at work. Nobody compares clocks: a process of this machine is looked up by its number, and one of
another machine is gone when its counter has stood still while this process waited, by its own steady clock.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench._util.atomic_write import write_atomically
from bench.coordination.process_identity import Process

BEAT_SECONDS = 5.0
"""Seconds from one beat to the next."""
TIMEOUT_SECONDS = 60.0
"""Seconds without a beat after which a process of another machine counts as gone."""
_LOG = logging.getLogger("bench.coordination.heartbeat")


@dataclass(frozen=True)
class HeartbeatState:
    """What one heartbeat file says.

    Args:
        name: of the heartbeat, unlike any other.
        kind: `sweep` or `worker`.
        process: whose file it is.
        beat: the counter.
        facts: what the process says about itself.
    """

    name: str
    kind: str
    process: Process
    beat: int
    facts: dict[str, Any]


class Heartbeat:
    """This process's own heartbeat in a runs folder; a context manager.

    Args:
        runs: the runs folder.
        kind: `sweep` or `worker`.
        facts: plain values to say from the beginning.
        beat: seconds from one beat to the next.
    """

    def __init__(
        self, runs: Path, kind: str, facts: dict[str, Any] | None = None, *, beat: float = BEAT_SECONDS
    ) -> None:
        self.name = uuid.uuid4().hex[:16]
        self.kind = kind
        self.process = Process.current()
        self._path = _folder(runs) / f"{self.name}.json"
        self._facts = dict(facts or {})
        self._beat = 0
        self._interval = beat
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)

    def __enter__(self) -> Self:
        """Begin; raises OSError if the folder cannot be written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def update(self, **facts: object) -> None:
        """Change what is said about this process, at once."""
        with self._lock:
            self._facts |= facts
        self._try_to_write()

    def _keep_beating(self) -> None:
        while not self._end.wait(self._interval):
            self._try_to_write()

    def _try_to_write(self) -> None:
        """A beat that cannot be written (a full disk) may not end the work that it tells of."""
        try:
            self._write()
        except OSError as error:
            _LOG.debug("No beat: %s", error)

    def _write(self) -> None:
        with self._lock:
            self._beat += 1
            said = {"kind": self.kind, "process": self.process.dump(), "beat": self._beat, "facts": self._facts}
            write_atomically(self._path, json.dumps(said, ensure_ascii=False).encode(), durable=False)


def read_heartbeats(runs: Path) -> list[HeartbeatState]:
    """What the heartbeat files of a runs folder say, by name; those of processes known to be gone are left out."""
    found = [read_heartbeat(runs, path.stem) for path in sorted(_folder(runs).glob("*.json"))]
    return [state for state in found if state is not None and state.process.alive() is not False]


def read_heartbeat(runs: Path, name: str) -> HeartbeatState | None:
    """What that heartbeat says now; None if it said goodbye."""
    try:
        said = json.loads((_folder(runs) / f"{name}.json").read_bytes())
        return HeartbeatState(name, said["kind"], Process.load(said["process"]), said["beat"], said["facts"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        _LOG.debug("Not a heartbeat: %s", name)
        return None


def remove_dead_heartbeats(runs: Path) -> None:
    """Remove what processes left behind that died without a goodbye; drafts only where nobody can be writing one."""
    for path in _folder(runs).glob("*.json"):
        state = read_heartbeat(runs, path.stem)
        if state is not None and state.process.alive() is False:
            path.unlink(missing_ok=True)
    if not read_heartbeats(runs):
        for draft in _folder(runs).glob(".*.tmp"):
            draft.unlink(missing_ok=True)


@dataclass
class LivenessMonitor:
    """Tells which processes are gone, by what it has seen of them itself.

    Args:
        timeout: seconds without a beat, by `clock`, after which a process of another machine counts as gone.
        clock: a steady clock; never the time of day, which can jump.
    """

    timeout: float = TIMEOUT_SECONDS
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, tuple[object, float]] = field(default_factory=dict)

    def is_dead(self, name: str, process: Process | None, beat: object) -> bool:
        """Whether a process is gone for certain.

        Args:
            name: what it is remembered by.
            process: who it is; None if that is not known.
            beat: what it shows now; it is gone if it shows the very same for longer than the timeout.
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
