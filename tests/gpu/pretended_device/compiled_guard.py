"""The compiled part of the pretended device, built once per version of torch and stored in the user's cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from datasets_registry import BenchError

SOURCE = Path(__file__).with_name("guard.cpp")
COMPILERS = ("g++", "clang++", "c++")


class PretendedDeviceError(BenchError):
    """The pretended device cannot be installed here."""


def why_unavailable() -> str | None:
    """The reason why this machine cannot pretend a device, or None. Imports no torch and compiles nothing."""
    if not sys.platform.startswith("linux"):
        return f"the pretended device needs Linux, this is {sys.platform}"
    if not _compiled_path().exists() and _compiler() is None:
        return f"the pretended device needs a C++ compiler, and none of {', '.join(COMPILERS)} was found"
    return None


def torch_folder() -> Path:
    """The folder in which torch is installed."""
    found = importlib.util.find_spec("torch")
    assert found is not None  # a dependency
    assert found.origin is not None
    return Path(found.origin).parent


def compiled_guard() -> Path:
    """The shared library, compiled unless it is in the cache."""
    path = _compiled_path()
    if path.exists():
        return path
    compiler = _compiler()
    if compiler is None:
        raise PretendedDeviceError(f"None of {', '.join(COMPILERS)} was found; install one, such as Debian's `g++`.")
    root = torch_folder()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        options = ["-O1", "-shared", "-fPIC", "-std=c++20", f"-I{root / 'include'}", f"-L{root / 'lib'}"]
        command = [compiler, *options, str(SOURCE), "-lc10", "-ltorch_cpu", "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
            raise PretendedDeviceError(f"{compiler} could not compile {SOURCE.name} against torch: {first}")
        made.replace(path)  # another process may have made the same file
    return path


@cache
def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, COMPILERS)), None)


@cache
def _compiled_path() -> Path:
    version = importlib.metadata.version("torch")
    identity = hashlib.sha256(SOURCE.read_bytes() + f"{version} {torch_folder()}".encode()).hexdigest()[:16]
    return _cache_folder() / f"guard-{identity}.so"


def _cache_folder() -> Path:
    """A folder of this user that can be written to."""
    preferred = user_cache_path("clip-etl-bench", appauthor=False) / "pretended-device"
    try:
        preferred.mkdir(parents=True, exist_ok=True)
        if os.access(preferred, os.W_OK):
            return preferred
    except OSError:
        pass  # a home that cannot be written to, as in some containers
    return Path(tempfile.mkdtemp(prefix="pretended-device-"))
