"""The formula of the number of learned values that cards print: the code that counts, without `self` and `sizes`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from one_case import for_each

from datasets_registry import EvalProtocol, RegistrationError
from methods import METHODS, MethodConfig, Sizes
from methods.linear_probe import GRID

SIZES = Sizes(512, 256, 12, 768, 24, 86_192_640, n_classes=50, shots=16)


@for_each("name", [*METHODS, "dept_on:maple", "dept_on:cocoop"])
def test_the_printed_formula_gives_the_count(name: str) -> None:
    info = METHODS.get(name).info
    config = info.default_config(EvalProtocol.BASE_TO_NEW)
    *before, value = info.parameter_formula.split("; ")
    settings = {key: getattr(config, key) for key in dir(type(config)) if not key.startswith(("_", "model_"))}
    known: dict[str, Any] = {"GRID": GRID, **settings, **dict(config), **vars(SIZES)}
    for line in before:
        exec(line, known)
    assert eval(value, known) == config.parameter_count(SIZES)


def formula_text(config: type[MethodConfig]) -> str:
    return replace(METHODS.get("zero_shot").info, config=config).parameter_formula


class Base(MethodConfig):
    n: int = 2

    def parameter_count(self, sizes: Sizes) -> int:
        """Docstrings are left out."""
        rows = self.n * sizes.shots
        return rows * sizes.embed_dim


class Wider(Base):
    def parameter_count(self, sizes: Sizes) -> int:
        return super().parameter_count(sizes) + sizes.n_classes


def test_a_formula_contains_that_of_the_base_class() -> None:
    assert formula_text(MethodConfig) == "0"
    assert formula_text(Base) == "rows = n * shots; rows * embed_dim"
    assert formula_text(Wider) == "rows = n * shots; (rows * embed_dim) + n_classes"


def test_without_source_the_function_is_named() -> None:
    names: dict[str, Any] = {"MethodConfig": MethodConfig}
    exec("class Typed(MethodConfig):\n    def parameter_count(self, sizes):\n        return 1", names)
    assert formula_text(names["Typed"]) == "Typed.parameter_count"


@pytest.mark.parametrize("field", ["uses", "needs", "tower_use"])
def test_a_value_that_does_not_exist_is_named(field: str) -> None:
    changes: dict[str, Any] = {field: {"pixles"}}
    with pytest.raises(RegistrationError, match=rf"MethodInfo\.{field} has 'pixles'\. Allowed: "):
        replace(METHODS.get("zero_shot").info, **changes)
