"""The measurements of decision 8, on a tree that is small enough to count by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.house_figures import (
    BUDGET,
    counted_lines,
    figures,
    floors,
    functions,
    import_cycles,
    import_lines,
    private_imports,
    prose_in_tests,
    repeated_names,
    rooms,
    sources,
    write_budget,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "bench/__init__.py": "",
        "bench/room/__init__.py": "from methods import Public\n",
        "bench/room/a.py": "from bench.room import b\nfrom methods._inside import one, two\n",
        "bench/room/b.py": "def late():\n    from bench.room.a import one\n    return one\n",
        "bench/other/__init__.py": "import typing\nif typing.TYPE_CHECKING:\n    from bench.room import a\n",
        "docs/reference/commands.md": "## `etl-bench run`\n\n| `-m`, `--methods` | x |\n\n## `etl-bench show`\n\n"
        "| `--a-b` | y |\n",
        "methods/__init__.py": "",
        "methods/__init__.pyi": "from .z import Public as Public\n",
        "methods/_inside.py": "one = two = 1\n",
        "methods/z.py": "from methods._inside import one\nPublic = curve = one\n",
        "tests/bench/room/test_a.py": "from methods._inside import one\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_row_is_counted(tree: Path) -> None:
    found = list(figures(tree).values())
    assert found[:10] == [3, 1, 0, "58.3 %", 8, 2, 8, 1, 2, "0.0"]
    assert found[10:14] == ["3.0 / 3 / 3", "0 / 0 / 0", 0, "0 of 0"]
    assert found[14:] == [1, "2 in 1 files", 1, 1, 1, 12, 9, 0, "1 / 0", "1 of 2"]


def test_a_package_may_import_its_own_private_modules(tree: Path) -> None:
    assert private_imports(sources(tree, "methods"), tree) == (0, 0)


def test_imports_inside_functions_close_a_cycle_and_those_for_type_checkers_do_not(tree: Path) -> None:
    assert import_cycles(tree) == [{"bench.room.a", "bench.room.b"}]


def test_a_room_stands_above_all_rooms_that_it_imports(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "top/__init__.py": "from bench import __version__\nfrom bench.low import (\n    a,\n    b,\n)\n",
        "low/__init__.py": "def late():\n    import bench.file\n",
        "file.py": "",
    }
    for name, text in files.items():
        (tmp_path / "bench" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bench" / name).write_text(text)
    graph = rooms(tmp_path)
    assert graph == {"__init__": set(), "top": {"__init__", "low"}, "low": {"file"}, "file": set()}
    assert floors(graph) == 3
    assert import_lines(tmp_path) == (6, 7)
    with pytest.raises(ValueError, match="file, low"):
        floors(graph | {"file": {"low"}})


def test_functions_are_named_with_their_class(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    code = """
def f():
    def inner(): ...

class C:
    def m(self): ...
    def _p(self): ...

class _D:
    def n(self): ...
"""
    (tmp_path / "bench" / "x.py").write_text(code)
    assert functions(tmp_path) == ["bench/x.py: f", "bench/x.py: C.m"]


def test_names_of_several_files_and_prose_in_tests_are_counted(tmp_path: Path) -> None:
    files = {
        "bench/a.py": "def same(): ...\ndef _own(): ...\nclass C: ...\n",
        "bench/b.py": "class same: ...\ndef _own(): ...\n",
        "tests/test_a.py": 'def test_a():\n    """It has five words here"""\n    assert x == "four words are few"\n',
        "tests/test_b.py": 'def test_b():\n    assert f(match="five words are too many")\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert repeated_names(tmp_path) == ["same"]
    assert prose_in_tests(tmp_path) == (1, 2)


def test_the_budget_is_written_and_keeps_its_reasons(tree: Path) -> None:
    (tree / BUDGET).write_text('"bench/room" = 1  # a reason\n"gone" = 7\n')
    write_budget(tree)
    rows = (tree / BUDGET).read_text().splitlines()
    assert '"bench/room" = 6  # a reason' in rows
    assert len(rows) == 3 + len(counted_lines(tree)) == 8
