"""A begun method works as it is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.extensions.conformance import CheckOutcome, Subject, run_checks
from bench.extensions.conformance.new_method import scaffold
from bench.results import Shards, add_method_file, known_methods
from datasets_registry import METHOD_FILES_VARIABLE, BenchError
from methods import METHODS, Family


def loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The method of a new file; registered until the test ends."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    spec.loader.exec_module(module)
    return METHODS.get(path.stem)


@pytest.mark.parametrize("family", ["feature adapter", "classifier"])
def test_a_begun_method_passes_every_check_but_its_placeholders(
    tmp_path: Path, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = scaffold("my_method", family, tmp_path)
    method = loaded(file, monkeypatch)
    assert (method.info.name, method.info.family) == ("my_method", family)
    failed = {r.check: r.message for r in run_checks(Subject(method)) if r.outcome is CheckOutcome.FAILED}
    assert set(failed) == {"facts_are_complete"}
    left = "EDIT is left in its module's docstring, the summary, the citation, the setting scale"
    assert left in failed["facts_are_complete"]
    assert ("source of the recipe" in failed["facts_are_complete"]) == bool(method.info.recipes)
    assert "EDIT" in file.read_text()
    assert "\n\n\n\n" not in file.read_text(), "it is formatted"


def test_it_is_one_file_that_a_sweep_and_its_workers_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etl: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(METHOD_FILES_VARIABLE, "")
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS.entries))
    code, out, _ = etl("methods", "new", "my_method", "--family", "classifier")
    assert (code, out.splitlines()[0]) == (0, "my_method.py")
    assert "`etl-bench methods check ./my_method.py`" in out
    command = "run -m ./my_method.py,zero_shot -d spectrum_basic:test=6 -b ViT-tiny.random --protocol few-shot --json"
    code, out, err = etl(*command.split(), "--shots", "2", "--seeds", "1", "--jobs", "1")
    assert code == 0, err
    shards = Shards(Path("runs"))
    records = {record.spec.method: record for record in map(shards.record, shards.scan()) if record}
    assert set(records) == {"my_method", "zero_shot"}
    digest = records["my_method"].provenance.method_digest
    assert digest == known_methods().get("my_method").source_digest != ""


@pytest.mark.parametrize(
    ("text", "others", "reason"),
    [
        ("import torc", "", "line 1 cannot be imported: ModuleNotFoundError"),
        ("x = 1", "", "must register one method"),
        (None, "", "There is no file"),
        ("", "first/mine.py", r"Two files of methods are called mine\.py"),
    ],
)
def test_a_file_that_is_not_of_one_new_method_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, others: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(METHOD_FILES_VARIABLE, others)
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(BenchError, match=reason):
        add_method_file(tmp_path / "mine.py")


def test_a_file_cannot_take_the_name_of_a_method_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(METHOD_FILES_VARIABLE, "")
    file = scaffold("mine", "cache", tmp_path)
    file.write_text(file.read_text().replace('name="mine"', 'name="coop"'))
    with pytest.raises(BenchError, match="'coop' is registered twice"):
        add_method_file(file)


@pytest.mark.parametrize("name", ["MyMethod", "2sfs", "my-method", "class", ""])
def test_a_name_that_is_no_module_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a module"):
        scaffold(name, "cache", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_never_written_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'coop' is already registered"):
        scaffold("coop", "cache", tmp_path)
    (tmp_path / "mine.py").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.py already exists"):
        scaffold("mine", "cache", tmp_path)
    assert (tmp_path / "mine.py").read_text() == "mine"
