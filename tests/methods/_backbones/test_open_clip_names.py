"""What is known about architectures and weights without torch is what open_clip says."""

from __future__ import annotations

import sys
from typing import Any

import open_clip as library
import pytest

from methods._backbones import open_clip_names


def known(source: Any) -> dict[str, Any]:
    """Model configuration, and the facts of all pretrained weights, by architecture."""
    return {
        arch: (
            source.get_model_config(arch),
            {tag: source.get_pretrained_cfg(arch, tag) for tag in source.list_pretrained_tags_by_model(arch)},
        )
        for arch in source.list_models()
    }


def test_the_names_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = known(library)
    monkeypatch.delitem(sys.modules, "open_clip")
    names = open_clip_names.open_clip()
    assert names is not library
    assert known(names) == expected
    assert list(known(names)) == list(expected)


def test_an_imported_library_is_asked_itself() -> None:
    assert open_clip_names.open_clip() is library


def test_a_release_whose_files_do_not_run_without_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise AttributeError

    monkeypatch.setattr(open_clip_names, "_factory", fails)
    monkeypatch.setattr(open_clip_names, "library", lambda: library)
    monkeypatch.delitem(sys.modules, "open_clip")
    assert open_clip_names.open_clip() is library
