"""Who does what, on disk: a lease on a piece of work belongs to one process at a time, and ends with it.

A lease is a file that appears whole and at once (a hard link to a finished file, which fails if the name is taken). It
names its holder; whether the holder still lives is told by its heartbeat (`bench/coordination/heartbeat.py`). A lease
whose holder is gone is taken away under the lock of the folder, so that of several observers one takes it over. Leases
only save work: that a run counts once is the shards' business.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench._util.locking import locked
from bench.coordination.heartbeat import Heartbeat, LivenessMonitor, read_heartbeat
from bench.coordination.process_identity import Process


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. `process` is None if the file does not tell; `raw` is its content."""

    name: str
    process: Process | None
    raw: bytes


@dataclass
class Leases:
    """The leases of one runs folder, seen and taken by one process.

    Args:
        runs: the runs folder.
        heartbeat: this process's, already begun.
        monitor: decides which holders are gone.
    """

    runs: Path
    heartbeat: Heartbeat
    monitor: LivenessMonitor = field(default_factory=LivenessMonitor)

    def acquire(self, key: str) -> bool:
        """Take the lease on `key`, from a holder that is gone if need be; False if somebody else is at it.

        Raises:
            OSError: the folder cannot be written.
        """
        while not self._create(key):
            holder = self._read(key)
            if holder is None:
                continue
            if holder.name == self.heartbeat.name:
                return True
            if not self._holder_is_dead(key, holder):
                return False
            self._remove(key, holder.raw)
        return True

    def release(self, key: str) -> None:
        """Give the lease back, if it is still this process's."""
        holder = self._read(key)
        if holder is not None and holder.name == self.heartbeat.name:
            self._remove(key, holder.raw)

    def held_by_other(self, key: str) -> bool:
        """Whether a process other than this one, and not known to be gone, holds the lease."""
        holder = self._read(key)
        return holder is not None and holder.name != self.heartbeat.name and not self._holder_is_dead(key, holder)

    def break_if_dead(self, key: str) -> bool:
        """Take the lease away from a holder that is gone; whether the way is free now."""
        holder = self._read(key)
        if holder is None:
            return True
        if self._holder_is_dead(key, holder):
            self._remove(key, holder.raw)
            return True
        return False

    def _holder_is_dead(self, key: str, holder: Holder) -> bool:
        state = read_heartbeat(self.runs, holder.name) if holder.name else None
        beat = holder.raw if state is None else state.beat
        return self.monitor.is_dead(holder.name or key, holder.process, beat)

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

    def _remove(self, key: str, seen: bytes) -> None:
        """Remove the lease if it still is the one that was seen."""
        path = self._path(key)
        with locked(path.parent, exclusive=True), suppress(FileNotFoundError):
            if path.read_bytes() == seen:
                path.unlink()

    def _read(self, key: str) -> Holder | None:
        try:
            raw = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        try:
            value = json.loads(raw)
            return Holder(str(value["holder"]), Process.load(value["process"]), raw)
        except (ValueError, KeyError, TypeError):  # torn: nobody can say whose it is, so the watch waits
            return Holder("", None, raw)

    def _path(self, key: str) -> Path:
        return self.runs / "leases" / f"{key}.json"


def _link(draft: Path, path: Path, content: bytes) -> bool:
    """Make `path` appear with its content, unless it is there."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: the name is still taken by one alone, the content comes after
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
    return True
