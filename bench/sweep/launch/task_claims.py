"""Which living process works on which task.

Each process of a sweep has a file in `live/`, rewritten with a higher counter every few seconds. It claims a task by a
hard link in `claims/`, which fails if the task is claimed. The link's content names the process. `etl-bench status`
reads both. No clocks of machines are compared: a process of this machine is looked up by its number, and one of another
machine is dead when its counter has not changed for a minute of the observer's monotonic clock.

Claims only avoid repeated work. The shards guarantee that a run counts once.
"""

import json
import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import psutil

from bench.results import locked, write_atomically

LIVE, CLAIMS = "live", "claims"
"""Folders below the runs folder."""
BEAT_SECONDS = 5.0
SILENT_SECONDS = 60.0
"""Seconds without a beat after which a process of another machine is considered dead."""
ABANDONED_SECONDS = 3600.0
"""A file of another machine is abandoned if it was written so much earlier than the newest beat in its folder."""
_DRAFT = re.compile(r"\..+\.(\d+)-\d+\.tmp")
"""Name of a temporary file of `write_atomically`, with the number of its process."""
_DRAFT_FOLDERS = (LIVE, "sweeps", "checkpoints", "models", "difficulty/*", "shards/??")
_LOG = logging.getLogger("bench.sweep.launch.task_claims")


@dataclass(frozen=True)
class Process:
    """A process, unique across machines and restarts.

    Args:
        boot: changes when the machine restarts.
        namespace: the PID namespace; containers have their own.
        started: when it started, because numbers are reused. On Linux clock ticks since boot, elsewhere the system's
            record of the start time; "" if unknown.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Self:
        """This process."""
        return cls(*_machine(), os.getpid(), _started(os.getpid()))

    @property
    def alive(self) -> bool | None:
        """Whether it runs; None for another machine or container, whose processes are not visible here."""
        if (self.host, self.boot, self.namespace) != _machine():
            return None
        try:
            if psutil.Process(self.pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return False
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            pass
        return self.started in ("", _started(self.pid))

    @property
    def stopped(self) -> bool:
        """Whether it is alive here and stopped by a signal, as by SIGSTOP or Ctrl-Z."""
        try:
            return self.alive is True and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False


@cache
def _machine() -> tuple[str, str, str]:
    host = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return host, boot, str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return host, f"{uuid.getnode():x}", ""


def _started(pid: int) -> str:
    try:
        created = psutil.Process(pid).create_time()
    except psutil.Error:
        return ""
    if psutil.LINUX:  # psutil adds the boot time, which changes with the clock
        return str(round((created - psutil.boot_time()) * os.sysconf("SC_CLK_TCK")))
    return repr(created)


@dataclass(frozen=True)
class Living:
    """What a process says in its file: `kind` is `sweep` or `worker`, `beat` the counter, `facts` what it does."""

    name: str
    kind: str
    process: Process
    beat: int
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Holder:
    """Who holds a claim. `process` is None if the file is damaged; `raw` is its content."""

    name: str
    process: Process | None
    raw: bytes


@dataclass
class Claims:
    """The claims of one process in a runs folder; a context manager around its beats; what it holds is free at the end.

    Args:
        kind: `sweep` or `worker`.
        facts: JSON values that its file has from the start.
        beat: seconds between two beats.
        silent: seconds of `clock` without a beat after which a process of another machine is dead.
    """

    runs: Path
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    beat: float = BEAT_SECONDS
    silent: float = SILENT_SECONDS
    clock: Callable[[], float] = time.monotonic
    _held: set[str] = field(default_factory=set)
    _last_change: dict[str, tuple[object, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = uuid.uuid4().hex[:16]
        self.process = Process.current()
        self._file = self.runs / LIVE / f"{self.name}.json"
        self._card = self._path(self.name)
        self._beats = 0
        self._lock = threading.Lock()
        self._end = threading.Event()

    def __enter__(self) -> Self:
        """Start beating; raises OSError if the folder cannot be written."""
        for file in (self._file, self._card):
            file.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        self._card.write_bytes(self._content())
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for key in list(self._held):
            with suppress(OSError):
                self.free(key)
        for file in (self._file, self._card):
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def update(self, **facts: object) -> None:
        """Change the facts at once."""
        with self._lock:
            self.facts |= facts
        self._try_to_write()

    def take(self, key: str) -> bool:
        """Claim `key`; False if another holds it, dead or alive. May raise OSError.

        A dead holder's claim is freed by the sweep (`free_if_dead`), which first records that its run failed.
        """
        if key not in self._held and self._link(key):
            self._held.add(key)
        return key in self._held

    def free(self, key: str) -> None:
        """Give a claim back if this object holds it."""
        if key in self._held:
            self._held.remove(key)
            holder = _read_claim(self._path(key))
            if holder is not None and holder.name == self.name:  # not taken over by another machine in a long silence
                self._path(key).unlink(missing_ok=True)

    def free_if_dead(self, key: str) -> bool:
        """Remove the claim of a dead holder; returns whether the key is free now."""
        holder = _read_claim(self._path(key))
        if holder is None:
            return True
        living = _read_living(self.runs, holder.name) if holder.name else None
        if not self._is_dead(holder, holder.raw if living is None else living.beat):
            return False
        _remove(self._path(key), holder.raw)
        return True

    def _is_dead(self, holder: _Holder, beat: object) -> bool:
        """Whether a holder is certainly dead. For one that is not visible here, its beat must have stood still."""
        alive = None if holder.process is None else holder.process.alive
        if alive is not None:
            return not alive
        name = holder.name or holder.raw.decode(errors="replace")
        before = self._last_change.get(name)
        if before is None or before[0] != beat:
            self._last_change[name] = (beat, self.clock())
            return False
        return self.clock() - before[1] > self.silent

    def _link(self, key: str) -> bool:
        path = self._path(key)
        try:
            os.link(self._card, path)
        except FileExistsError:
            return False
        except OSError:  # no hard links here: creation is still exclusive, but the content is written afterwards
            try:
                with path.open("xb") as file:
                    file.write(self._content())
            except FileExistsError:
                return False
        return True

    def _content(self) -> bytes:
        return json.dumps({"holder": self.name, "process": asdict(self.process)}).encode()

    def _path(self, key: str) -> Path:
        return self.runs / CLAIMS / f"{key}.json"

    def _keep_beating(self) -> None:
        while not self._end.wait(self.beat):
            self._try_to_write()

    def _try_to_write(self) -> None:
        """Write a beat. A failure, as on a full disk, must not end the work."""
        try:
            self._write()
        except OSError as error:
            _LOG.debug("No beat: %s", error)

    def _write(self) -> None:
        with self._lock:
            self._beats += 1
            state = {"kind": self.kind, "process": asdict(self.process), "beat": self._beats, "facts": self.facts}
            write_atomically(self._file, json.dumps(state, ensure_ascii=False).encode(), durable=False)


def living(runs: Path) -> list[Living]:
    """The processes of a runs folder by name, except those known to be dead. Deletes nothing."""
    processes = [_read_living(runs, path.stem) for path in sorted((runs / LIVE).glob("*.json"))]
    return [item for item in processes if item is not None and item.process.alive is not False]


def was_used(runs: Path) -> bool:
    """Whether the folder of living processes exists. The first process makes it, and nothing removes it."""
    return (runs / LIVE).is_dir()


def remove_leftovers(runs: Path) -> None:
    """Remove what dead processes left: their files, claims and drafts, and files that another machine has abandoned.

    What cannot be deleted, such as a file of another user, stays.
    """
    with suppress(OSError):
        stamps = [_written(file) for file in (runs / LIVE).glob("*.json")]
        before = max(stamps, default=0.0) - ABANDONED_SECONDS
        for file in (runs / LIVE).glob("*.json"):
            item = _read_living(runs, file.stem)
            alive = None if item is None else item.process.alive
            if alive is False or (alive is None and 0 < _written(file) < before):
                file.unlink(missing_ok=True)
        for claim in (runs / CLAIMS).glob("*.json"):
            holder = _read_claim(claim)
            alive = None if holder is None or holder.process is None else holder.process.alive
            beats = holder is not None and bool(holder.name) and _read_living(runs, holder.name) is not None
            if holder is not None and (alive is False or (alive is None and not beats and _written(claim) < before)):
                _remove(claim, holder.raw)
    with suppress(OSError):
        if all(item.process.alive for item in living(runs)):  # another machine may be writing a draft
            for pattern in _DRAFT_FOLDERS:
                for draft in runs.glob(f"{pattern}/.*.tmp"):
                    writer = _DRAFT.fullmatch(draft.name)
                    if writer and not psutil.pid_exists(int(writer[1])):
                        draft.unlink(missing_ok=True)


def _read_living(runs: Path, name: str) -> Living | None:
    """One process; None if it has ended or its file is damaged."""
    try:
        state = json.loads((runs / LIVE / f"{name}.json").read_bytes())
        return Living(name, state["kind"], Process(**state["process"]), state["beat"], state["facts"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        _LOG.debug("Not the file of a process: %s", name)
        return None


def _read_claim(path: Path) -> _Holder | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        claim = json.loads(raw)
        return _Holder(str(claim["holder"]), Process(**claim["process"]), raw)
    except (ValueError, KeyError, TypeError):  # damaged: the holder is unknown, so only the timeout applies
        return _Holder("", None, raw)


def _remove(claim: Path, raw: bytes) -> None:
    """Remove a claim if its content is still the known one; one observer at a time, where the folder has locks."""
    with locked(claim.parent, timeout=BEAT_SECONDS), suppress(FileNotFoundError):
        if claim.read_bytes() == raw:
            claim.unlink()


def _written(path: Path) -> float:
    """When a file was last written, by the file system's clock; 0 if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
