"""An extension of another package adds commands and a kind of runs; a broken one costs one warning."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from bench import export_leaderboards, extension, run
from bench.cli.app import add_commands
from bench.errors import UsageError
from bench.extension import Extension, extensions

PACKAGE = '''
"""An extension: a command in a group, and a group of its own."""
import typer

from bench.cli import Commands, print_line
from bench.extension import Extension

lab = Commands(help="Commands of the lab.")


@lab.command("greet")
def greet() -> None:
    """Greet."""
    print_line("hello")


def audit(name: str) -> None:
    """Audit a model."""
    print_line(f"audited {name}")


COMMANDS = {"lab": lab, "models audit": audit}
EXTENSION = Extension(
    commands="lab_extension:COMMANDS", panels={"lab": "Keep"},
    after_run={"book[:PAGE]": "lab_extension:write"},
    outputs={"export words": "lab_extension:words"},
)


def words(boards, *, greeting="hello"):
    return {"words.txt": f"{greeting} {len(boards)}"}


WRITTEN = []


def write(runs, tracker, notice):
    return lambda run_id: WRITTEN.append((tracker, run_id))


LOST = {"nowhere greet": greet}
WITHOUT_COMMANDS = Extension(commands="nowhere:COMMANDS")
WITHOUT_OUTPUT = Extension(outputs={"export nothing": "lab_extension:nothing"})
'''


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The extension as that of another distribution, in the place of those of the harness."""
    (tmp_path / "lab_extension.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    points = [
        EntryPoint("lab", "lab_extension:EXTENSION", "etl_bench.extensions"),
        EntryPoint("broken", "nowhere:EXTENSION", "etl_bench.extensions"),
        EntryPoint("mute", "lab_extension:WITHOUT_COMMANDS", "etl_bench.extensions"),
        EntryPoint("empty", "lab_extension:WITHOUT_OUTPUT", "etl_bench.extensions"),
    ]
    monkeypatch.setattr(extension, "entry_points", lambda group: points)
    monkeypatch.setattr(extension, "iter_modules", lambda path: ())
    extensions.cache_clear()
    yield
    extensions.cache_clear()


def test_a_broken_extension_is_left_out_with_a_warning(lab: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert list(extensions()) == ["lab"]
    for name in ("broken", "mute", "empty"):
        assert f"{name} is left out" in caplog.text


def test_its_commands_are_found_by_their_words(lab: None, caplog: pytest.LogCaptureFixture) -> None:
    assert list(extensions()["lab"].command_table()) == ["lab", "models audit"]
    with caplog.at_level(logging.WARNING):
        add_commands(Extension(commands="lab_extension:LOST"))
    assert "no group 'nowhere'" in caplog.text


def test_its_tracker_is_called_after_each_run(lab: None, tmp_path: Path) -> None:
    import lab_extension

    done = run("zero_shot", "spectrum_basic:test=5", runs=tmp_path, trackers="book:3", jobs=0, progress="none")
    assert [("book:3", run_id) for run_id in done.run_ids] == lab_extension.WRITTEN
    with pytest.raises(UsageError, match=r"The tracker 'mlflow' is unknown. Allowed: book\[:PAGE\]"):
        run("zero_shot", "spectrum_basic", trackers="mlflow")


def test_its_format_of_leaderboards_is_written_with_its_option(lab: None, tmp_path: Path) -> None:
    run("zero_shot", "spectrum_basic:test=5", runs=tmp_path / "runs", jobs=0, progress="none")
    _, (file,) = export_leaderboards("words", tmp_path / "out", runs=tmp_path / "runs", greeting="good day")
    assert file.read_text() == "good day 1"
    with pytest.raises(UsageError, match="--greeting are for --format words; leave them out for csv"):
        export_leaderboards("csv", runs=tmp_path / "runs", greeting="good day")


def test_commands_of_the_shipped_extensions_are_listed_where_they_belong(etl) -> None:
    for name, one in extensions().items():
        for words in one.command_table():
            code, out, _ = etl(*words.split(), "--help")
            assert (code, f"etl-bench {words}" in " ".join(out.split())) == (0, True), (name, words)
    code, out, _ = etl("methods", "--json")
    assert (code, any(row["name"] == "coop" for row in json.loads(out))) == (0, True)
