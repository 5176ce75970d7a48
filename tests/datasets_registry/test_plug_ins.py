"""Plug-ins that print, hang or end the process while they are imported are named and left out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from datasets_registry import (
    DATASETS,
    RegistrationError,
    Registry,
    import_catalogue,
    load_entry_points,
    unsafe_import,
)

GROUP = "tests.plug_ins"
Install = Callable[..., EntryPoint]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Writes a package with that code on the path; its entry point has its name."""
    points: list[EntryPoint] = []
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets_registry._registry.entry_points", lambda group: points)

    def write(code: str, name: str = "foreign_plug_in") -> EntryPoint:
        (tmp_path / f"{name}.py").write_text(code)
        points[:] = [point for point in points if point.name != name] + [EntryPoint(name, name, GROUP)]
        return points[-1]

    yield write
    for name in [name for name in sys.modules if name.startswith("foreign_")]:
        del sys.modules[name]


UNSAFE = {
    "print('hello')": "it prints 'hello",
    "import os; os.write(1, b'hello')": "it prints 'hello",
    "while True: print('hello')": "it prints 'hello",
    "import os; os._exit(0)": "it ends the process that imports it",
    "import os; os.abort()": "it ends the process that imports it",
    "import os; os.execv('/bin/true', ['true'])": "it ends the process that imports it",
}


@pytest.mark.skipif(sys.platform == "win32", reason="no execv of POSIX")
@pytest.mark.parametrize("code", UNSAFE)
def test_an_unsafe_plug_in_is_named_and_left_out(install: Install, code: str, caplog: pytest.LogCaptureFixture) -> None:
    install(code)
    install("A = 1", "foreign_good")
    registry: Registry[object] = Registry("thing")
    with caplog.at_level(logging.WARNING):
        load_entry_points(GROUP, registry)
    assert "foreign_good" in sys.modules
    assert "foreign_plug_in" not in sys.modules
    (line,) = caplog.messages
    assert "thing 'foreign_plug_in' is left out" in line
    assert UNSAFE[code] in line
    with pytest.raises(RegistrationError, match="could not be loaded"):
        registry.get("foreign_plug_in")


@pytest.mark.parametrize("code", ["while True: pass", "import threading; threading.Event().wait()"])
def test_a_plug_in_whose_import_does_not_end_is_not_waited_for(install: Install, code: str) -> None:
    assert unsafe_import(install(code), seconds=0.5) == "its import does not end within 0.5 s"


@pytest.mark.parametrize("error", ["import sys; sys.exit()", "raise KeyError('x')", "input()", "import no_such_module"])
def test_an_error_is_reported_by_the_import_itself(
    install: Install, error: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unsafe_import(install(error)) is None
    monkeypatch.setattr("builtins.input", lambda: 1 / 0)
    registry: Registry[object] = Registry("thing")
    load_entry_points(GROUP, registry)
    assert "foreign_plug_in" in registry.unavailable


def test_the_outcome_is_kept_until_the_files_change(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def outcome(point: EntryPoint, _seconds: float) -> str | None:
        tried.append(point.name)
        return "it prints" if "print" in (tmp_path / "foreign_plug_in.py").read_text() else None

    monkeypatch.setattr("datasets_registry._plugins._tried", outcome)
    said = unsafe_import(install("print('a')"))
    kept = unsafe_import(install("print('a')"))
    assert said is not None
    assert kept is not None
    assert kept.startswith(said)
    assert tried == ["foreign_plug_in"], "the second answer comes from the file that it names"
    Path(kept.rpartition("delete ")[2]).unlink()
    unsafe_import(install("print('a')"))
    assert unsafe_import(install("A = 1")) is None
    assert len(tried) == 3


def test_a_plug_in_that_reads_the_catalogue_is_tried_alone(install: Install) -> None:
    install("print('a')", "foreign_other")
    code = "from datasets_registry import get_dataset\nassert get_dataset('eurosat').num_classes == 10"
    assert unsafe_import(install(code)) is None


def test_a_file_of_a_catalogue_neither_prints_nor_exits_nor_hangs_unnamed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert DATASETS.entries
    folder = tmp_path / "foreign_catalogue"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("print('hello')")
    monkeypatch.syspath_prepend(tmp_path)
    import_catalogue("foreign_catalogue", [str(folder)])
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")
    (folder / "two.py").write_text("raise SystemExit(3)")
    with pytest.raises(RegistrationError, match=r"two.py, line 1 cannot be imported: SystemExit: 3"):
        import_catalogue("foreign_catalogue", [str(folder)])
    (folder / "two.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        import_catalogue("foreign_catalogue", [str(folder)])
    assert "interrupted while foreign_catalogue.two was imported" in caplog.text
