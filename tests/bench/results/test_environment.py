import subprocess
from pathlib import Path

import pytest

import bench
from bench.record import Provenance
from bench.results.environment import collect_provenance, package_versions, source_state


@pytest.fixture
def checkout(git_installed, tmp_path: Path) -> Path:
    for command in (
        ["init", "-q"],
        ["-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-q", "--allow-empty", "-m", "one"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    source_state.cache_clear()
    return tmp_path


def test_a_run_says_where_and_with_what_it_was_made():
    found = collect_provenance(method="coop", backbone_digest="b", support_digests=["x", "y"], device="cpu", threads=2)
    assert isinstance(found, Provenance)
    assert found.package_version == bench.__version__
    assert (found.backbone_digest, found.support_digests, found.threads) == ("b", ["x", "y"], 2)
    assert {"torch", "numpy", "open_clip_torch"} <= set(found.packages)
    assert (found.method_version, found.method_digest, found.machinery_digest) == (1, None, None)
    assert found.model_dump()["method_version"] == 1
    assert "machinery_digest" not in found.model_dump()


def test_a_clean_checkout_has_a_commit_and_untracked_files_do_not_matter(checkout: Path):
    (checkout / "notes.txt").write_text("untracked")
    state = source_state(checkout)
    assert len(state["git_commit"]) == 40
    assert state["git_dirty"] is False


def test_a_changed_tracked_file_makes_it_dirty(checkout: Path):
    (checkout / "code.py").write_text("a = 1\n")
    subprocess.run(["git", "-C", str(checkout), "add", "code.py"], check=True)
    assert source_state(checkout)["git_dirty"] is True


def test_a_folder_inside_a_foreign_checkout_is_none_of_it(checkout: Path):
    """An environment below some other project's repository must not report that project's commit."""
    inner = checkout / "venv" / "site-packages"
    inner.mkdir(parents=True)
    assert source_state(inner) == {"git_commit": None, "git_dirty": None}


def test_packages_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr("bench.results.environment.PACKAGES", ("numpy", "no-such-package"))
    package_versions.cache_clear()
    assert list(package_versions()) == ["numpy"]
    package_versions.cache_clear()
