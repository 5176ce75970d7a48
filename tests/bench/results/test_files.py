"""Atomic writes, lock files beside folders, and names of files."""

import os
from pathlib import Path

import pytest

from bench.results.files import locked, slug, write_atomically


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be flushed")
@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_flushed_before_it_takes_its_place_and_its_folder_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    path, flushed = tmp_path / "a.json", []
    path.write_bytes(b"old")

    def flush(descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        flushed.append(("folder" if inode == tmp_path.stat().st_ino else "file", path.read_bytes()))

    monkeypatch.setattr(os, "fsync", flush)
    write_atomically(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert flushed == ([("file", b"old"), ("folder", b"new")] if durable else [])
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_of_a_lock_stays_for_other_processes_unless_it_is_not_to_be_left(tmp_path: Path) -> None:
    with locked(tmp_path / "runs"):
        assert (tmp_path / ".runs.lock").is_file()
    assert (tmp_path / ".runs.lock").is_file()
    with locked(tmp_path / "block", leave=False):
        assert (tmp_path / ".block.lock").is_file()
    assert not (tmp_path / ".block.lock").exists()


def test_slugs_are_plain_and_distinct():
    assert slug("ViT-B-16.openai") == "ViT-B-16.openai"
    assert slug("dial:a=1") != slug("dial:a-1") != "dial-a-1"
    assert slug("dial:a=1").startswith("dial-a-1.")
    assert "/" not in slug("../x")
