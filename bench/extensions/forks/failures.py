"""Why official code ended without predictions, in one line with the next step.

Reasons are read from the exception itself, which the runner notes. Nothing is guessed from an exit code.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

_SHOWN = 300
_OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")
_MODULE, _FILE = ("ModuleNotFoundError", "AbsentPackageError"), "FileNotFoundError"
_SAYS_LITTLE = "Exception"
"""Authors raise it after they have caught another error."""


def reason(
    facts: Mapping[str, Any], code: int, log: str, files: Collection[str], submodules: Sequence[str] = ()
) -> str:
    """What went wrong and what to do, one sentence each.

    Args:
        facts: what the runner noted; empty if its process ended before it could. `error` is the exception with those
            that led to it, see `noted_error` of `fork_side.py`.
        code: exit code of the process, negative for a signal.
        log: the end of what it printed.
        files: tracked files of the repository.
        submodules: folders of submodules that were not fetched.

    Example:
        >>> error = {"kind": "ModuleNotFoundError", "text": "No module named 'ot'", "module": "ot", "frames": []}
        >>> reason({"error": [error]}, 1, "", ())
        'The module ot is neither in the repository nor in its Python. Install it there, see --set fork.python.'
    """
    if errors := facts.get("error"):
        says_little = errors[0]["kind"] == _SAYS_LITTLE and len(errors) > 1
        return _of_error(errors[-1 if says_little else 0], log, files, submodules)
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    printed = f" The last line that it printed: {_short(last)}." if last else " It printed nothing."
    if code < 0:
        return f"Its process was ended by {_signal(-code)}.{printed}"
    if not facts:
        return f"Its Python ended with exit code {code} before the code could start or end.{printed}"
    if seen := [f"{one['images']} images of {one['classes']} classes" for one in facts.get("evaluations", ())]:
        return f"Dassl's evaluator never received all test images in their order, only {', '.join(seen)}."
    return f"It ended without an error, and Dassl's evaluator received no scores of the test images.{printed}"


def _of_error(error: Mapping[str, Any], log: str, files: Collection[str], submodules: Sequence[str]) -> str:
    kind, text = error["kind"].rpartition(".")[2], error["text"]
    if kind in _MODULE and error.get("module"):
        return _no_module(error, files, submodules)
    if kind == _FILE and error.get("file"):
        return _no_file(error, files)
    if kind in _OUT_OF_MEMORY or "out of memory" in text.casefold():
        smaller = "--set 'fork.opts=DATALOADER.TRAIN_X.BATCH_SIZE 8'"
        return f"Its memory ran out{_place(error)}. Use a smaller batch: {smaller}."
    if kind == "SystemExit":
        last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
        return f"It left with sys.exit({_short(text)}){_place(error)}. The last line that it printed: {_short(last)}."
    says = f"{error['kind']}: {_short(text)}" if text.strip() else error["kind"]
    return f"It ended with {says}{_place(error)}."


def _place(error: Mapping[str, Any]) -> str:
    """Where the repository's own code was, and the package that it called, if the error arose there."""
    frames = error.get("frames", ())
    own = next((frame for frame in reversed(frames) if frame["own"]), None)
    if own is None:
        return f" in {PurePosixPath(frames[-1]['file']).name}, line {frames[-1]['line']}" if frames else ""
    place = f" in {own['file']}, line {own['line']}"
    if frames[-1]["own"]:
        return place
    return f"{place}, in a call of {_package(frames[-1]['file'])}"


def _package(file: str) -> str:
    """The package that a file belongs to, or its name."""
    parts = PurePosixPath(file.replace("\\", "/")).parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts[:-1]:
            return parts[parts.index(folder) + 1].removesuffix(".py")
    return parts[-1]


def _no_module(error: Mapping[str, Any], files: Collection[str], submodules: Sequence[str]) -> str:
    name = error["module"]
    top, ends = name.partition(".")[0], name.replace(".", "/")
    wanted = f"The module {name}, imported{_place(error)}," if _place(error) else f"The module {name}"
    here = sorted(one for one in files if one.endswith((f"{ends}.py", f"{ends}/__init__.py")))
    if here:
        return f"{wanted} is not where it was looked for. The repository has {here[0]}."
    if submodules:
        absent = ", ".join(submodules)
        return f"{wanted} is missing, and so are the submodules {absent}. Fetch them: git submodule update --init."
    if top == "dassl" and not any("dassl" in PurePosixPath(one).parts for one in files):
        return (
            f"{wanted} is missing. Clone https://github.com/KaiyangZhou/Dassl.pytorch and give its folder with "
            "--set fork.path=FOLDER."
        )
    if any(top in PurePosixPath(one).parts[:-1] for one in files):
        return f"{wanted} is not in the repository, which has other modules of {top}."
    return f"{wanted} is neither in the repository nor in its Python. Install it there, see --set fork.python."


def _no_file(error: Mapping[str, Any], files: Collection[str]) -> str:
    name = PurePosixPath(error["file"]).name
    wanted = f"It reads {_short(error['file'])}{_place(error)}, and there is no such file."
    if here := sorted(one for one in files if PurePosixPath(one).name == name):
        return f"{wanted} The repository has {here[0]}."
    return f"{wanted} The repository has none of that name. Its README may say where it comes from."


def _signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"the signal {number}"
    return f"{name}, which the system also sends when memory runs out" if name == "SIGKILL" else name


def _short(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
