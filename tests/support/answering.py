"""Answers tables of commands in one process, where each table refuses imports. Itself imports nothing of the harness.

Run as a program, it reads a list of `[refused packages, commands]` as JSON, and prints a line of JSON for each command.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from folder_snapshot import snapshot


class Refusing:
    """Finds and loads the refused packages, and says that they are imported."""

    refused: tuple[str, ...] = ()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self.refused else None
        if spec is not None:
            spec.loader = self  # type: ignore[assignment]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        raise ImportError(f"{spec.name} is imported")


def answer(arguments: list[str]) -> tuple[int | str, str, str]:
    """Exit code, or the refused import, standard output and standard error."""
    from bench.cli.app import main

    sys.argv = ["etl-bench", *arguments]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        return ended.code or 0, out.getvalue(), err.getvalue()
    except ImportError as error:
        return str(error), out.getvalue(), err.getvalue()
    raise AssertionError("a command ends with an exit code")


if __name__ == "__main__":
    finder = Refusing()
    sys.meta_path.insert(0, finder)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a thread that outlives its command may print
    place = Path.cwd()
    after = snapshot(place)
    for refused, commands in json.load(sys.stdin):
        finder.refused = tuple(refused)
        for arguments in commands:
            found = answer(arguments)
            before, after = after, snapshot(place)
            changed = sorted({name for name, _ in before.items() ^ after.items()})
            print(json.dumps([*found, changed]), file=answers)
    answers.close()
