"""Archives with a list of their files: errors name what cannot be read or written, and which file is wrong."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundle_files import listing, rewritten

from bench.errors import BenchError
from bench.results import ArchiveKind, open_archive, write_archive

KIND = ArchiveKind("box", 1, 100, lambda name: 10, "a name", "etl-bench box", "Nothing was used.", BenchError)


def test_an_error_of_the_source_of_the_files_is_not_one_of_the_output(tmp_path: Path) -> None:
    def files() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1"
        raise PermissionError(13, "Permission denied", "image.png")

    with pytest.raises(PermissionError, match=r"image\.png"):
        write_archive(KIND, files(), tmp_path / "some.box")
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match=r"some\.box cannot be written"):
        write_archive(KIND, [("a", b"1")], tmp_path / "file" / "some.box")


def test_a_file_that_the_list_or_the_zip_has_twice_is_named(tmp_path: Path) -> None:
    write_archive(KIND, [("a", b"1"), ("b", b"2")], tmp_path / "some.box")

    def listed_twice(files: dict[str, bytes]) -> None:
        facts = json.loads(files[KIND.list_name])
        files[KIND.list_name] = listing(facts | {"files": [*facts["files"], facts["files"][-1]]})

    twice = rewritten(tmp_path / "some.box", listed_twice, kind=KIND)
    with zipfile.ZipFile(tmp_path / "some.box", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("b", b"2")
    for path in (twice, tmp_path / "some.box"):
        with pytest.raises(BenchError, match=r"disagree on 'b'"), open_archive(KIND, path):
            pass
