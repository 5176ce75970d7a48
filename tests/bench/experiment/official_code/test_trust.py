"""Official code runs only after the user agreed to exactly this code."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_in_forks import apply, commit, make_fork

from bench.errors import OfficialCodeError
from bench.experiment import fork_facts, is_trusted, trust_code
from bench.experiment.official_code.fork_folder import Fork
from bench.experiment.official_code.trust import trust_file


def test_trust_is_needed_once_for_each_state_of_the_code(tmp_path: Path, home: Path) -> None:
    made = make_fork(tmp_path / "fork")
    with pytest.raises(OfficialCodeError, match=f"would run with your rights.*etl-bench methods trust {made}"):
        fork_facts(f"fork:{made}")
    assert trust_code(made) == Fork.read(made)
    assert trust_file().is_relative_to(home)
    assert fork_facts(f"fork:{made}").trainer == "OffsetText"
    (made / "notes.txt").write_text("not tracked")
    assert is_trusted(Fork.read(made))
    apply(made, ("train.py", "import argparse\n", "import argparse\n\n"))
    with pytest.raises(OfficialCodeError, match="would run with your rights"):
        fork_facts(f"fork:{made}")
    apply(made, ("train.py", "import argparse\n\n", "import argparse\n"))
    assert is_trusted(Fork.read(made))
    assert is_trusted(Fork.read(make_fork(tmp_path / "another clone"))), "the same code elsewhere"


def test_a_new_commit_of_the_same_files_is_the_same_code(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "never tests")
    trust_code(made)
    apply(made, ("train.py", "import argparse\n", "import argparse\n\n"))
    commit(made)
    assert not is_trusted(Fork.read(made))


def test_no_folder_is_trusted_that_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(OfficialCodeError, match="not the root of a git repository"):
        trust_code(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"format": "clip-etl-bench trusted code 1"}', "\x00"])
def test_a_damaged_list_is_named(content: str, tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "hang")
    trust_code(made)
    kept = trust_file().read_bytes()
    trust_file().write_text(content)
    with pytest.raises(OfficialCodeError, match=f"{trust_file()} cannot be read; repair or delete it"):
        is_trusted(Fork.read(made))
    trust_file().write_bytes(kept)
    assert is_trusted(Fork.read(made))


def test_a_list_of_another_format_trusts_nothing(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork", "hang")
    trust_code(made)
    trust_file().write_text(trust_file().read_text().replace("code 1", "code 2"))
    assert not is_trusted(Fork.read(made))
