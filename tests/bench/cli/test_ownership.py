"""Every option that writes is tried on a file and in a folder of the user: their bytes stay, and the exit code is 2."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_tree import commands
from folder_snapshot import snapshot

from datasets_registry import DATASETS

SUBMIT = "board submit {} --who Lab --contact lab@example.org"
FILES = {
    "report --out": ("report --out {}", "page.html"),
    "predict --out": ("predict nothing pictures --out {}", "rows.csv"),
    "export --out": ("export --out {}", "table.csv"),
    "datasets draw --out": ("datasets draw spectrum_basic --shots 1 --out {}", "draw.json"),
    "runs export OUT": ("runs export {}", "mine.zip"),
}  # fmt: skip
"""Options that write a file: a command, and the name of the file that it would replace."""
MORE_FILES = [
    ("report --source published --out {}", "published.html"),
    ("export --format latex --out {}", "table.tex"),
    ("export --format markdown --out {}", "table.md"),
]
"""Defaults and further formats."""
FOLDERS = {
    "report --out": "report --out {}",
    "demo --out": "demo --quick --out {} --runs demo-runs",
    "board build --out": "board build empty --out {}",
    "board submit DIR": SUBMIT,
}
"""Options that write a folder."""
ADDS = {
    "run --runs", "demo --runs", "recommend --runs", "export --runs", "runs import --runs",
    "runs import-predictions --runs", "doctor --runs",
    "runs rebuild --runs", "run --cache", "demo --cache", "recommend --cache", "predict --cache",
    "doctor --cache", "papers reproduce --runs",
    "papers reproduce --cache", "doctor cache list --cache", "doctor cache verify --cache",
    "doctor cache clear --cache", "datasets check --data-root", "datasets fetch --data-root",
}  # fmt: skip
"""Folders into which files with names of their own are added, and of which only these are replaced or deleted."""
READS = {
    "--data-root", "--runs", "--classes", "--file", "--features", "--images", "--root", "--support", "--teacher",
    "run SWEEP", "run --submission", "runs import BUNDLE",
    "runs import-predictions FILE", "board build SUBMISSIONS", "board verify SUBMISSIONS", "board check DIR",
}  # fmt: skip
"""Options that only read: of one command, or of all that are not listed above."""


def paths() -> set[str]:
    """Every option and argument that is a path or adds a file, such as `report --out` or `runs export OUT`."""
    found = set()
    for name, command in commands().items():
        for option in command.params:
            shown = max(option.opts, key=len) if option.opts[0].startswith("-") else (option.metavar or option.name)
            if option.type_descriptor.annotation in (Path, list[Path]) or option.name in ("page", "write"):
                found.add(f"{name} {shown if shown.startswith('-') else shown.strip('[].').split('.')[0].upper()}")
    return found


@pytest.fixture
def place(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    list(DATASETS)
    monkeypatch.chdir(place)
    for name in ("HOME", "XDG_CACHE_HOME", "ETL_BENCH_CACHE"):
        monkeypatch.setenv(name, str(place))
    return place


def test_every_option_with_a_path_is_listed_as_one_that_reads_or_writes() -> None:
    writes = FILES.keys() | FOLDERS.keys() | ADDS
    unknown = {one for one in paths() - writes if one not in READS and one.rpartition(" ")[2] not in READS}
    assert unknown == set()
    assert writes - paths() == set()


def test_every_command_that_writes_for_the_user_has_the_option_force() -> None:
    forced = {
        name for name, command in commands().items() if any("--force" in option.opts for option in command.params)
    }
    assert {one.rpartition(" ")[0] for one in FILES.keys() | FOLDERS.keys()} == forced - {"datasets add"}


@pytest.mark.parametrize(("command", "name"), [*FILES.values(), *MORE_FILES])
def test_a_file_of_the_user_is_kept(command: str, name: str, place: Path, etl: Any) -> None:
    (place / name).write_text("mine\n")
    before = snapshot(place)
    code, _, err = etl(*shlex.split(command.format(name)))
    assert (code, snapshot(place)) == (2, before)
    assert f"{name} exists already" in err
    assert "--force" in err


@pytest.mark.parametrize("command", FOLDERS.values())
def test_a_folder_of_the_user_and_a_file_in_its_place_are_kept(command: str, place: Path, etl: Any) -> None:
    shutil.rmtree(place / "in-use", ignore_errors=True)
    for name in ("in-use/index.html", "in-use/runs/shards/aa/x.json", "in-use/photo.png", "mine.txt"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("mine\n")
    before = snapshot(place)
    for taken in ("in-use", "mine.txt"):
        code, _, err = etl(*shlex.split(command.format(taken)))
        assert (code, snapshot(place)) == (2, before)
        assert taken in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("report --out {}", "ours"),
        ("datasets draw spectrum_basic --shots 1 --out {}", "ours.json"),
        ("export --out {}", "ours.csv"),
        ("runs export {}", "ours.zip"),
        (SUBMIT, "our-lab"),
    ],
)
def test_what_etl_bench_wrote_is_replaced_without_a_question(command: str, name: str, place: Path, etl: Any) -> None:
    arguments = shlex.split(command.format(name))
    assert etl(*arguments)[0] in (0, 1)
    assert etl(*arguments)[0] in (0, 1)


def test_a_file_of_the_user_in_place_of_a_written_one_is_kept_unless_forced(place: Path, etl: Any) -> None:
    assert etl("export", "--out", "replaced.csv")[0] == 0
    (place / "replaced.csv").write_text("mine\n")
    assert etl("export", "--out", "replaced.csv")[0] == 2
    assert etl("export", "--out", "replaced.csv", "--force")[0] == 0
    assert (place / "replaced.csv").read_text() != "mine\n"
    assert etl("export", "--out", "replaced.csv")[0] == 0


def test_the_cache_deletes_only_what_it_wrote(place: Path, etl: Any) -> None:
    for name in ("features/birds/mine.safetensors", "pages/home-page", "pages/index.html"):
        (place / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "project" / name).write_text("mine\n")
    before = snapshot(place / "project")
    for command in ("clear", "verify", "info"):
        etl("doctor", "cache", command, "--cache", "project")
    assert snapshot(place / "project") == before
