"""What arguments of scripts become is found by calls with marks; values come from READMEs and settings files."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_case import for_each
from stand_in_forks import SETTINGS, apply, commit, make_fork

from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.script_arguments import (
    argument_names,
    constants,
    examples,
    open_places,
    setting_in,
    with_constants,
)
from bench.extensions.forks.script_calls import TrainingCall, called_trainings

TRAIN = "python train.py --trainer OffsetText --dataset-config-file configs/datasets/$1.yaml"


def called(folder: Path, script: str, readme: str = "", settings: str = "") -> TrainingCall:
    """The call with arguments of a script that is the only one of a checkout."""
    made = make_fork(folder)
    for old in (made / "scripts").iterdir():
        old.unlink()
    (made / "scripts" / "run.sh").write_text(script)
    if readme:
        apply(made, ("README.md", "", readme))
    if settings:
        (made / SETTINGS).write_text(settings)
    commit(made)
    *_, found = called_trainings(Fork.read(made))
    return found


@pytest.mark.parametrize(
    ("script", "readme", "args", "note"),
    [
        (f"{TRAIN} --seed $2 DATASET.NUM_SHOTS $3\n", "", "{dataset} {seed} {shots}", ""),
        (f"{TRAIN} --shots $2\n", "", "{dataset} {shots}", ""),
        (f"GPU=$2\nCUDA_VISIBLE_DEVICES=$GPU {TRAIN} --output-dir out/$3\n", "", "{dataset} 0 0", ""),
        (f"W=$2\n{TRAIN} TRAINER.OFFSET.W $W\n", "", "{dataset} {W}", "{W} becomes TRAINER.OFFSET.W."),
        (f"W=$2\n{TRAIN} TRAINER.OFFSET.W $W\n", "Type `bash scripts/run.sh dtd 8.0`.", "{dataset} 8.0", "W is 8.0"),
        (f"W=$2\n{TRAIN} TRAINER.OFFSET.W $W\n", "sh run.sh [DATASET] [W]", "{dataset} {W}", "{W} becomes"),
        (
            f"C=$2\n{TRAIN} --config-file configs/trainers/OffsetText/$C.yaml\n", "", "{dataset} vit", "",
        ),
        ("SEED=$1\npython train.py --trainer OffsetText --seed $SEED\n", "", "{seed}", ""),
    ],
)  # fmt: skip
def test_an_argument_is_what_it_becomes(script: str, readme: str, args: str, note: str, tmp_path: Path) -> None:
    found = called(tmp_path / "fork", script, readme)
    assert found.args == args
    assert "".join(found.notes).startswith(note) if note else found.notes == ()
    assert all(one.trains for one in found.commands)


def test_a_value_of_the_settings_file_is_given_and_said(tmp_path: Path) -> None:
    script = f"E=$2\n{TRAIN} --config-file {SETTINGS} OPTIM.MAX_EPOCH $E\n"
    found = called(tmp_path / "fork", script, settings="OPTIM:\n  NAME: adam\n  MAX_EPOCH: 50 # epochs\n")
    assert found.args == "{dataset} 50"
    assert found.notes == ("E is 50, as OPTIM.MAX_EPOCH in the settings file.",)


def test_several_settings_files_are_listed_and_none_is_chosen(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    apply(made, ("configs/trainers/OffsetText/rn50.yaml", "", "X: 1\n"))
    apply(made, ("scripts/run.sh", "", f"C=$2\n{TRAIN} --config-file configs/trainers/OffsetText/$C.yaml\n"))
    commit(made)
    found = [one for one in called_trainings(Fork.read(made)) if one.script == "scripts/run.sh" and one.args]
    assert [one.args for one in found] == ["{dataset} {C}"]
    assert found[0].notes == ("{C} names the settings file: rn50, vit.",)


@for_each(
    ("text", "names"),
    [
        ("DATASET=$1\nSEED=${2}\nexport CFG=${3:-vit}\n", ("DATASET", "SEED", "CFG")),
        ('DATA="$2"\n', ("ARGUMENT1", "DATA")),
        ("python train.py --seed $2\n", ("ARGUMENT1", "ARGUMENT2")),
        ("nvidia-smi | awk '{print $9}'\n# $3\n", ()),
        ("echo $DATASET $HOME\n", ()),
    ],
)
def test_names_of_arguments(text: str, names: tuple[str, ...]) -> None:
    assert argument_names(text) == names


@for_each(
    ("key", "value"),
    [("OPTIM.LR", "0.002"), ("A.B.C", "x"), ("A.B", None), ("B.C", None), ("LIST", "[1, 2]"), ("OPTIM", None)],
)
def test_a_setting_is_found_by_its_whole_name(key: str, value: str | None) -> None:
    assert setting_in("OPTIM:\n  # LR: 1\n  LR: 0.002\n\nA:\n  B:\n    C: 'x'\nLIST: [1, 2]\n", key) == value


def test_examples_are_those_of_the_same_script(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    apply(
        made, ("docs/RUN.md", "", "bash scripts/train.sh dtd 1.0\nbash scripts/train.sh eurosat 2.0\nbash other.sh x\n")
    )
    commit(made)
    assert examples(Fork.read(made), "scripts/train.sh") == [["eurosat", "2.0"], ["dtd", "1.0"]]


def test_only_places_that_nothing_fills_are_open() -> None:
    assert open_places("{dataset} {seed} {shots} {EPOCHS} 5") == ["EPOCHS"]


def test_variables_that_multiply_without_end_stay_as_they_are_written() -> None:
    known = constants("".join(f"V{n}={50 * f'$V{n + 1}'}\n" for n in range(9)))
    assert len(with_constants("train.py $V0", known)) <= 10_000
    assert with_constants("train.py " + 1_000 * "$V0 ", known) == "train.py " + 1_000 * "$V0 "
