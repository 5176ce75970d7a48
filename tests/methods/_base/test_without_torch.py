"""Modules that run with placeholders in place of torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from methods import ModulesWithoutTorch, Placeholder, public_names

MODEL = """
from __future__ import annotations
import dataclasses
import torch.nn.functional as F
from torch import Tensor, nn
from pydantic import BaseModel
from sample.sizes import WIDTH, Kind

class Settings(BaseModel):
    width: Kind = WIDTH

@dataclasses.dataclass
class Part:
    name: str
    weight: Tensor | None = None

class Layer(nn.Module):
    @nn.decorate("x")
    def forward(self, x: float | nn.Tensor = F.nothing) -> Tensor:
        return F.relu(x)

def size(settings): return settings.width * 2
"""


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path whose `model` uses torch, and whose `sizes` does not."""
    folder = tmp_path / "sample"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('the package itself is not needed')")
    (folder / "sizes.py").write_text("WIDTH, Kind = 3, int\n")
    (folder / "model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def loaded(name: str = "sample.model") -> Any:
    return ModulesWithoutTorch({"sample"}, {"torch"}).load(name)


def test_classes_settings_and_functions_are_real(sample: Path) -> None:
    model = loaded()
    assert model.size(model.Settings(width="4")) == 8
    assert model.Part("a").name == "a"
    assert isinstance(model.F, Placeholder)
    assert isinstance(model.Layer.forward, Placeholder)


def test_nothing_stands_in_the_way_of_an_ordinary_import(sample: Path) -> None:
    loaded()
    assert "sample.model" not in sys.modules
    assert "sample" not in sys.modules


def test_a_module_runs_once_and_modules_share_it(sample: Path) -> None:
    modules = ModulesWithoutTorch({"sample"}, {"torch"})
    assert modules.load("sample.model") is modules.load("sample.model")
    (sample / "other.py").write_text("from sample.model import Settings\n")
    assert modules.load("sample.other").Settings is modules.load("sample.model").Settings


@pytest.mark.parametrize("use", ["float(torch.pi)", "str(torch.pi)", "f'{torch.pi}'", "torch.pi * 2", "not torch.pi"])
def test_a_value_of_an_absent_package_cannot_become_a_fact(use: str, sample: Path) -> None:
    (sample / "model.py").write_text(f"import torch\nVALUE = {use}\n")
    with pytest.raises(TypeError):
        loaded()


def test_an_error_of_the_module_is_its_own(sample: Path) -> None:
    (sample / "model.py").write_text("import no_such_package")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        loaded()
    with pytest.raises(ModuleNotFoundError, match="sample.absent"):
        loaded("sample.absent")


def test_public_names_are_read_from_the_stub() -> None:
    assert public_names("methods")["Recipe"] == "methods._base.recipe"
    assert public_names("json") == public_names("no_such_package") == {}
