"""Facts of methods without importing the methods."""

from __future__ import annotations

import subprocess
import sys

import pytest

import bench.results.method_facts
from bench.papers.catalogue import registered
from bench.results.files import TextCache
from bench.results.method_facts import method_sheets
from datasets_registry import EvalProtocol
from methods import get_method, list_methods


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported the methods, nor any package that adds some."""
    monkeypatch.setattr(bench.results.method_sheets, "entry_points", lambda **_: ())
    monkeypatch.delitem(sys.modules, "methods._base.registry", raising=False)


def test_a_sheet_has_the_published_settings():
    sheets = {sheet.name: sheet for sheet in method_sheets()}
    assert list(sheets) == [info.name for info in list_methods()]
    info = get_method("coop").info
    settings = info.default_config(EvalProtocol.BASE_TO_NEW).model_dump(mode="json")
    assert sheets["coop"].published["base-to-new"] == settings
    assert (sheets["coop"].title, sheets["coop"].family) == ("CoOp", "text prompt")


def test_kept_sheets_equal_the_registered_ones(fresh, monkeypatch, tmp_path):
    imported = method_sheets()
    kept = TextCache(tmp_path)
    monkeypatch.delitem(sys.modules, "methods._base.registry", raising=False)
    assert method_sheets(kept) == imported
    monkeypatch.setattr(bench.results.method_sheets, "_registered", lambda: pytest.fail("imported again"))
    monkeypatch.delitem(sys.modules, "methods._base.registry", raising=False)
    assert method_sheets(kept) == imported
    assert registered(kept).method("apex").title == "APEX"


def test_a_changed_file_is_noticed(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(bench.results.method_sheets, "_registered", lambda: ())
    monkeypatch.setattr(bench.results.method_sheets, "_state", lambda: "before")
    assert method_sheets(TextCache(tmp_path)) == ()
    monkeypatch.setattr(bench.results.method_sheets, "_registered", lambda: pytest.fail("as it should"))
    monkeypatch.setattr(bench.results.method_sheets, "_state", lambda: "after")
    with pytest.raises(pytest.fail.Exception, match="as it should"):
        method_sheets(TextCache(tmp_path))


def test_packages_that_add_methods_are_always_asked(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(bench.results.method_sheets, "entry_points", lambda **_: ("one",))
    monkeypatch.setattr(bench.results.method_sheets, "_registered", lambda: ())
    assert method_sheets(TextCache(tmp_path)) == ()
    assert not list(tmp_path.iterdir())


def test_a_page_needs_no_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; import bench.results.method_facts as m;"
        "m.entry_points = lambda **_: ();"
        "from reports.site.build import write_published;"
        f"write_published(Path({str(tmp_path / 'a.html')!r}), None, Path({str(tmp_path)!r}));"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
