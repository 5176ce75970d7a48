"""Commands that compute nothing, and wrong ones, import neither torch nor open_clip.

They run in a process of their own, in which executing either package is an error. Wrong commands, as people type them,
get one clear line and exit code 2; nothing is created or changed.
"""

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
from wrong_commands import CHECKED_BY_CODE, WRONG, fill_place

DRY = "run --dry-run --runs new "
LISTING = [
    "--help",
    "--version",
    "methods",
    "methods --json",
    "methods coop",
    "methods show linear_probe --json",
    "datasets",
    "datasets spectrum_basic",
    "backbones",
    "backbones --json",
    "backbones ViT-B-16-SigLIP2",
    "status",
    "status --runs empty",
    "models",
    "models --json",
    "doctor cache list",
    "doctor docs",
    "papers published --list protocol",
    "papers list",
    "papers audit",
    "papers audit apex-table-2",
    "papers reproduce apex",
    "papers reproduce apex --on synthetic --runs new --json",
    "run --help",
    "run -m coop -d spectrum_basic --print-toml",
    DRY + "-m coop -d spectrum_basic",
    DRY + "-m all -d 'spectrum_*' --json",
    DRY + "-m apex_on:maple,wise_ft_on:coop,dept_on:tcp -d spectrum_basic",
    DRY + "-m coop,vpt -d spectrum_basic -b ViT-B-16.openai,ViT-L-14.openai --protocol few-shot --shots 1,2",
    DRY + "-m coop -d spectrum_basic --set '*.recipe.epochs=3' --selection validation",
    DRY + "-m clip_adapter -d spectrum_basic --recipe demo --class-text ensemble:select7",
    DRY + "-m coop -d spectrum_basic --protocol cross-dataset --targets spectrum_blur",
    "runs list",
    "runs show ok",
    "leaderboard",
    "runs sql 'select count(*) from runs'",
]
RUNNER = """
import contextlib, io, json, os, sys
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
from bench.cli.app import main
from folder_snapshot import snapshot

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
    print(json.dumps([code, said.getvalue(), sorted({name for name, _ in before.items() ^ after.items()})]), flush=True)
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


def test_a_listing_or_a_plan_imports_no_torch(tmp_path: Path) -> None:
    found = answers(LISTING, tmp_path)
    assert {command: answer for command, answer in found.items() if answer[0] != 0} == {}


CATALOGUE = [
    "--help",
    "methods",
    "methods coop",
    "datasets",
    "datasets spectrum_basic",
    "backbones",
    "papers list",
]


def test_the_catalogue_is_listed_without_the_packages_of_statistics(tmp_path: Path) -> None:
    """They would take longer to import than the listing takes."""
    found = answers(
        [*CATALOGUE, "papers reproduce apex --runs new"], tmp_path, "torch,open_clip,scipy,pandas,duckdb,sklearn"
    )
    assert {command: answer for command, answer in found.items() if answer[0] != 0} == {}


def complaint(code: int | str, said: str, changed: list[str]) -> str:
    """What is wrong with the answer to a wrong command; empty if nothing is."""
    if code != 2:
        return f"{code}: {said}"
    if changed:
        return f"it changed {changed}"
    clear = re.fullmatch(r"error: \S[^\n]+\n", said) and not re.search(r"[^.?!] See `", said)
    return "" if clear and "Traceback" not in said else said


def test_a_wrong_command_gets_one_line_creates_nothing_and_imports_no_torch(tmp_path: Path) -> None:
    found = {command: complaint(*answer) for command, answer in answers(WRONG, tmp_path).items()}
    assert {command: what for command, what in found.items() if what} == {}


def test_a_value_that_only_code_can_check_gets_one_line_too(tmp_path: Path) -> None:
    found = {one: complaint(*answer) for one, answer in answers(CHECKED_BY_CODE, tmp_path, "").items()}
    assert {command: what for command, what in found.items() if what} == {}
