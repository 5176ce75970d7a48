"""Code of others runs only after the user agreed to exactly this code, and to all that it starts."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from fork_runs import trust
from stand_in_forks import apply, commit, make_fork

from bench.extensions.forks import OfficialCodeError, check_trusted, is_trusted, runnable_code
from bench.extensions.forks import trust as trust_module
from bench.extensions.forks.trust import trust_file

ADAPTER = 'REPOSITORY = "fork"\n\n\ndef train(task):\n    return None\n'


def known(code: Path | str, **places: object) -> bool:
    return is_trusted(runnable_code(str(code), {name: str(value) for name, value in places.items()}))


def test_trust_is_needed_once_for_each_state_of_the_code(tmp_path: Path, home: Path) -> None:
    made = make_fork(tmp_path / "fork")
    with pytest.raises(OfficialCodeError, match=f"your rights.*etl-bench methods inspect {made} --trust$"):
        check_trusted(runnable_code(f"fork:{made}#OffsetText", {}))
    trust(made)
    assert trust_file().is_relative_to(home)
    assert known(f"fork:{made}")
    (made / "notes.txt").write_text("not tracked")
    assert known(made)
    apply(made, ("train.py", "import argparse\n", "import argparse\n\n"))
    assert not known(made)
    apply(made, ("train.py", "import argparse\n\n", "import argparse\n"))
    assert known(made)
    assert known(make_fork(tmp_path / "another clone")), "the same code elsewhere"


def test_a_new_commit_of_other_files_is_other_code(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "never tests")
    trust(made)
    apply(made, ("train.py", "import argparse\n", "import argparse\n\n"))
    commit(made)
    assert not known(made)


# --- all that runs ----------------------------------------------------------------------------------------------------


def test_an_adapter_is_part_of_what_is_trusted(tmp_path: Path) -> None:
    made, adapter = make_fork(tmp_path / "fork", "crash"), tmp_path / "mine.py"
    adapter.write_text(ADAPTER)
    trust(made)
    assert not known(f"adapter:{adapter}"), "an adapter is separate"
    trust(f"adapter:{adapter}")
    assert known(f"adapter:{adapter}")
    adapter.write_text(f"{ADAPTER}\n# changed\n")
    assert not known(f"adapter:{adapter}")


def test_an_interpreter_is_part_of_what_is_trusted(tmp_path: Path) -> None:
    made, python, other = make_fork(tmp_path / "fork"), tmp_path / "python", tmp_path / "other"
    for file in (python, other):
        file.write_text("#!/bin/sh\n")
    trust(made)
    assert not known(made, python=python)
    trust(made, python=python)
    assert known(made, python=python)
    assert not known(made, python=other), "same bytes, other environment"
    python.write_text("#!/bin/sh\nexit\n")
    assert not known(made, python=python)


def test_folders_for_imports_are_part_of_what_is_trusted(tmp_path: Path) -> None:
    made, library = make_fork(tmp_path / "fork"), tmp_path / "library"
    (library / "package").mkdir(parents=True)
    (library / "package" / "__init__.py").touch()
    trust(made)
    assert not known(made, path=library)
    trust(made, path=library)
    (library / "package" / "__pycache__").mkdir()
    (library / "package" / "__pycache__" / "a.pyc").touch()
    assert known(made, path=library)
    assert not known(made, path=f"{library}:{library}")
    (library / "sitecustomize.py").touch()
    assert not known(made, path=library)


def test_files_behind_a_link_of_a_folder_for_imports_count(tmp_path: Path) -> None:
    made, library, elsewhere = make_fork(tmp_path / "fork"), tmp_path / "library", tmp_path / "elsewhere"
    library.mkdir()
    elsewhere.mkdir()
    (library / "package").symlink_to(elsewhere, target_is_directory=True)
    trust(made, path=library)
    (elsewhere / "behind.py").touch()
    assert not known(made, path=library)


def test_steps_are_part_of_what_is_trusted(tmp_path: Path) -> None:
    made, steps = make_fork(tmp_path / "fork"), tmp_path / "steps.toml"
    steps.write_text("")
    trust(made)
    assert not known(made, steps=steps)
    trust(made, steps=steps)
    steps.write_text("# changed")
    assert not known(made, steps=steps)


def test_a_folder_that_is_too_large_to_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_fork(tmp_path / "fork")
    monkeypatch.setattr(trust_module, "_MOST_FILES", 3)
    with pytest.raises(OfficialCodeError, match="too many to agree"):
        trust(made, path=made)


@pytest.mark.parametrize(
    ("places", "expected"),
    [({"python": "nowhere"}, "is no file"), ({"path": "nowhere"}, "is no folder"), ({"steps": "no"}, "cannot be read")],
)
def test_places_that_do_not_exist_are_refused(places: dict[str, str], expected: str, tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    with pytest.raises(OfficialCodeError, match=expected):
        known(made, **places)


def test_the_refusal_is_a_command_that_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative places and names with spaces are written so that the command means the same in any folder."""
    monkeypatch.chdir(tmp_path)
    made, adapter = make_fork(tmp_path / "fork"), Path("my adapter.py")
    adapter.write_text(ADAPTER)
    Path("some library").mkdir()
    code = runnable_code(f"adapter:{adapter}", {"path": "some library"})
    words = ["adapter:" + str(tmp_path / adapter), "--set", f"fork.path={tmp_path / 'some library'}"]
    assert shlex.split(code.words) == words
    assert code.fork.folder == made
    with pytest.raises(OfficialCodeError) as raised:
        check_trusted(code)
    assert str(raised.value).endswith(f"etl-bench methods inspect {code.words} --trust")


# --- the list of trusted code -----------------------------------------------------------------------------------------


def test_no_folder_is_trusted_that_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(OfficialCodeError, match="root of a git repository"):
        trust(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"format": "clip-etl-bench trusted code 2"}', "\x00"])
def test_a_damaged_list_is_named(content: str, tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "hang")
    trust(made)
    kept = trust_file().read_bytes()
    trust_file().write_text(content)
    with pytest.raises(OfficialCodeError, match=f"{trust_file()} cannot be read"):
        known(made)
    trust_file().write_bytes(kept)
    assert known(made)


def test_a_list_of_another_format_trusts_nothing(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "hang")
    trust(made)
    trust_file().write_text(trust_file().read_text().replace("code 2", "code 3"))
    assert not known(made)
