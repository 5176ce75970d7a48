"""Stated values are found with their lines, and cases with the same value stand once."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from methods import get_method
from tools.official_settings import __main__ as command
from tools.official_settings.compared import published_cases
from tools.official_settings.values_in_files import NotStatedError, value_in

YAML = 'OPTIM:\n  LR: 2e-3\n  NAME: "sgd"\nINPUT:\n  RRCROP_SCALE: (0.5, 1.0)\n'
PYTHON = """_C.OPTIM.LR = 0.0003
parser.add_argument("--rank", type=int, default=4)
parser.add_argument("--all", action="store_true")


def build(depth=9, *, width=3):
    alpha = 0.5
    run(beta=2.0)
    table = {"food101": 8, "DescribableTextures": "a  {} texture. ", "EuroSAT": ["a {}", "{}"]}
    alpha = 0.7
"""
SCRIPT = "#!/bin/bash\nSHOTS=16\n# EPOCHS=3\npython train.py --lr 0.1 \\\n  OPTIM.MAX_EPOCH 5 --wd=1e-4\n"

SOURCE = """repository = "someone/code"
commit = "COMMIT"
[[values]]
methods = ["coop"]
dassl = "a.yaml"
[values.recipe]
epochs = { file = "a.sh", argument = "OPTIM.MAX_EPOCH" }
[[values]]
methods = ["coop"]
protocols = ["few-shot"]
datasets = ["dtd"]
shots = [16]
[values.recipe]
lr = { file = "a.sh", argument = "--lr", differs = "a reason" }
[values.settings]
n_ctx = { unstated = "the code" }
class_position = { ours = "there is one position" }
[[values]]
methods = ["clap"]
datasets = ["dtd", "eurosat"]
[values.settings]
templates = { file = "a.py", name = "<dataset>", with = ["a {} again"] }
"""


@pytest.mark.parametrize(
    ("text", "file", "place", "value", "line"),
    [
        (YAML, "a.yaml", {"key": "OPTIM.LR"}, 0.002, 2),
        (YAML, "a.yaml", {"key": "OPTIM.NAME"}, "sgd", 3),
        (YAML, "a.yaml", {"key": "INPUT.RRCROP_SCALE"}, (0.5, 1.0), 5),
        (PYTHON, "a.py", {"key": "OPTIM.LR"}, 0.0003, 1),
        (PYTHON, "a.py", {"argument": "--rank"}, 4, 2),
        (PYTHON, "a.py", {"name": "depth"}, 9, 6),
        (PYTHON, "a.py", {"name": "width"}, 3, 6),
        (PYTHON, "a.py", {"name": "alpha"}, 0.5, 7),
        (PYTHON, "a.py", {"name": "alpha", "after": "table ="}, 0.7, 10),
        (PYTHON, "a.py", {"name": "alpha", "after": ["alpha = 0.5", "table ="]}, 0.7, 10),
        (PYTHON, "a.py", {"name": "beta"}, 2.0, 8),
        (PYTHON, "a.py", {"name": "food101"}, 8, 9),
        (PYTHON, "a.py", {"line": "run(beta=2.0)"}, "run(beta=2.0)", 8),
        (SCRIPT, "a.sh", {"variable": "SHOTS"}, 16, 2),
        (SCRIPT, "a.sh", {"argument": "--lr"}, 0.1, 4),
        (SCRIPT, "a.sh", {"argument": "OPTIM.MAX_EPOCH"}, 5, 5),
        (SCRIPT, "a.sh", {"argument": "--wd"}, 1e-4, 5),
    ],
)
def test_a_value_and_its_line_are_found(text: str, file: str, place: dict[str, Any], value: object, line: int) -> None:
    found = value_in(text, place | {"file": file})
    assert (found.value, found.line) == (value, line)


@pytest.mark.parametrize(
    ("text", "file", "place"),
    [
        (YAML, "a.yaml", {"key": "OPTIM.MAX_EPOCH"}),
        (PYTHON, "a.py", {"argument": "--all"}),
        (PYTHON, "a.py", {"name": "gamma"}),
        (PYTHON, "a.py", {"name": "depth", "after": "alpha = 0.5"}),
        (SCRIPT, "a.sh", {"variable": "EPOCHS"}),
        (SCRIPT, "a.sh", {"line": "SHOTS=1 6"}),
        (SCRIPT, "a.sh", {"wrong": "SHOTS"}),
        ("not python (", "a.py", {"name": "depth"}),
    ],
)
def test_what_a_file_does_not_state_is_an_error(text: str, file: str, place: dict[str, Any]) -> None:
    with pytest.raises(NotStatedError):
        value_in(text, place | {"file": file})


def clone_with(folder: Path, files: dict[str, str]) -> str:
    """A clone of `someone/code` with these files; its commit."""
    clone = folder / "someone" / "code"
    clone.mkdir(parents=True)
    for name, text in files.items():
        (clone / name).write_text(text, encoding="utf-8")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(clone)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()[:7]


def read_source(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings that this description states, of the clones in the folder."""
    (folder / "sources").mkdir()
    (folder / "sources" / "code.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(command, "SOURCES", folder / "sources")
    return command.read(folder, [])


@pytest.mark.usefixtures("git_installed")
def test_later_and_narrower_values_replace_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = clone_with(tmp_path, {"a.yaml": YAML, "a.sh": SCRIPT, "a.py": PYTHON})
    found = read_source(SOURCE.replace("COMMIT", commit), tmp_path, monkeypatch)
    assert list(found) == ["clap", "coop"]
    assert set(found["coop"]) == {(str(p), d, s) for p, d, s in published_cases(get_method("coop").info)}
    stored = command.as_json("coop", found["coop"])
    rates = [row for row in stored if row[0] == "recipe.lr"]
    ((_, protocols, datasets, shots, value, stated, where, differs, ours),) = [row for row in rates if row[4] == 0.1]
    assert (protocols, list(datasets), list(shots)) == (["few-shot"], ["dtd"], [16])
    assert (value, stated, where, differs, ours) == (0.1, "0.1", f"someone/code@{commit} a.sh:4", "a reason", 0.002)
    assert {row[4] for row in rates} == {0.002, 0.1}
    case = [["few-shot"], ("dtd",), (16,)]
    assert ["n_ctx", *case, None, "not stated", "", "the code", 16] in stored
    assert ["class_position", *case, None, "none", "", "there is one position", "end"] in stored
    texts = {case[1]: values["templates"].value for case, values in found["clap"].items() if values}
    assert texts == {"dtd": ["a {} texture.", "a {} again"], "eurosat": ["a {}", "{}", "a {} again"]}
    said = command.problems("coop", found["coop"])
    assert any("recipe.batch_size: no source" in text for text in said)
    assert any("recipe.epochs: ours" in text and "theirs 5" in text for text in said)


@pytest.mark.usefixtures("git_installed")
@pytest.mark.parametrize(
    "values",
    [
        "recipe.wrong = 'OPTIM.LR'",
        "settings.n_ctxs = 'OPTIM.LR'",
        "recipe.lr = 'X.Y'",
        "recipe.steps = 'OPTIM.LR'",  # a field of recipes that has no effect in this method's
        "protocols = ['test-time']\nrecipe.lr = 'OPTIM.LR'",  # in which the method has no published settings
        "words.frozen = 'OPTIM.NAME'",
    ],
)
def test_a_value_that_is_compared_with_nothing_is_an_error(
    values: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = clone_with(tmp_path, {"a.yaml": YAML})
    text = (
        f'repository = "someone/code"\ncommit = "{commit}"\n[[values]]\nmethods = ["coop"]\nfile = "a.yaml"\n{values}\n'
    )
    with pytest.raises(NotStatedError):
        read_source(text, tmp_path, monkeypatch)
