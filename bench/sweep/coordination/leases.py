"""Leases on disk: each task belongs to at most one living process.

A lease is a file that is created atomically, by a hard link that fails if the name is taken. It names its holder, whose
heartbeat (`heartbeat.py`) shows whether it is alive. The lease of a dead holder is removed under the
lock of the folder, so that only one of several observers takes it over. Leases only avoid repeated work; the shards
guarantee that a run counts once.
"""

import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.results import locked
from bench.sweep.coordination.heartbeat import Heartbeat, LivenessMonitor, abandoned_files, read_heartbeat
from bench.sweep.coordination.process_identity import ProcessIdentity


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. `process` is None if the file is damaged; `raw` is its content."""

    name: str
    process: ProcessIdentity | None
    raw: bytes


@dataclass
class Leases:
    """The leases of one runs folder, for one process whose heartbeat has started."""

    runs: Path
    heartbeat: Heartbeat
    monitor: LivenessMonitor = field(default_factory=LivenessMonitor)

    def acquire(self, key: str) -> bool:
        """Take the lease on `key`, also from a dead holder; False if a living process holds it. May raise OSError."""
        while not self._create(key):
            holder = self._read(key)
            if holder is not None and holder.name == self.heartbeat.name:
                return True
            if not self.break_if_dead(key):
                return False
        return True

    def release(self, key: str) -> None:
        """Release the lease if this process holds it."""
        holder = self._read(key)
        if holder is not None and holder.name == self.heartbeat.name:
            self._remove(key, holder.raw)

    def break_if_dead(self, key: str) -> bool:
        """Remove the lease if its holder is dead; returns whether it is free now."""
        holder = self._read(key)
        if holder is None:
            return True
        state = read_heartbeat(self.runs, holder.name) if holder.name else None
        beat = holder.raw if state is None else state.beat
        if self.monitor.is_dead(holder.name or key, holder.process, beat):
            self._remove(key, holder.raw)
            return True
        return False

    def remove_dead(self) -> None:
        """Remove the leases of dead holders; one of another machine if it is abandoned and its holder has no heartbeat.

        May raise OSError.
        """
        abandoned = abandoned_files(self.runs)
        for path in (self.runs / "leases").glob("*.json"):
            if (holder := self._read(path.stem)) is None:
                continue
            alive = None if holder.process is None else holder.process.alive()
            if alive is None:
                beats = bool(holder.name) and read_heartbeat(self.runs, holder.name) is not None
                alive = beats or not abandoned(path)
            if not alive:
                self._remove(path.stem, holder.raw)

    def _create(self, key: str) -> bool:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"holder": self.heartbeat.name, "process": self.heartbeat.process.dump()}).encode()
        draft = path.with_name(f".{key}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            draft.write_bytes(content)
            return _link(draft, path, content)
        finally:
            draft.unlink(missing_ok=True)

    def _remove(self, key: str, known: bytes) -> None:
        """Remove the lease if its content is still the known one."""
        path = self._path(key)
        with locked(path.parent), suppress(FileNotFoundError):
            if path.read_bytes() == known:
                path.unlink()

    def _read(self, key: str) -> Holder | None:
        try:
            raw = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        try:
            value = json.loads(raw)
            return Holder(str(value["holder"]), ProcessIdentity.load(value["process"]), raw)
        except (ValueError, KeyError, TypeError):  # damaged: the holder is unknown, so only the timeout applies
            return Holder("", None, raw)

    def _path(self, key: str) -> Path:
        return self.runs / "leases" / f"{key}.json"


def _link(draft: Path, path: Path, content: bytes) -> bool:
    """Make `path` appear with its content, unless it exists."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links here: creation is still exclusive, but the content is written afterwards
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
    return True
