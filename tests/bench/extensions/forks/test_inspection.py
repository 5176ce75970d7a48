"""What official code has and lacks is found from its files; after it is trusted, the shell expands its scripts."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from fork_runs import inspected, trust
from places import ROOT
from stand_in_forks import TRAINER, apply, commit, git, make_fork

from bench.extensions.forks import OfficialCodeError, inspection
from bench.extensions.forks.inspection import InspectedFork


def found_in(checkout: Path) -> InspectedFork:
    """What is found after the user has trusted the code."""
    commit(checkout) if git(checkout, "status", "--porcelain") else None
    trust(checkout)
    return inspected(checkout)


def problems(found: InspectedFork) -> dict[str, str]:
    return {one.problem: one.remedy for one in found.findings}


def test_before_it_is_trusted_scripts_are_read_as_text(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    (made / "broken.sh").write_text("python train.py --trainer 'T\npython train.py --trainer Second --eval-only\n")
    commit(made)
    found = inspected(made)
    assert not found.trusted
    command = next(one for one in found.commands if one.script == "scripts/train.sh")
    assert command.trainer == "OffsetText"
    assert command.settings == "--set fork.script=scripts/train.sh --set 'fork.args={dataset} {WEIGHT}'"
    assert "--config-file configs/trainers/OffsetText/vit.yaml" in command.shown
    assert not command.is_ready
    assert {one.script for one in found.commands} == {"scripts/train.sh", "broken.sh"}


def test_trainers_commands_and_datasets_are_listed(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "two trainers")
    apply(made, ("train.py", "import argparse\n", f"import argparse\n\nopen({str(tmp_path / 'executed')!r}, 'w')\n"))
    found = found_in(made)
    assert set(found.trainers) == {"OffsetText", "SecondTrainer"}
    assert found.datasets == ("DescribableTextures", "EuroSAT")
    (command,) = found.commands
    assert command.trainer == "OffsetText"
    assert command.settings == "--set fork.script=scripts/train.sh --set 'fork.args={dataset} {WEIGHT}'"
    assert "TRAINER.OFFSET.W '{WEIGHT}'" in command.shown
    assert command.notes == ("{WEIGHT} becomes TRAINER.OFFSET.W.",)
    assert command.backbone == "ViT-B/16"
    assert "eurosat" not in command.shown
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("second", "args"),
    [
        ("TRAINER.OFFSET.W $2", "{dataset} {ARGUMENT2}"),
        ("--seed $2", "{dataset} {seed}"),
        ("DATASET.NUM_SHOTS $2", "{dataset} {shots}"),
        ("--root $2", "{dataset} 0"),
        ("", "{dataset}"),
    ],
)
def test_the_second_argument_is_never_guessed(second: str, args: str, tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    line = f"python train.py --trainer OffsetText --dataset-config-file configs/datasets/$1.yaml {second}\n"
    (made / "scripts" / "train.sh").write_text(line)
    assert [one.args for one in found_in(made).commands] == [args]


def test_a_script_without_arguments_has_a_command_without_arguments(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    (made / "all.sh").write_text("bash scripts/train.sh dtd 4.0\n")
    assert "--set fork.script=all.sh" in [one.settings for one in found_in(made).commands]


def test_several_trainings_of_one_script_are_shown_once_with_one_of_their_commands(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    (made / "grid.sh").write_text(
        "for d in dtd eurosat; do for w in 1.0 2.0; do bash scripts/train.sh $d $w; done; done"
    )
    (made / "each.sh").write_text("bash scripts/train.sh dtd 3.0\nbash scripts/train.sh eurosat 4.0\n")
    grid, each = [[one for one in found_in(made).commands if one.script == f"{name}.sh"] for name in ("grid", "each")]
    assert [one.variants for one in (*grid, *each)] == [2, 1]
    assert grid[0].settings.startswith("--set 'fork.command=train.py --trainer OffsetText")
    assert grid[0].settings.endswith("TRAINER.OFFSET.W 1.0'")
    assert each[0].settings == "--set fork.script=each.sh"


def test_absent_packages_are_named_with_what_to_install(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "package that is absent")
    apply(made, (TRAINER, "import comet_ml\n", "import comet_ml\nimport numpy\nimport json\nfrom ot import emd\n"))
    found = problems(found_in(made))
    assert found.pop("comet_ml, tabulate missing; calls of them do nothing.") == ""
    assert found == {
        "optimal_plans_3, ot missing.": f"{sys.executable} -m pip install optimal_plans_3 POT, if its trainer uses it"
    }
    (tmp_path / "more" / "optimal_plans_3").mkdir(parents=True)
    (tmp_path / "more" / "ot.py").touch()
    assert problems(inspected(made, path=tmp_path / "more")).keys() == {
        "comet_ml, tabulate missing; calls of them do nothing."
    }


def environment(folder: Path, settings: str = "") -> Path:
    """A virtual environment without packages; its Python ends in an error if it is started."""
    python = folder / "bin" / "python"
    for place in ("bin", "lib/python3.11/site-packages"):
        (folder / place).mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    (folder / "pyvenv.cfg").write_text(settings)
    return python


def missing(found: InspectedFork) -> str:
    return " ".join(problem for problem in problems(found) if problem.endswith("missing."))


def test_the_packages_of_an_environment_are_found_without_its_python(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "package that is absent")
    python = environment(tmp_path / "env", "include-system-site-packages = false\n")
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    assert missing(inspected(made, python=python)) == "PIL, numpy, optimal_plans_3, torch, yaml missing."
    for name in ("PIL", "numpy", "torch", "yaml"):
        (packages / name).mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "optimal_plans_3.py").touch()
    (packages / "more.pth").write_text(f"{tmp_path}/elsewhere\nimport evil; evil.run()\n{tmp_path}/nowhere\n")
    assert missing(inspected(made, python=python)) == ""
    with pytest.raises(OfficialCodeError, match="nowhere is no file"):
        inspected(made, python=tmp_path / "nowhere")
    (tmp_path / "alone" / "bin").mkdir(parents=True)
    (tmp_path / "alone" / "bin" / "python").touch()
    with pytest.raises(OfficialCodeError, match="folder of packages belongs"):
        inspected(made, python=tmp_path / "alone" / "bin" / "python")


def test_an_environment_may_use_the_packages_below_it(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "package that is absent")
    below = environment(tmp_path / "below")
    (tmp_path / "below" / "pyvenv.cfg").unlink()
    (tmp_path / "below" / "lib" / "python3.11" / "site-packages" / "optimal_plans_3.py").touch()
    python = environment(tmp_path / "env", "include-system-site-packages = true\n")
    python.unlink()
    python.symlink_to(below)
    assert "optimal_plans_3" not in missing(inspected(made, python=python))
    (tmp_path / "env" / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    assert "optimal_plans_3" in missing(inspected(made, python=python))


def test_dassl_may_be_missing(tmp_path: Path) -> None:
    found = problems(found_in(make_fork(tmp_path / "fork", "no Dassl")))
    assert any(problem.startswith("Dassl is missing") for problem in found)


def test_files_of_a_teacher_are_named(tmp_path: Path) -> None:
    found = problems(found_in(make_fork(tmp_path / "fork", "teacher")))
    assert any({TRAINER, "teachers/ViT-L-14_eurosat.pth,"} <= {*problem.split()} for problem in found)


def test_a_submodule_that_was_not_fetched_has_its_command(tmp_path: Path) -> None:
    library, made = make_fork(tmp_path / "library"), make_fork(tmp_path / "fork", "no Dassl")
    git(made, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "Dassl.pytorch")
    commit(made)
    git(made, "submodule", "--quiet", "deinit", "-f", "Dassl.pytorch")
    found = problems(found_in(made))
    assert f"git -C {made} submodule update --init --recursive" in found.values()


def test_code_without_a_trainer_or_a_command(tmp_path: Path) -> None:
    nothing = problems(found_in(make_fork(tmp_path / "a", "no trainer")))
    assert any("no Dassl trainer" in problem for problem in nothing)
    made = make_fork(tmp_path / "b")
    git(made, "rm", "-rq", "scripts")
    assert any("fork.command=" in remedy for remedy in problems(found_in(made)).values())


def test_both_lists_of_packages_that_only_log_are_the_same() -> None:
    """The runner imports nothing of the harness, so it has its own list."""
    path = ROOT / "bench" / "extensions" / "forks" / "foreign" / "fork_side.py"
    (value,) = [
        node.value
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ONLY_LOG"
    ]
    assert ast.literal_eval(value) == inspection._ONLY_LOGS
