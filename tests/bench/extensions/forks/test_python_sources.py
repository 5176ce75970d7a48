"""What Python files import and read is found from their syntax trees."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_in_forks import apply, commit, make_fork

from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.python_sources import PythonSources


def sources(folder: Path, start: str = "train.py", **files: str) -> PythonSources:
    made = make_fork(folder)
    for name, text in files.items():
        apply(made, (name.replace("__", "/") + ".py", "", text))
    if files:
        commit(made)
    return PythonSources(Fork.read(made), (start,))


def test_files_are_followed_from_import_to_import(tmp_path: Path) -> None:
    found = sources(tmp_path / "fork")
    assert found.files[0] == "train.py"
    assert {"trainers/offset_text.py", "clip/clip.py", "clip/model.py", "dassl/engine/trainer.py"} <= {*found.files}
    assert found.absent == ()
    assert {"torch", "comet_ml"} <= found.outside
    assert not {"clip", "dassl", "trainers"} & found.outside


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("import trainers.losses", ["trainers.losses"]),
        ("from trainers.losses import penalty", ["trainers.losses"]),
        ("from trainers.losses.kinds import a\nfrom trainers.losses import b", ["trainers.losses"]),
        ("from .losses import penalty", ["losses"]),
        ("from . import offset_text", []),
        ("from trainers import offset_text", []),
        ("from trainers import an_attribute", []),
        ("try:\n    import trainers.losses\nexcept ImportError:\n    pass", []),
        ("def later():\n    import trainers.losses", []),
        ("import losses", []),  # no package of the repository, so it may be installed
    ],
)
def test_only_modules_of_its_own_packages_that_are_imported_at_once_are_absent(
    line: str, absent: list[str], tmp_path: Path
) -> None:
    found = sources(tmp_path / "fork", start="trainers/more.py", trainers__more=line)
    assert [one.module for one in found.absent] == absent


def test_the_folder_of_the_script_comes_first(tmp_path: Path) -> None:
    """Of two trees with one name each, the code of its own tree is loaded."""
    files = {"other__run": "import pieces.loss", "other__pieces__loss": "x = 1", "pieces__loss": "import comet_ml"}
    assert sources(tmp_path / "fork", start="other/run.py", **files).files == ("other/run.py", "other/pieces/loss.py")


def test_files_that_are_read_are_named_and_those_that_are_written_are_not(tmp_path: Path) -> None:
    lines = [
        'json.load(open("a.json"))',
        'open("b.txt", "w")',
        'open("c.txt", mode="a")',
        "open(name)",
        'load("d.npy")',
    ]
    text = "\n".join(lines)
    found = sources(tmp_path / "fork", start="x.py", x=text)
    assert sorted(found.texts_read("x.py")) == ["a.json", "d.npy"]


def test_code_that_cannot_be_parsed_imports_nothing(tmp_path: Path) -> None:
    found = sources(tmp_path / "fork", start="x.py", x="import trainers.losses\ndef (")
    assert (found.files, found.absent, found.outside) == (("x.py",), (), frozenset())
