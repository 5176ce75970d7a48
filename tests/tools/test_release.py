"""A release of a scratch repository: built, checked, committed and tagged, or nothing at all."""

from __future__ import annotations

import datetime
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.release import PLACES, ReleaseError, release

DAY = datetime.date(2026, 1, 2)
PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "scratch-bench"
version = "0.1.0"
[tool.hatch.build.targets.wheel]
packages = ["bench"]
"""


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def root(git_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.org")
    folder = tmp_path / "scratch"
    (folder / "bench").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "bench" / "__init__.py").write_text('"""Scratch."""\n\n__version__ = "0.1.0"\n')
    (folder / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.1.0\n")
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n")
    (folder / ".gitignore").write_text("dist/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Start")
    return folder


def accept(wheel: Path, sdist: Path) -> None:
    """A check that passes."""


def test_a_release_is_built_checked_committed_and_tagged(root: Path) -> None:
    checked: list[Path] = []
    release(root, "0.2.0", check=lambda *paths: checked.extend(paths), today=DAY)
    wheel, sdist = checked
    with zipfile.ZipFile(wheel) as archive:
        assert b'__version__ = "0.2.0"' in archive.read("bench/__init__.py")
    with tarfile.open(sdist) as archive:
        assert "scratch_bench-0.2.0/CHANGELOG.md" in archive.getnames()
    assert all("0.2.0" in (root / name).read_text() for name in PLACES)
    assert "cff-version: 1.2.0\n" in (root / "CITATION.cff").read_text()
    assert "## Unreleased\n\n## 0.2.0 (2026-01-02)\n\n### Added" in (root / "CHANGELOG.md").read_text()
    assert git(root, "describe") == "v0.2.0"
    assert git(root, "status", "--porcelain") == ""
    with pytest.raises(ReleaseError, match="nothing below '## Unreleased'"):
        release(root, "0.3.0", check=accept, today=DAY)


def test_the_first_release_may_have_the_version_that_is_there(root: Path) -> None:
    (root / "CHANGELOG.md").write_text("## Unreleased\n\n- A thing.\n")
    git(root, "commit", "--quiet", "--all", "--message", "Shorter")
    release(root, "0.1.0", check=accept, today=DAY)
    assert git(root, "describe") == "v0.1.0"
    with pytest.raises(ReleaseError, match=r"The tag v0.1.0 exists"):
        release(root, "0.1.0", check=accept, today=DAY)


def test_a_failed_check_leaves_everything_as_it_was(root: Path) -> None:
    before = {root / name: (root / name).read_bytes() for name in (*PLACES, "CHANGELOG.md")}

    def fail(wheel: Path, sdist: Path) -> None:
        raise ReleaseError("`etl-bench demo` failed")

    with pytest.raises(ReleaseError, match="demo"):
        release(root, "0.2.0", check=fail, today=DAY)
    assert {path: path.read_bytes() for path in before} == before
    assert git(root, "tag") == ""
    assert git(root, "log", "--format=%s") == "Start"


def test_wrong_versions_and_a_tree_with_changes_are_refused(root: Path) -> None:
    for version, said in (
        ("0.2", "'0.2' is not a version; write three numbers"),
        ("v0.2.0", "is not a version"),
        ("0.0.9", "0.0.9 is not later than 0.1.0"),
    ):
        with pytest.raises(ReleaseError, match=said):
            release(root, version, check=accept)
    (root / "CITATION.cff").write_text("version: 0.1.0\n")
    with pytest.raises(ReleaseError, match=r"not committed: M CITATION.cff"):
        release(root, "0.2.0", check=accept)
