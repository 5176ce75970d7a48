"""Training commands of official code: from scripts, from the user, and the names of datasets."""

from __future__ import annotations

from pathlib import Path

import pytest
from fork_runs import trusted_fork
from stand_in_forks import SETTINGS, commit, make_fork

from bench.extensions.forks import OfficialCodeError
from bench.extensions.forks.fork_commands import dataset_here, training_command, training_stages
from bench.extensions.forks.fork_folder import Fork
from datasets_registry import get_dataset


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trusted_fork(tmp_path_factory.mktemp("forks") / "stand-in")


def test_without_a_command_the_next_step_is_named(fork: Path) -> None:
    with pytest.raises(OfficialCodeError, match=f"`etl-bench methods inspect {fork}` lists"):
        training_command(Fork.read(fork), "OffsetText", {}, dataset="EuroSAT")
    script = {"script": "scripts/train.sh"}
    with pytest.raises(OfficialCodeError, match=r"fork.args has \{WEIGHT\}"):
        training_command(Fork.read(fork), "OffsetText", script | {"args": "eurosat {WEIGHT}"}, dataset="EuroSAT")
    with pytest.raises(OfficialCodeError, match=r"TRAINER.OFFSET.W has no value"):
        training_command(Fork.read(fork), "OffsetText", script | {"args": "eurosat"}, dataset="EuroSAT")


def test_a_script_with_several_trainings_is_not_guessed(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    (made / "two.sh").write_text("for w in 1.0 2.0; do bash scripts/train.sh eurosat $w; done\n")
    commit(made)
    with pytest.raises(OfficialCodeError, match="2 different trainings, such as .*W 1.0; .*W 2.0"):
        training_command(Fork.read(made), "OffsetText", {"script": "two.sh"}, dataset="EuroSAT")


def test_a_script_of_several_datasets_has_the_command_of_ours(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    (made / "all.sh").write_text("bash scripts/train.sh dtd 1.0\nbash scripts/train.sh eurosat 2.0\n")
    commit(made)
    found = training_command(Fork.read(made), "OffsetText", {"script": "all.sh"}, dataset="EuroSAT")
    assert "2.0" in found.argv


@pytest.mark.parametrize(
    "config",
    [
        {"script": "scripts/train.sh", "args": "{dataset} {seed}{shots}{classes}"},
        {"command": f"train.py --config-file {SETTINGS} TRAINER.OFFSET.W {{seed}}{{shots}}{{classes}}"},
    ],
)
def test_dataset_seed_shots_and_classes_fill_a_command(config: dict[str, str], fork: Path) -> None:
    config["opts"] = "DATASET.NAMED {dataset}"
    stages = training_stages(Fork.read(fork), "OffsetText", config, dataset="EuroSAT", seed=3, shots=8, classes=5)
    ((stage,),) = stages
    words = stage.command.argv
    assert words[words.index("TRAINER.OFFSET.W") + 1] == "385"
    assert stage.opts == "DATASET.NAMED eurosat"


def test_a_command_of_the_user_gets_the_trainer(fork: Path) -> None:
    config = {"command": "train.py --config-file configs/trainers/OffsetText/vit.yaml TRAINER.OFFSET.W 0.5"}
    found = training_command(Fork.read(fork), "OffsetText", config, dataset="EuroSAT")
    assert found.option("--trainer") == "OffsetText"
    assert found.argv[-2:] == ("TRAINER.OFFSET.W", "0.5")  # settings come after all options
    assert (found.folder, found.script) == ("", "")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("eurosat", "EuroSAT"), ("dtd", "DescribableTextures")],
)
def test_datasets_have_the_names_of_the_code(ours: str, theirs: str, fork: Path) -> None:
    assert dataset_here(Fork.read(fork), get_dataset(ours)) == theirs
    assert dataset_here(Fork.read(fork), get_dataset("spectrum_basic"), wanted=theirs.lower()) == theirs
