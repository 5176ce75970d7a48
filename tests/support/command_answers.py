"""Runs commands one after the other in a process of its own, in which some packages cannot be imported."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from places import ROOT
from wrong_commands import fill_place

RUNNER = """
import contextlib, functools, io, json, os, sys
from pathlib import Path
from importlib.machinery import PathFinder


class Refusing:
    def create_module(self, spec):
        raise ImportError(f"{spec.name} is imported")


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in os.environ["REFUSED"].split(","):
            spec = PathFinder.find_spec(name, path, target)
            spec.loader = Refusing()
            return spec


if os.environ["REFUSED"]:
    sys.meta_path.insert(0, Finder())
import typer.main
from bench.cli.app import main
from folder_snapshot import snapshot

typer.main.get_command = functools.cache(typer.main.get_command)
answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a thread that outlives its command may print
place = Path.cwd()
after = snapshot(place)
for arguments in json.load(sys.stdin):
    sys.argv = ["etl-bench", *arguments]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            main()
    except SystemExit as ended:
        code = ended.code
    except ImportError as error:
        code = str(error)
    before, after = after, snapshot(place)
    changed = sorted({name for name, _ in before.items() ^ after.items()})
    print(json.dumps([code, said.getvalue(), changed]), file=answers)
answers.close()
"""


def answers(
    commands: Sequence[str], folder: Path, refused: str = "torch,open_clip"
) -> dict[str, tuple[int | str, str, list[str]]]:
    """Exit code, or the refused import, standard error, and what changed in the folder."""
    place = folder / "place"
    place.mkdir()
    ids = fill_place(place)
    inputs = json.dumps([[ids.get(part, part) for part in shlex.split(command)] for command in commands])
    plain = {key: value for key, value in os.environ.items() if not key.startswith("ETL_BENCH_")}
    search = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "PATH"), str(place))  # no sbatch, so no jobs
    homes["XDG_CACHE_HOME"] = str(folder / "cache")
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=inputs, cwd=place, capture_output=True, text=True, check=True,
        env=plain | homes | {"REFUSED": refused, "PYTHONPATH": search, "ETL_BENCH_DATASETS": os.devnull},
    )  # fmt: skip
    return dict(zip(commands, map(json.loads, done.stdout.splitlines()), strict=True))


def complaint(code: int | str, said: str, changed: list[str]) -> str:
    """What is wrong with the answer to a wrong command; empty if nothing is."""
    if code != 2:
        return f"{code}: {said}"
    if changed:
        return f"it changed {changed}"
    clear = re.fullmatch(r"error: \S[^\n]+\n", said) and not re.search(r"[^.?!] See `", said)
    return "" if clear and "Traceback" not in said else said
