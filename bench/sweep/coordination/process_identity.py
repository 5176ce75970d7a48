"""Identifies a process across machines and restarts, and checks whether it is alive without comparing clocks."""

import os
import socket
import uuid
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import psutil


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, unique across all machines.

    Args:
        boot: changes when the machine restarts.
        namespace: the PID namespace; containers have their own.
        started: when it started, because PIDs are reused. On Linux clock ticks since boot, elsewhere the system's
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

    @classmethod
    def load(cls, value: dict[str, Any]) -> Self:
        """The inverse of `dump`; raises KeyError, TypeError or ValueError for anything else."""
        texts = {name: str(value[name]) for name in ("host", "boot", "namespace", "started")}
        return cls(pid=int(value["pid"]), **texts)

    def dump(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)

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

    def stopped(self) -> bool:
        """Whether it is alive here and stopped by a signal, as by SIGSTOP or Ctrl-Z."""
        try:
            return self.alive() is True and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
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
