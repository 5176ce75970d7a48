"""Commands that compute nothing, and all wrong ones, import neither torch nor open_clip.

They run in one process of their own, in which executing either package is an error.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import Any

import pytest
from places import ROOT
from wrong_commands import WRONG, fill_place

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
    "status --runs new",
    "models",
    "models --json",
    "doctor cache info",
    "doctor docs",
    "papers published --list protocol",
    "run --help",
    "run -m coop -d spectrum_basic --print-toml",
    DRY + "-m coop -d spectrum_basic",
    DRY + "-m all -d 'spectrum_*' --json",
    DRY + "-m apex_on:maple,wise_ft_on:coop,dept_on:tcp -d spectrum_basic",
    DRY + "-m coop,vpt -d spectrum_basic -b ViT-B-16.openai,ViT-L-14.openai --protocol few-shot --shots 1,2",
    DRY + "-m coop -d spectrum_basic --set coop.n_ctx=8 --set '*.recipe.epochs=3' --selection validation",
    DRY + "-m clip_adapter -d spectrum_basic --recipe demo --class-text ensemble:select7",
    DRY + "-m coop -d spectrum_basic --protocol cross-dataset --targets spectrum_blur",
    "runs show ok",
    "leaderboard",
    "runs sql 'select count(*) from runs'",
]
RUNNER = """
import contextlib, io, json, os, sys
from importlib.machinery import PathFinder


class Refusing:
    def create_module(self, spec):
        raise ImportError(f"{spec.name} is imported")


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "open_clip"):
            spec = PathFinder.find_spec(name, path, target)
            spec.loader = Refusing()
            return spec


sys.meta_path.insert(0, Finder())
from bench.cli.app import main

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
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Exit code, or the refused import, and standard error of each command."""
    place = tmp_path_factory.mktemp("place")
    ids = fill_place(place)
    commands = [*LISTING, *WRONG]
    inputs = json.dumps([[ids.get(part, part) for part in shlex.split(command)] for command in commands])
    plain = {key: value for key, value in os.environ.items() if not key.startswith("ETL_BENCH_")}
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PATH"), str(place))  # no sbatch, so no jobs
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=inputs, cwd=place, capture_output=True, text=True, check=True,
        env=plain | homes | {"PYTHONPATH": str(ROOT), "ETL_BENCH_DATASETS": os.devnull},
    )  # fmt: skip
    return dict(zip(commands, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("command", LISTING)
def test_a_listing_or_a_plan_imports_no_torch(command: str, answers: dict[str, Any]) -> None:
    assert answers[command][0] == 0, answers[command]


@pytest.mark.parametrize("command", WRONG)
def test_a_refusal_imports_no_torch(command: str, answers: dict[str, Any]) -> None:
    code, said = answers[command]
    assert code == 2, (code, said)
    assert said.startswith("error: ")
