"""Official code as a method: its name, trainer, settings and command."""

from __future__ import annotations

from pathlib import Path

import pytest
from fork_runs import fork_request, planned, trust, trusted_fork
from stand_in_forks import commit, git, make_fork

from bench.errors import ImpossibleCombinationError
from bench.extensions.forks import OfficialCodeError, fork_facts
from bench.extensions.forks.fork_folder import Fork
from bench.sweep import expand
from datasets_registry import UnknownNameError


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trusted_fork(tmp_path_factory.mktemp("forks") / "stand-in")


def reason(fork: Path | str, data: Path, *settings: str, **axes: object) -> str:
    """Why a request has no run."""
    with pytest.raises(ImpossibleCombinationError) as raised:
        expand(fork_request(fork, data, *settings, **axes))
    return str(raised.value)


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_only_trainer_is_found_and_named_after_the_repository(fork: Path) -> None:
    facts = fork_facts(f"fork:{fork}")
    assert (facts.name, facts.title) == ("fork:stand-in/OffsetText", "stand-in/OffsetText (official code)")
    assert fork_facts(f"fork:{fork}#OffsetText") == facts


def test_a_trainer_of_the_name_of_its_repository_has_one_name_and_our_facts(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "two trainers")
    git(made, "remote", "set-url", "origin", "https://example.org/lab/KgCoOp")
    second = made / "trainers" / "second.py"
    second.write_text(second.read_text().replace("SecondTrainer", "KgCoOp"))
    commit(made)
    trust(made)
    facts = fork_facts(f"fork:{made}")
    assert (facts.name, facts.title) == ("fork:KgCoOp", "KgCoOp (official code)")
    assert facts.citation


def test_one_of_several_trainers_is_asked_for(tmp_path: Path) -> None:
    made = trusted_fork(tmp_path / "fork", "two trainers")
    with pytest.raises(OfficialCodeError, match="#OffsetText: OffsetText, Sec"):
        fork_facts(f"fork:{made}")
    assert fork_facts(f"fork:{made}#SecondTrainer").trainer == "SecondTrainer"
    with pytest.raises(OfficialCodeError, match="Did you mean 'OffsetText'."):
        fork_facts(f"fork:{made}#OffsetTxt")


def test_code_without_a_trainer_is_refused_before_trust(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "no trainer")
    with pytest.raises(OfficialCodeError, match="trainer .* `etl-bench runs import-predictions`"):
        fork_facts(f"fork:{made}")


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_settings_of_a_run_are_the_code_and_what_changes_it(
    fork: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    spec, context = planned(fork, data, "fork.python=/usr/bin/python3", f"fork.path=a:{second}")
    checkout = Fork.read(fork)
    assert spec.config == {
        "trainer": "OffsetText",
        "commit": checkout.commit,
        "tree": checkout.tree,
        "script": "scripts/train.sh",
        "args": "{dataset} 0.5",
    }
    assert spec.recipe is None
    assert context.files == {
        checkout.tree: fork,
        f"{checkout.tree}.python.0": Path("/usr/bin/python3"),
        f"{checkout.tree}.path.0": first,
        f"{checkout.tree}.path.1": second,
    }


def test_an_unknown_setting_is_named(fork: Path, data: Path) -> None:
    with pytest.raises(UnknownNameError, match="setting 'epochs' of fork:stand-in/OffsetText"):
        expand(fork_request(fork, data, "fork.epochs=5"))


def test_class_texts_of_ours_are_refused(fork: Path, data: Path) -> None:
    said = reason(fork, data, class_text="template:a {}")
    assert "class texts; leave --class-text" in said


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["fork.script=scripts/trian.sh"], "stand-in has no file 'scripts/trian.sh'. Did you mean 'scripts/train.sh'"),
        (["fork.script=scripts/train.sh"], "TRAINER.OFFSET.W has no value"),
        (["fork.script=scripts/train.sh", "fork.args={dataset}"], "scripts/train.sh eurosat gives a command in which "
         "TRAINER.OFFSET.W"),
        (["fork.script=scripts/other.sh", "fork.args={dataset}"], "scripts/other.sh eurosat starts no training"),
        (["fork.command=train.py --config-file nowhere.yaml"], "stand-in has no file 'nowhere.yaml', which"),
        (["fork.command=run.py"], "stand-in has no file 'run.py', which the command names."),
        (["fork.script=scripts/train.sh", "fork.args={dataset} 1", "fork.dataset=Moon"], "stand-in knows no dataset "
         "'Moon'; it looks up templates"),
    ],
)  # fmt: skip
def test_a_command_that_does_not_fit_is_named(settings: list[str], message: str, fork: Path, data: Path) -> None:
    assert message in reason(fork, data, *settings)


def test_a_dataset_that_the_code_does_not_know(fork: Path, data: Path) -> None:
    said = reason(fork, data, dataset="spectrum_basic")
    assert "stand-in does not know" in said
    assert "--set fork.dataset=DescribableTextures: DescribableTextures, EuroSAT." in said
