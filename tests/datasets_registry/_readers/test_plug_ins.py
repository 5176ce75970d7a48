"""HEIC and AVIF files, with and without the packages that read them."""

from __future__ import annotations

import importlib
import importlib.util
import io
import sys
from pathlib import Path

import pytest
from PIL import Image, features

from datasets_registry import DataError, ImageFiles

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)
INSTALLED = importlib.util.find_spec("pillow_heif") is not None


@pytest.mark.skipif(INSTALLED, reason="pillow-heif is installed")
@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_a_heic_file_without_the_plug_in_says_what_to_install(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HEIC)
    with pytest.raises(
        DataError, match=rf"{name} needs the package pillow-heif. Run `pip install pillow-heif`, or con"
    ):
        ImageFiles(tmp_path).load(name)


@pytest.mark.skipif(INSTALLED, reason="pillow-heif is installed")
def test_an_installed_plug_in_is_registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module of that name is asked to register itself, once."""
    (tmp_path / "pillow_heif.py").write_text("calls = []\ndef register_heif_opener():\n    calls.append(1)\n")
    plug_ins = importlib.import_module("datasets_registry._readers.plug_ins")
    with monkeypatch.context() as changed:
        changed.syspath_prepend(tmp_path)
        plug_ins.register_plug_ins.cache_clear()
        plug_ins.register_plug_ins()
        plug_ins.register_plug_ins()
        assert sys.modules.pop("pillow_heif").calls == [1]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read_by_pillow_itself(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (64, 32), (200, 10, 10)).save(content, "AVIF")
    (tmp_path / "a.avif").write_bytes(content.getvalue())
    assert ImageFiles(tmp_path).load("a.avif").size == (64, 32)
