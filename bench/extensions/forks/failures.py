"""Why official code ended without predictions, in one line with the next step, from the end of its log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_ABSENT = re.compile(r"the package (\S+) is absent and is called")
_NO_MODULE = re.compile(r"No module named ['\"]([\w.]+)['\"]")
_NO_FILE = re.compile(r"(?:No such file or directory: |can't find '|Cannot find |not found: )['\"]?([^'\"\n]+)")
_ERROR = re.compile(r"^(?:(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt)\b.*|\S+\.py: error: .*)$")
"""The last line of a traceback, or of argparse."""
_FRAME = re.compile(r'^\s+File "([^"]+)", line (\d+)')
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_SHOWN = 300


def reason(
    log: str, code: int, files: Sequence[str] = (), submodules: Sequence[str] = (), evaluated: Sequence[str] = ()
) -> str:
    """What went wrong and what to do, one sentence each.

    Args:
        code: exit code of the process.
        files: tracked files of the repository.
        submodules: folders of submodules that were not fetched.
        evaluated: what it evaluated, in a few words each.

    Example:
        >>> reason("ImportError: the package ot is absent and is called: ot.sinkhorn", 1)
        'It needs the package ot. Install it for its Python, see --set fork.python.'
    """
    lines = log.splitlines()
    last = _last_error(lines)
    if last.startswith("Exception"):  # says little; the authors' code has caught an error before
        lines = _root_cause(lines)
        last = _last_error(lines)
    if match := _ABSENT.search(last) or _NO_MODULE.search(last):
        return _no_module(match[1], files, submodules)
    if "FileNotFoundError" in last or _NO_FILE.search(last):
        match = _NO_FILE.search(last)
        what = f"It reads the file {match[1].strip()}, which is absent" if match else f"A file is absent: {last}"
        return f"{what}: a teacher, class texts, or the result of a first stage. Its README says where it comes from."
    if "SUBSAMPLE_CLASSES" in last or "the command asks for the classes" in last:
        return f"{_short(last)}."
    if code in (-9, 137) or "out of memory" in last.lower():
        return "Its memory ran out. Use a smaller batch with --set 'fork.opts=DATALOADER.TRAIN_X.BATCH_SIZE 8'."
    if _in_library(lines) and re.match(r"(TypeError|AttributeError|RuntimeError)", last):
        return (
            f"A call of a library fails, perhaps because its version is not the author's: {_short(last)}. Give "
            "the Python of the author's environment with --set fork.python."
        )
    if last:
        frames = [match for line in lines if (match := _FRAME.match(line))]
        place = f" in {Path(frames[-1][1]).name}, line {frames[-1][2]}" if frames and ":" not in last else ""
        return f"It ended with {_short(last)}{place}."
    if evaluated:
        return f"It never evaluated all test images in their order, only {', '.join(evaluated)}."
    return f"It ended with exit code {code} and without an evaluation of all test images."


def _last_error(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if _ERROR.match(line.strip())), "")


def _root_cause(lines: list[str]) -> list[str]:
    """The log up to the error that was caught first, if there is one."""
    return next((lines[:number] for number, line in enumerate(lines) if line.startswith(_CHAINED)), lines)


def _no_module(name: str, files: Sequence[str], submodules: Sequence[str]) -> str:
    top = name.partition(".")[0]
    if submodules:
        absent = ", ".join(submodules)
        return f"The module {name} and the submodules {absent} are missing. Fetch them: git submodule update --init."
    if name == "dassl" or name.startswith("dassl."):
        return (
            f"The module {name} is missing. Clone https://github.com/KaiyangZhou/Dassl.pytorch and give its folder "
            "with --set fork.path=FOLDER."
        )
    if any(file.startswith(f"{top}/") or f"/{top}/" in file for file in files):
        return f"The repository is incomplete: its own module {name} was not committed."
    return f"It needs the package {top}. Install it for its Python, see --set fork.python."


def _in_library(lines: Sequence[str]) -> bool:
    """Whether the innermost frame of the last traceback is a file of an installed package."""
    frames = [match[1] for line in lines if (match := _FRAME.match(line))]
    return bool(frames) and ("site-packages" in frames[-1] or "/lib/python" in frames[-1])


def _short(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
