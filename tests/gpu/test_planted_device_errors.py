"""Five device errors that are easy to make, planted in a new method, are each found, with their line."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from pretended_device.process import ROUNDING, DeviceProcess

from bench.extensions.conformance import Subject
from bench.extensions.conformance.new_method import scaffold
from methods import METHODS, Family

TRAINED, FREE = "feature adapter", "classifier"
PLANTED = {
    "no .to(device)": (
        TRAINED,
        '.to(self.backbone.device)\n',
        '\n',
        'image = batch.features @ self.trainable["weight"].T',
        "Expected all tensors to be on the same device",
    ),
    "zeros without a device": (
        TRAINED,
        'image = batch.features @ self.trainable["weight"].T',
        'image = batch.features @ self.trainable["weight"].T + torch.zeros(self.backbone.embed_dim)',
        "torch.zeros(self.backbone.embed_dim)",
        "Expected all tensors to be on the same device",
    ),
    "numpy of a GPU tensor": (
        FREE,
        "self.means = ",
        "self.order = support.labels.numpy()\n        self.means = ",
        "self.order = support.labels.numpy()",
        "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()",
    ),
    "a CPU generator for a GPU tensor": (
        TRAINED,
        'torch.eye(self.backbone.embed_dim)})',
        'torch.nn.init.normal_(torch.eye(self.backbone.embed_dim, device=self.backbone.device), '
        'generator=self.generator)})',
        "generator=self.generator)})",
        "Expected a 'cuda' device type for generator but found 'cpu'",
    ),
    "a CPU table by GPU labels": (
        FREE,
        "F.one_hot(support.labels, len(support.classes)).to(features.dtype).T",
        "__import__('torch').eye(len(support.classes))[support.labels].to(features.dtype).T",
        "[support.labels]",
        "indices should be either on cpu or on the same device as the indexed tensor (cpu)",
    ),
}  # fmt: skip
"""Error -> kind of method, text of the template, text with the error, what its line holds, and CUDA's words."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("methods", "tests/methods"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "methods" / "__init__.pyi").touch()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    return tmp_path


def loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return METHODS.get(path.stem)


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_device_error_is_found_with_its_line(
    planted: str, folder: Path, monkeypatch: pytest.MonkeyPatch, pretended_device: DeviceProcess
) -> None:
    family, before, after, line, words = PLANTED[planted]
    path = scaffold("with_an_error", family, folder)[0][0]
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    subject = Subject(loaded(path, monkeypatch))
    error = pretended_device.trial(subject.method, subject.config).error
    assert words in error
    number = next(i for i, row in enumerate(path.read_text().splitlines(), 1) if line in row)
    assert f"{path}:{number}" in error


@pytest.mark.parametrize("family", [TRAINED, FREE])
def test_the_same_method_without_an_error_passes(
    family: Family, folder: Path, monkeypatch: pytest.MonkeyPatch, pretended_device: DeviceProcess
) -> None:
    path = scaffold("without_errors", family, folder)[0][0]
    subject = Subject(loaded(path, monkeypatch))
    outcome = pretended_device.trial(subject.method, subject.config)
    assert (outcome.error, outcome.difference <= ROUNDING) == ("", True)
