"""Facts of methods of other packages: imported once, and again after a change of their files."""

from __future__ import annotations

import importlib
import logging
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import bench.results.known_facts as module
from bench.results import code_digests
from bench.results.code_digests import source_digest
from bench.results.known_facts import known_methods
from datasets_registry import RegistrationError, import_catalogue, load_entry_points
from methods import METHODS, MethodFactsRegistry, get_method

PLUG_IN = '''
"""Zero-shot under another name."""
from dataclasses import replace
from methods import get_method, register_method

ZeroShot = get_method("zero_shot")


@register_method
class Foreign(ZeroShot):
    info = replace(ZeroShot.info, name="foreign_method", title="Foreign")
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package on the path with one entry point; it is not imported yet, and its facts are not in the cache."""
    folder = tmp_path / "foreign_pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "method.py").write_text(PLUG_IN)
    point = EntryPoint("foreign_method", "foreign_pack.method", module.METHODS_GROUP)
    monkeypatch.setattr(module, "entry_points", lambda group: (point,))
    monkeypatch.setattr("datasets_registry._registry.entry_points", lambda group: (point,))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS.entries))
    monkeypatch.setattr(METHODS, "unavailable", {})
    monkeypatch.setattr(METHODS, "_load", lambda: load_entry_points(module.METHODS_GROUP, METHODS))
    yield folder
    for name in ("foreign_pack", "foreign_pack.method"):
        sys.modules.pop(name, None)


def fresh() -> MethodFactsRegistry:
    """The registry of a process that has not imported the plug-in."""
    for name in ("foreign_pack", "foreign_pack.method"):
        sys.modules.pop(name, None)
    METHODS._entries.pop("foreign_method", None)
    return MethodFactsRegistry(module._add_others, module._facts_with_code)


def test_a_plug_in_is_imported_once_and_again_after_a_change(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fresh().get("foreign_method")
    assert "foreign_pack.method" in sys.modules
    assert (first.title, first.source_digest) == ("Foreign", source_digest(get_method("foreign_method")))
    again = fresh()
    assert again.get("foreign_method") == first
    assert "foreign_pack.method" not in sys.modules
    (package / "other.py").write_text("A = 1\n")
    monkeypatch.setattr(module, "_imported", lambda *_: pytest.fail("as it should"))
    with pytest.raises(pytest.fail.Exception, match="as it should"):
        fresh().get("foreign_method")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module\n", "no_such_module"),
        (PLUG_IN.replace('"Foreign")', '"Foreign", parameter_formula="n")'), "MethodInfo has no field .*sizes: Sizes"),
    ],
)
def test_a_broken_plug_in_is_left_out_with_one_warning_that_says_why(
    package: Path, caplog: pytest.LogCaptureFixture, text: str, said: str
) -> None:
    (package / "method.py").write_text(text)
    with caplog.at_level(logging.WARNING):
        known = fresh()
        assert "foreign_method" not in known
        assert "coop" in known
    (line,) = caplog.messages
    assert re.search(f"foreign_method.*{said}", line)
    with pytest.raises(RegistrationError, match=f"foreign_method.*could not be loaded.*{said}"):
        known.get("foreign_method")


def test_a_broken_file_of_this_package_is_named_and_left_out(
    package: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (package / "method.py").write_text("raise SystemExit(4)\n")
    (package / "other.py").write_text(PLUG_IN)
    monkeypatch.setattr(module, "entry_points", lambda group: ())
    monkeypatch.setattr(module.methods, "__path__", [str(package), *module.methods.__path__])
    monkeypatch.setattr(METHODS, "_load", lambda: import_catalogue("methods", [str(package)], METHODS))
    with caplog.at_level(logging.WARNING):
        known = MethodFactsRegistry(module._add_others, module._facts_with_code)
        assert {"coop", "foreign_method"} <= set(known)
        assert "method" not in known
    sys.modules.pop("methods.other", None)
    (line,) = caplog.messages
    assert "method 'method' is left out" in line
    with pytest.raises(RegistrationError, match=r"method\.py, line 1 .*SystemExit: 4"):
        known.get("method")


def test_an_edited_file_in_methods_that_does_not_ship_has_another_digest(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "entry_points", lambda group: ())
    monkeypatch.setattr(module.methods, "__path__", [str(package), *module.methods.__path__])
    digests = []
    for scale in (1, 2):
        (package / "method.py").write_text(f"{PLUG_IN}    scale = {scale}\n")
        monkeypatch.setattr(METHODS, "_load", lambda: import_catalogue("methods", [str(package)], METHODS))
        METHODS._entries.pop("foreign_method", None)
        for cached in (code_digests.source_digest, code_digests._code_digest):
            cached.cache_clear()
        sys.modules.pop("methods.method", None)
        importlib.invalidate_caches()
        known = MethodFactsRegistry(module._add_others, module._facts_with_code)
        digests.append(known.get("foreign_method").source_digest)
    sys.modules.pop("methods.method", None)
    assert len({"", *digests}) == 3


def test_methods_of_this_package_have_no_digest() -> None:
    assert known_methods().get("coop").source_digest == ""
    assert known_methods().get("apex_on:maple").source_digest == ""
