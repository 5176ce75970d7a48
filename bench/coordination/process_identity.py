"""Which process this is, and whether another one still lives, told without looking at any clock."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Self, cast


@dataclass(frozen=True)
class Process:
    """A process, told apart from every other one on every machine, before and after a restart.

    Args:
        host: name of its machine.
        boot: changes when the machine starts anew.
        namespace: numbering that `pid` belongs to; containers have their own.
        pid: process number.
        started: when it began, in ticks since the start of the machine, since numbers are used again; "" if unknown.
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
    def load(cls, value: dict[str, object]) -> Self:
        """The inverse of `dump`; raises KeyError or TypeError for anything else."""
        texts = {name: str(value[name]) for name in ("host", "boot", "namespace", "started")}
        return cls(pid=int(cast(int, value["pid"])), **texts)

    def dump(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)

    def alive(self) -> bool | None:
        """Whether it runs; None if that cannot be seen from here, because it belongs to another machine."""
        if (self.host, self.boot, self.namespace) != _machine() or os.name != "posix":
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # somebody else's process
            pass
        return not _ended(self.pid) and self.started in ("", _started(self.pid))


@cache
def _machine() -> tuple[str, str, str]:
    host = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return host, boot, str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return host, f"{uuid.getnode():x}", ""


def _stat(pid: int) -> list[str]:
    """The fields of Linux's process table from the state on; the name before it may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return []


def _started(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def _ended(pid: int) -> bool:
    """Whether all that is left is an entry that its parent has not read yet."""
    return _stat(pid)[:1] in (["Z"], ["X"])
