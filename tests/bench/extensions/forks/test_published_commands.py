"""Training commands of shell scripts, expanded by the shell without running anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_in_forks import commit, make_fork

from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.published_commands import Command, commands_of


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_fork(tmp_path / "fork")


def with_script(checkout: Path, name: str, text: str) -> Fork:
    path = checkout / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}")
    commit(checkout)
    return Fork.read(checkout)


def called(fork: Fork, script: str, arguments: list[str]) -> list[Command]:
    (found,) = commands_of(fork, [(script, arguments)])
    return found


def test_loops_variables_and_arguments_are_those_of_the_shell(checkout: Path) -> None:
    found = called(Fork.read(checkout), "scripts/train.sh", ["dtd", "8.0"])
    assert [one.option("--seed") for one in found] == ["1", "2", "3"]
    assert all(one.trains and one.whole for one in found)
    first = found[0]
    assert (first.script, first.folder, first.argv[0]) == ("scripts/train.sh", "", "train.py")
    assert first.option("--dataset-config-file") == "configs/datasets/dtd.yaml"
    assert first.argv[first.argv.index("TRAINER.OFFSET.W") + 1] == "8.0"
    assert first.option("--model-dir") is None


def test_a_command_with_an_empty_variable_is_not_whole(checkout: Path) -> None:
    found = called(Fork.read(checkout), "scripts/train.sh", ["dtd"])
    assert [one.whole for one in found] == [False] * 3
    assert found[0].gap == "TRAINER.OFFSET.W has no value"


def test_an_evaluation_is_no_training(checkout: Path) -> None:
    found = called(Fork.read(checkout), "scripts/other.sh", ["dtd"])
    assert [one.trains for one in found] == [False] * 3


def test_a_script_that_calls_another_is_followed(checkout: Path) -> None:
    fork = with_script(checkout, "run_all.sh", "for d in eurosat dtd; do bash scripts/train.sh $d 4.0; done\n")
    found = called(fork, "run_all.sh", [])
    assert [one.option("--dataset-config-file") for one in found] == 3 * ["configs/datasets/eurosat.yaml"] + 3 * [
        "configs/datasets/dtd.yaml"
    ]


@pytest.mark.parametrize("start", ["cd ..\n", ""])
def test_a_script_may_start_in_its_own_folder(start: str, checkout: Path) -> None:
    line = "python train.py --trainer OffsetText --config-file configs/trainers/OffsetText/vit.yaml\n"
    fork = with_script(checkout, "scripts/deep/train.sh", f"{start}{line}")
    (found,) = called(fork, "scripts/deep/train.sh", [])
    assert found.folder == ""


def test_code_in_a_folder_below_is_started_there(checkout: Path) -> None:
    (checkout / "code").mkdir()
    for name in ("train.py", "configs"):
        (checkout / name).rename(checkout / "code" / name)
    line = "CUDA_VISIBLE_DEVICES=0 python -u train.py --trainer=T --config-file configs/trainers/OffsetText/vit.yaml\n"
    fork = with_script(checkout, "code/scripts/t.sh", line)
    (found,) = called(fork, "code/scripts/t.sh", [])
    assert (found.folder, found.argv[0], found.option("--trainer")) == ("code", "train.py", "T")


@pytest.mark.parametrize(
    "launcher", ["torchrun --nproc_per_node 1", "python -m torch.distributed.run", "python3 -W ignore"]
)
def test_options_of_launchers_are_left_out(launcher: str, checkout: Path) -> None:
    fork = with_script(checkout, "t.sh", f"{launcher} train.py --trainer OffsetText\n")
    assert called(fork, "t.sh", [])[0].argv == ("train.py", "--trainer", "OffsetText")


def test_nothing_outside_of_the_copy_is_touched(checkout: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    text = f"rm -rf {kept} {checkout}\nwget http://example.org\npip install x\ncp {kept} {kept}.copy\npython train.py\n"
    fork = with_script(checkout, "t.sh", text)
    assert [one.argv for one in called(fork, "t.sh", [])] == [("train.py",)]
    assert kept.read_text() == "mine"
    assert not Path(f"{kept}.copy").exists()
    assert (checkout / "train.py").exists()


def test_a_script_that_never_ends_is_stopped(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.extensions.forks import published_commands

    monkeypatch.setattr(published_commands, "_SECONDS", 0.5)
    fork = with_script(checkout, "t.sh", "python train.py --trainer T\nwhile true; do :; done\n")
    assert [one.argv[0] for one in called(fork, "t.sh", [])] == ["train.py"]


def test_a_script_that_calls_no_python_has_no_command(checkout: Path) -> None:
    assert called(with_script(checkout, "t.sh", "echo hello\nexit 3\n"), "t.sh", []) == []


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("--trainer T --seed 1", True),
        ("--trainer --seed 1", False),
        ("--trainer T --seed", False),
        ("--trainer T --eval-only DATASET.NUM_SHOTS 16", True),
        ("--trainer T DATASET.NUM_SHOTS", False),
        ("--trainer T DATASET.NUM_SHOTS TRAINER.W 8", False),
        ("--trainer=T TRAINER.W 8 OPTIM.LR 0.1", True),
        ("--trainer T DATASET.NUM_SHOTS 16 TASK FS", True),
        ("--trainer T DATASET.NUM_SHOTS 16 fast 1", False),
    ],
)
def test_whole_commands(words: str, whole: bool) -> None:
    assert Command("", "", ("train.py", *words.split())).whole is whole
