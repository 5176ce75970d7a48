"""A folder in which commands are mistyped, and the answers to commands there, from a process of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from fake_runner import make_difficulty, make_predictions, make_record, make_spec
from PIL import Image
from places import ROOT

from bench.record import RunError, RunStatus
from bench.results.database import fresh_store
from bench.results.shards import Shards
from datasets_registry import DATASETS


class Answer(NamedTuple):
    """What a command gave."""

    code: int | str
    """Or the refused package that it imported."""
    out: str
    err: str
    changed: list[str]
    """Files of the folder that were added, changed or deleted."""


def answers(tables: Iterable[tuple[str, Iterable[str]]], folder: Path) -> dict[str, Answer]:
    """The answers to tables of commands, each with the packages that it may not import, in one process.

    A package may be refused for a table only if it was refused for all before. A command of two tables has the answer
    of the first.
    """
    place = folder / "place"
    place.mkdir()
    ids = fill_place(place)
    typed = [(refused.split(","), list(commands)) for refused, commands in tables]
    inputs = [
        (refused, [[ids.get(part, part) for part in shlex.split(command)] for command in commands])
        for refused, commands in typed
    ]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("ETL_BENCH_")}
    search = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "PATH"), str(place))  # no sbatch, so no jobs
    homes |= {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": search,
        "ETL_BENCH_DATASETS": str(place / "etl-bench-datasets"),
    }
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "support" / "answering.py"], input=json.dumps(inputs), cwd=place,
        capture_output=True, text=True, check=True, env=plain | homes,
    )  # fmt: skip
    found = [Answer(*json.loads(line)) for line in done.stdout.splitlines()]
    commands = [command for _, commands in typed for command in commands]
    return dict(reversed(list(zip(commands, found, strict=True))))


def complaint(answer: Answer, said: str = "") -> str:
    """What is wrong with the answer to a wrong command, which is to say this; empty if nothing is."""
    if answer.code != 2:
        return f"{answer.code}: {answer.err}"
    if answer.changed:
        return f"it changed {answer.changed}"
    clear = re.fullmatch(r"error: \S[^\n]+\n", answer.err) and not re.search(r"[^.?!] See `", answer.err)
    return "" if clear and "Traceback" not in answer.err and said in answer.err else answer.err


def work_in(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in that folder, which is also the home. The catalogue is read first, so without its own datasets."""
    list(DATASETS)
    monkeypatch.chdir(place)
    for name in ("ETL_BENCH_CACHE", "ETL_BENCH_DATA", "ETL_BENCH_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(place))


def fill_place(folder: Path) -> dict[str, str]:
    """Runs, pictures, and files of the wrong kind in the folder; returns the id of a run by its status."""
    shards = Shards(folder / "runs")
    for seed in (1, 2):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions("base"), make_predictions("new")])
    error = RunError(kind="E", message="m", traceback="t")
    shards.write(make_record(make_spec(seed=3), status=RunStatus.FAILED, scores=[], cost=None, error=error))
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    fresh_store(folder / "runs")
    for parent in ("pictures", "parts/train", "parts/val", "parts/test"):
        for label, name in enumerate(("crow", "gull", "jay")):
            (folder / parent / name).mkdir(parents=True)
            for i in range(8):
                picture = Image.new("RGB", (4, 4), (label * 80, i * 20, len(parent) * 9))
                picture.save(folder / parent / name / f"{i}.png")
    for source, name in (("crow", "sea gull"), ("gull", "sea_gull")):
        shutil.copytree(folder / "pictures" / source, folder / "colour" / name)
    shutil.copytree(folder / "pictures" / "crow", folder / "one" / "crow")
    for bird in ("ant", "bee", "crow", "gull"):
        for part in ("train", "test") if bird in ("crow", "gull") else ("train",):
            shutil.copytree(folder / "pictures" / "crow", folder / "half" / part / bird)
    (folder / "empty").mkdir()
    for name in ("crow", "gull"):
        (folder / "broken" / name).mkdir(parents=True)
        (folder / "broken" / name / "0.png").write_bytes(b"")
    own = folder / "etl-bench-datasets"
    own.mkdir()
    half = f'images = "{folder / "half"}"\nsplit = "given"\nclasses = ["ant", "bee", "crow", "gull"]\n'
    (own / "untested.toml").write_text(half)
    (own / "named_twice.toml").write_text(half + 'template = "a {} and {}"\n')
    for name, text in {
        "file.txt": "some text\n",
        "mine.py": "no_method = 1\n",
        "broken.toml": "methods = [",
        "unknown.toml": "metods = ['coop']\n",
        "wrong.toml": "methods = ['coop']\ndatasets = ['spectrum_basic']\nshots = 'few'\n",
        "words.toml": "just some words\n",
        "float_seeds.toml": "methods = ['coop']\ndatasets = ['spectrum_basic']\nseeds = 3.0\n",
        "absent.csv": "path,label\nnowhere.png,crow\nnowhere2.png,gull\n",
        "outside.csv": "path;label\n/nowhere/1.png;crow\n/nowhere/2.png;gull\n",
        "mixed.csv": "path\tlabel\n/nowhere/1.png\tcrow\npictures/gull/1.png\tgull\n",
        "broken.safetensors": "no tensors, and no header\n",
        "nolabel.csv": "path,colour\npictures/crow/0.png,black\n",
        "twice.csv": "path,label\npictures/crow/0.png,crow\npictures/crow/0.png,gull\n",
        "features.npz": "PK no archive\n",
        "classes.txt": "crow\ngull\n",
        "some_absent.csv": "path,label\ncolour/sea gull/1.png,a\ncolour/sea gull/2.png,b\ncolour/sea_gull/99.png,b\n",
        "quoted.csv": 'path,label\n"colour/sea gull/1.png,a\n',
        "two_labels.csv": "path,label\ncolour/sea gull/1.png,a|b\n",
    }.items():
        (folder / name).write_text(text)
    return ids_by_status(folder / "runs")


def ids_by_status(runs: Path) -> dict[str, str]:
    """The id of a run by its status, for commands that name `ok` or `failed`."""
    shards = Shards(runs)
    return {str(shards.status(run_id)): run_id for run_id in shards.scan()}
