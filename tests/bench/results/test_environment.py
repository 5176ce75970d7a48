import subprocess
from pathlib import Path

import pytest

import bench
from bench.record import Provenance
from bench.results.environment import collect_provenance, package_versions, source_state


def test_a_run_says_where_and_with_what_it_was_made():
    found = collect_provenance(method="coop", backbone_digest="b", support_digests=["x", "y"], device="cpu", threads=2)
    assert isinstance(found, Provenance)
    assert found.package_version == bench.__version__
    assert (found.backbone_digest, found.support_digests, found.threads) == ("b", ["x", "y"], 2)
    assert {"torch", "numpy", "open_clip_torch"} <= set(found.packages)
    assert (found.method_version, found.method_digest, found.machinery_digest) == (1, None, None)
    assert found.model_dump()["method_version"] == 1
    assert "machinery_digest" not in found.model_dump()


@pytest.mark.usefixtures("git_installed")
def test_a_checkout_has_a_commit_and_is_dirty_if_a_tracked_file_has_changed(tmp_path: Path):
    """An environment below some other project's repository must not report that project's commit."""

    def git(*words: str) -> None:
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    (tmp_path / "code.py").write_text("untracked")
    state = source_state(tmp_path)
    assert (len(state["git_commit"]), state["git_dirty"]) == (40, False)
    git("add", "code.py")
    source_state.cache_clear()
    assert source_state(tmp_path)["git_dirty"] is True
    (tmp_path / "venv").mkdir()
    assert source_state(tmp_path / "venv") == {"git_commit": None, "git_dirty": None}


def test_packages_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr("bench.results.environment.PACKAGES", ("numpy", "no-such-package"))
    package_versions.cache_clear()
    assert list(package_versions()) == ["numpy"]
    package_versions.cache_clear()
