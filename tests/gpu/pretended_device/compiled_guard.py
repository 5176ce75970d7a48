"""The compiled part of the pretended device, built once per version of torch and stored in the user's cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

SOURCE = Path(__file__).with_name("guard.cpp")
COMPILERS = ("g++", "clang++", "c++")
TORCH = Path(str(importlib.util.find_spec("torch").origin)).parent  # type: ignore[union-attr]
COMPILER = next(filter(None, map(shutil.which, COMPILERS)), None)


def why_unavailable() -> str | None:
    """The reason why this machine cannot pretend a device, or None. Imports no torch and compiles nothing."""
    if not sys.platform.startswith("linux"):
        return f"the pretended device needs Linux, this is {sys.platform}"
    if not _compiled_path().exists() and COMPILER is None:
        return f"the pretended device needs a C++ compiler, and none of {', '.join(COMPILERS)} was found"
    return None


def compiled_guard() -> Path:
    """The shared library, compiled unless it is in the cache."""
    path = _compiled_path()
    if path.exists():
        return path
    assert COMPILER is not None  # see `why_unavailable`
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        options = ["-O1", "-shared", "-fPIC", "-std=c++20", f"-I{TORCH / 'include'}", f"-L{TORCH / 'lib'}"]
        subprocess.run([COMPILER, *options, str(SOURCE), "-lc10", "-ltorch_cpu", "-o", str(made)], check=True)
        made.replace(path)  # another process may have made the same file
    return path


@cache
def _compiled_path() -> Path:
    version = importlib.metadata.version("torch")
    identity = hashlib.sha256(SOURCE.read_bytes() + f"{version} {TORCH}".encode()).hexdigest()[:16]
    folder = user_cache_path("clip-etl-bench", appauthor=False) / "pretended-device"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"guard-{identity}.so"
