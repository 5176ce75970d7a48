"""Plug-ins of installed packages: a new or changed one is imported in a child process before it is imported here.

So one that prints, hangs or ends the process is named and left out, and its outcome is kept until its files change.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

IMPORT_SECONDS = 120.0
"""Seconds that the import of a plug-in may take; it includes torch, which takes 30 s on a busy machine."""
PLUG_INS = "plug-ins"
"""Folder of the outcomes inside the cache folder."""
_DONE = b"\0imported\n"
_LONGEST = 4096
"""Bytes of a child's output that are read."""
_CHILD = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from datasets_registry._plugins import main; main()"
_checking = False
"""Whether this process imports a plug-in as a trial; it loads no other."""


def is_trial() -> bool:
    """Whether this process only tries the import of one plug-in."""
    return _checking


def user_cache_folder() -> Path:
    """The folder of cached features, pages and outcomes: ETL_BENCH_CACHE, or the user's cache folder."""
    return Path(os.environ.get("ETL_BENCH_CACHE") or user_cache_path("clip-etl-bench", appauthor=False))


def plug_in_place(point: EntryPoint) -> Path | None:
    """The folder of an entry point's package, or the file of its only module; None if it is not installed."""
    spec = find_spec(point.module.partition(".")[0])
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    return Path(folders[0] if folders else spec.origin or "")


def file_digests(place: Path | None) -> list[str]:
    """The digests of a Python file, or of all in a folder."""
    found = [] if place is None else sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return [f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in found if path.is_file()]


def unsafe_import(point: EntryPoint, seconds: float = IMPORT_SECONDS) -> str | None:
    """Why a plug-in is not imported here, to follow its name in a sentence; None if its import ends without output.

    An exception is no reason: the import here raises it as well.
    """
    try:
        digests = file_digests(plug_in_place(point))
    except (ImportError, ValueError):
        return None
    if not digests:
        return None
    key = hashlib.sha256("\n".join((sys.version, point.value, *digests)).encode()).hexdigest()
    kept = user_cache_folder() / PLUG_INS / key
    with suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8") or None
    problem = _tried(point, seconds)
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_name(f"{key}.{os.getpid()}")  # an incomplete outcome would say that there is no problem
        draft.write_text("" if problem is None else f"{problem}; to try it again, delete {kept}", encoding="utf-8")
        draft.replace(kept)
    return problem


def _tried(point: EntryPoint, seconds: float) -> str | None:
    """The outcome of the import in a child process, without input, in a group of its own."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _CHILD, json.dumps(sys.path), point.value],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    output = child.stdout
    assert output is not None  # it is a pipe
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(output.read(_LONGEST)), daemon=True)
    try:
        reader.start()
        reader.join(seconds)
        late = reader.is_alive()
    finally:
        _kill(child)
        child.wait()
    reader.join(1)  # it waits for more only if a process that the plug-in started still has the pipe
    if not reader.is_alive():
        output.close()
    said = found[0] if found else b""
    if said == _DONE:
        return None
    printed = said.removesuffix(_DONE)
    if printed:
        return f"it prints {printed.decode(errors='replace')[:40]!r} while it is imported"
    return f"its import does not end within {seconds:g} s" if late else "it ends the process that imports it"


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """End the child and its own children."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def main() -> None:
    """In the child: import the plug-in and say that its import has ended, in any way that does not end the process."""
    global _checking
    _checking = True
    with suppress(BaseException):
        EntryPoint("", sys.argv[2], "").load()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os.write(1, _DONE)
    os._exit(0)
