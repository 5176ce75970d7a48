"""Tables of images: what is read, and the limits that are checked before their cells take memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from limited import limited

from datasets_registry import DataError, tables

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child process")


@linux
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n" + b",\n" * 15_000_000, "cells, and at most 20000000 are read"),
        (b"a" + b",a" * 2_000 + b"\n", "has 2000 columns, and at most 1000 are read"),
        (b"a,b\n" + b"x" * 200_000 + b",y\n", "field larger than field limit"),
        (b"a,b\n" + b"x," * 3_000_000, "a line has more than 4194304 characters"),
    ],
)
def test_a_text_table_has_limits(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert said in limited(lambda: tables.read_table(tmp_path / "a.csv"))


def test_a_large_file_is_not_opened_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets_registry._readers.tables.LARGEST_TABLE", 10)
    for name in ("a.csv", "a.parquet"):
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        (tmp_path / name).write_bytes(b"path,label\n")
        with pytest.raises(DataError, match=f"{name} .*be read .*than 10 bytes"):
            tables.read_table(tmp_path / name)


@linux
@pytest.mark.parametrize("kind", ["rows", "cells", "characters", "columns"])
def test_a_small_parquet_table_does_not_fill_the_memory(tmp_path: Path, kind: str) -> None:
    """A parquet file states a repeated value once, so a few kilobytes can have millions of rows."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"

    def repeated(value: str, n: int) -> object:
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(bytes(n), pyarrow.uint8()).cast("int32"), [value])

    columns, said = {
        "rows": ({"path": repeated("a", 21_000_000)}, "has 21000000 cells"),
        "cells": ({"path": repeated("a" * 140_000, 3)}, "a cell has 140000 bytes"),
        "characters": ({"path": repeated("a" * 120_000, 5_000)}, "more than 536870912 characters"),
        "columns": ({str(i): [1] for i in range(1001)}, "has 1001 columns"),
    }[kind]
    parquet.write_table(pyarrow.table(columns), path)
    assert path.stat().st_size < 2**20
    assert said in limited(lambda: tables.read_table(path), memory=2**30)


def test_columns_of_a_parquet_table_that_are_no_texts_are_left_out(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "image": [{"bytes": b"1", "path": "x"}, None], "path": ["a.png", None], "label": [1, 2], "raw": [b"1", b"2"],
        "kind": pyarrow.array(["x", "y"]).dictionary_encode(),
    }  # fmt: skip
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert tables.read_table(tmp_path / "a.parquet") == (
        ["path", "label", "kind"],
        [("a.png", "1", "x"), ("", "2", "y")],
    )
