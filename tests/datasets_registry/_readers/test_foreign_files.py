"""Files from others: each kind has a limit that is checked before memory or time is taken."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from limited import limited

from datasets_registry import archives, foreign_files, read_npz

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child process")


def test_a_file_has_a_size_and_is_a_file_and_takes_no_more_memory(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert foreign_files.read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        foreign_files.read_bytes(tmp_path / "a", 4)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            foreign_files.read_bytes(path, 5)
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        foreign_files.read_bytes(tmp_path / "link", 5)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(2**40)
    assert "more than 512 MiB" in limited(lambda: foreign_files.read_json(tmp_path / "hole"))
    assert limited(lambda: len(foreign_files.read_bytes(tmp_path / "a", 2**40)), memory=2**26) == "5"


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"[" + b"[]," * 20_000_000, b'{"a":' * 9_999, b"\xff", b"[1", b"1" * 5000]
)
def test_json_that_is_not_read(content: bytes) -> None:
    assert "Error" in limited(lambda: foreign_files.parse_json(content), memory=2**28, seconds=10)
    with pytest.raises(ValueError, match="."):
        foreign_files.parse_json(content)


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 40_000 + " = 1",
        "[" + "a" + ".a" * 40_000 + "]",
        'x = {"a b"' + '."a b"' * 40_000 + " = 1}",
        "x = " + "[" * 9999,
    ],
)
def test_toml_that_is_not_read(text: str) -> None:
    """The key of 40,000 parts took the reader of Python 80 seconds."""
    assert limited(lambda: foreign_files.parse_toml(text), seconds=10).startswith("ValueError")


def test_toml_with_dots_in_its_values_is_read() -> None:
    text = 'a.b.c = "' + ".".join("abcdefghijklmnopqrst") + '"\nd = "' + "." * 99 + '"\n["k.l.m"]\nx = ["1.2.3.4"]'
    assert foreign_files.parse_toml(text)["k.l.m"] == {"x": ["1.2.3.4"]}


def test_the_files_of_a_zip_archive_are_counted_before_they_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(20):
            archive.writestr(str(i), b"")
    with archives.open_zip(path, 20) as found:
        assert len(found.infolist()) == 20
    with pytest.raises(zipfile.BadZipFile, match="20 files, and at most 19"), archives.open_zip(path, 19):
        pass
    content = path.read_bytes()
    end = content.rindex(b"PK\x05\x06")
    entry = content[content.index(b"PK\x01\x02") :][:47]
    many = entry * 3_000_000
    path.write_bytes(content[:end] + many + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, len(many), end, 0))

    def opened() -> None:
        with archives.open_zip(path):
            pass

    assert "3000000 files, and at most 2000000" in limited(opened)


def test_a_file_of_a_zip_archive_has_a_size_and_a_ratio(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("small", bytes(2**20))
        archive.writestr("bomb", bytes(2**22))
    with archives.open_zip(tmp_path / "a.zip") as opened:
        assert len(archives.read_zip_member(opened, "small", 2**20)) == 2**20
        with pytest.raises(zipfile.BadZipFile, match="4 MiB unpacked"):
            archives.read_zip_member(opened, "bomb", 2**21)
        with pytest.raises(zipfile.BadZipFile, match="200 times as much"):
            archives.read_zip_member(opened, "bomb", 2**30)


def test_a_header_of_a_tar_archive_is_not_read_into_memory(tmp_path: Path) -> None:
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        member = tarfile.TarInfo("x")
        member.type, member.size = kind, 2**31
        with (tmp_path / "a.tar").open("wb") as file:
            file.write(member.tobuf(tarfile.USTAR_FORMAT))
            file.truncate(2**32)  # a sparse file
        assert "in it has 2 GiB" in limited(lambda: archives.open_tar(tmp_path / "a.tar", "r:").getmembers())


def test_arrays_are_not_larger_than_their_file(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", labels=np.zeros(2**18, np.int64), x=np.arange(3.0))
    assert read_npz(tmp_path / "a.npz")["x"].tolist() == [0, 1, 2]
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (2**40,), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    assert "states 8796093022208 bytes" in limited(lambda: read_npz(tmp_path / "b.npz"))
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as file:
        for _ in range(300):
            file.write(bytes(2**20))
    assert "300 MiB unpacked" in limited(lambda: read_npz(tmp_path / "c.npz"))
    np.savez(tmp_path / "d.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_npz(tmp_path / "d.npz")


def test_an_honest_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"train": [["a/1.jpg", 0, "a"]] * 100_000}))
    assert len(foreign_files.read_json(tmp_path / "a.json")["train"]) == 100_000
