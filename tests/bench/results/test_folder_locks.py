"""Lock files beside folders."""

from pathlib import Path

from bench.results.files import locked


def test_the_file_of_a_lock_stays_for_other_processes_unless_it_is_not_to_be_left(tmp_path: Path) -> None:
    with locked(tmp_path / "runs"):
        assert (tmp_path / ".runs.lock").is_file()
    assert (tmp_path / ".runs.lock").is_file()
    with locked(tmp_path / "block", leave=False):
        assert (tmp_path / ".block.lock").is_file()
    assert not (tmp_path / ".block.lock").exists()
