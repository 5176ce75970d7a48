"""Folders that this process may read but not write, and modes of files that hold for a superuser too."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
"""Linux's numbers of the capabilities that let a superuser ignore modes."""
_CAPABILITIES_V3 = 0x20080522


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Inside the block, nothing below `folder` can be written. A superuser becomes another user for that time."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    superuser = os.geteuid() == 0
    if superuser:
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        if superuser:
            os.setresuid(0, 0, 0)
        for path, mode in modes.items():
            path.chmod(mode)


@contextmanager
def modes_hold() -> Iterator[None]:
    """Inside the block, the modes of files and folders also hold for a superuser; on Linux only.

    The capabilities are those of this thread and of threads that it starts.
    """
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    before = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
    inside = (ctypes.c_uint32 * 6)()
    for sets in (before, inside):
        if libc.capget(header, sets):
            raise OSError(ctypes.get_errno(), "capget")
    inside[0] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    if libc.capset(header, inside):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        if libc.capset(header, before):
            raise OSError(ctypes.get_errno(), "capset")
