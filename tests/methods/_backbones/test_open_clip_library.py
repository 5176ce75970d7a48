"""What is known about architectures and weights without torch is what open_clip says."""

from __future__ import annotations

import sys

import open_clip
import pytest

from datasets_registry import BenchError
from methods import parse_backbone

SLUGS = [f"{arch}.{tag}" for arch in open_clip.list_models() for tag in open_clip.list_pretrained_tags_by_model(arch)]
UNKNOWN = ["ViT-B-61.openai", "ViT-B-16.laion99"]


def known() -> dict[str, object]:
    """Configuration and preprocessing of each backbone, or why it is refused."""
    found: dict[str, object] = {}
    for slug in [*SLUGS, *UNKNOWN]:
        try:
            found[slug] = (spec := parse_backbone(slug)).config, spec.preprocessing
        except BenchError as error:
            found[slug] = type(error), str(error)
    return found


def test_backbones_without_torch_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = known()
    monkeypatch.delitem(sys.modules, "open_clip")
    assert known() == expected
    assert "open_clip" not in sys.modules


def test_a_release_whose_files_do_not_run_without_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise AttributeError

    expected = known()
    monkeypatch.setattr("methods._backbones.open_clip_library._factory", fails)
    monkeypatch.setattr("methods._backbones.open_clip_library.open_clip", lambda: open_clip)
    monkeypatch.delitem(sys.modules, "open_clip")
    assert known() == expected
