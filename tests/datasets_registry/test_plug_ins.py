"""Plug-ins and files of a catalogue that print, hang or end the process while they are imported."""

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
    UnknownNameError,
    import_catalogue,
    load_entry_points,
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


@pytest.mark.parametrize("error", ["import sys; sys.exit()", "raise KeyError('x')", "input()", "import no_such_module"])
def test_a_plug_in_that_cannot_be_imported_is_named_and_left_out(
    install: Install, error: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda: 1 / 0)
    install(error)
    install("A = 1", "foreign_good")
    registry: Registry[object] = Registry("thing")
    with caplog.at_level(logging.WARNING):
        load_entry_points(GROUP, registry)
    assert "foreign_good" in sys.modules
    (line,) = caplog.messages
    assert "thing 'foreign_plug_in' is left" in line
    with pytest.raises(RegistrationError, match="could not be loaded"):
        registry.get("foreign_plug_in")


def test_a_plug_in_neither_prints_nor_hangs_unnamed(
    install: Install, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    install("print('hello')")
    load_entry_points(GROUP, Registry("thing"))
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")
    install("raise KeyboardInterrupt", "foreign_slow")
    with pytest.raises(KeyboardInterrupt):
        load_entry_points(GROUP, Registry("thing"))
    assert "foreign_slow was imported" in caplog.text


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
    registry: Registry[object] = Registry("thing")
    import_catalogue("foreign_catalogue", [str(folder)], registry)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")
    (folder / "two.py").write_text("raise SystemExit(3)")
    import_catalogue("foreign_catalogue", [str(folder)], registry)
    with pytest.raises(RegistrationError, match="1 cannot be imported: SystemExit: 3"):
        registry.get("two")
    (folder / "two.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        import_catalogue("foreign_catalogue", [str(folder)], registry)
    assert "interrupted while foreign_catalogue.two" in caplog.text


def catalogue(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> Registry[str]:
    """A registry of a catalogue of these files, whose code calls `add`, as `register_dataset` does."""
    package = folder / "foreign_things"
    package.mkdir()
    registry: Registry[str] = Registry("dataset", lambda: import_catalogue("foreign_things", [str(package)], registry))
    monkeypatch.setattr("builtins.add", lambda name, module: registry.add(name, name, module=module), raising=False)
    for name, code in {"__init__": "", **files}.items():
        (package / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.startswith("foreign_")]:
        monkeypatch.delitem(sys.modules, name)
    return registry


def test_a_broken_file_of_a_catalogue_or_a_name_of_another_file_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = "add('one', __name__)"
    registry = catalogue(tmp_path, monkeypatch, bad="1 / 0", good="add('good', __name__)", one=one, two=one)
    assert list(registry) == ["good", "one"]
    assert len(caplog.messages) == 2
    with pytest.raises(RegistrationError, match=r"bad\.py, line 1 .*ZeroDivisionError"):
        registry.get("bad")
    with pytest.raises(RegistrationError, match=r"two\.py, line 1 .*first by foreign_things\.one"):
        registry.get("two")


def test_a_file_that_registers_nothing_is_named_with_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = "add('other', __name__)"
    registry = catalogue(tmp_path, monkeypatch, helper=code, forgotten="import foreign_things.helper")
    assert list(registry) == ["other"]
    assert caplog.messages == []
    with pytest.raises(RegistrationError, match=r"foreign_things\.forgotten registers nothing.*register_dataset"):
        registry.get("forgotten")
    with pytest.raises(UnknownNameError):
        registry.get("helper")
