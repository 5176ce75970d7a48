"""A checkout of official code: its identity, and what its files say."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_in_forks import TRAINER, apply, commit, git, make_fork

from bench.extensions.forks import OfficialCodeError
from bench.extensions.forks.fork_folder import Fork


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_fork(tmp_path_factory.mktemp("forks") / "clone")


def test_a_checkout_knows_what_it_is(checkout: Path) -> None:
    fork = Fork.read(checkout)
    assert (fork.repository, fork.name) == ("https://example.org/lab/stand-in.git", "stand-in")
    assert fork.commit == git(checkout, "rev-parse", "HEAD")
    assert (fork.changed_files, fork.empty_submodules) == ((), ())
    assert fork.trainers == {"OffsetText": TRAINER}
    assert dict(fork.dataset_files) == {
        "EuroSAT": "configs/datasets/eurosat.yaml",
        "DescribableTextures": "configs/datasets/dtd.yaml",
    }
    assert fork.vendored_dassl == "."


def test_the_identity_follows_the_tracked_files_alone(tmp_path: Path) -> None:
    one, other = make_fork(tmp_path / "one"), make_fork(tmp_path / "other")
    first = Fork.read(one)
    assert first.tree == Fork.read(other).tree
    (one / "output").mkdir()
    (one / "output" / "log.txt").write_text("ignored")
    (one / "notes.txt").write_text("not tracked")
    assert Fork.read(one).tree == first.tree
    apply(one, ("train.py", "import argparse\n", "import argparse\n\n"))
    changed = Fork.read(one)
    assert (changed.tree != first.tree, changed.commit, changed.changed_files) == (True, first.commit, ("train.py",))
    commit(one)
    committed = Fork.read(one)
    assert (committed.tree == changed.tree, committed.changed_files) == (False, ()), "notes.txt is tracked now"
    (one / "notes.txt").rename(one / "renamed.txt")
    assert Fork.read(one).tree != committed.tree


def test_a_copy_has_the_tracked_files(checkout: Path, tmp_path: Path) -> None:
    (checkout / "not_tracked.txt").write_text("x")
    Fork.read(checkout).copy_to(tmp_path / "copy")
    copied = {
        path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*") if path.is_file()
    }
    assert copied == set(git(checkout, "ls-files").splitlines())
    (checkout / "not_tracked.txt").unlink()


def test_a_tracked_file_that_was_deleted_is_a_change(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    before = Fork.read(made).tree
    (made / "scripts" / "other.sh").unlink()
    after = Fork.read(made)
    assert after.changed_files == ("scripts/other.sh",)
    assert after.tree != before
    after.copy_to(tmp_path / "copy")


def test_a_repository_without_address_has_the_name_of_its_folder(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "KgCoOp")
    git(made, "remote", "remove", "origin")
    assert (Fork.read(made).repository, Fork.read(made).name) == ("", "KgCoOp")


@pytest.mark.parametrize("address", ["git@github.com:lab/KgCoOp.git", "https://github.com/lab/KgCoOp/"])
def test_names_of_repositories(address: str, tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    git(made, "remote", "set-url", "origin", address)
    assert Fork.read(made).name == "KgCoOp"


def test_a_submodule_that_was_not_fetched_is_noticed(tmp_path: Path) -> None:
    library, made = make_fork(tmp_path / "library"), make_fork(tmp_path / "fork")
    git(made, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "Dassl.pytorch")
    commit(made)
    with_submodule = Fork.read(made)
    assert with_submodule.empty_submodules == ()
    assert "Dassl.pytorch/train.py" in with_submodule.files
    assert set(with_submodule.trainers) == {"OffsetText"}
    git(made, "submodule", "--quiet", "deinit", "-f", "Dassl.pytorch")
    assert Fork.read(made).empty_submodules == ("Dassl.pytorch",)


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OfficialCodeError, match="nowhere is not a folder"):
        Fork.read(tmp_path / "nowhere")
    with pytest.raises(OfficialCodeError, match="root of a git repository"):
        Fork.read(tmp_path)
    made = make_fork(tmp_path / "fork")
    with pytest.raises(OfficialCodeError, match="root of a git repository"):
        Fork.read(made / "trainers")
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(OfficialCodeError, match="git cannot read .*empty"):
        Fork.read(tmp_path / "empty")


def test_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OfficialCodeError, match="official code is identified"):
        Fork.read(checkout)
