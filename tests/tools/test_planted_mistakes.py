"""The planter of mistakes: what it changes, draws and finds again, and that it tells noticed mistakes from others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.planted_mistakes import __main__ as planted
from tools.planted_mistakes import settings
from tools.planted_mistakes.code import mistakes_in_code, mistakes_in_settings

SOURCE = b'''"""Doc."""
import os

LIMIT: int | None = 3


def f(a: int | None, b=-1.5, *, c: bool = True):
    # a comment, \xc3\xa4
    if a < 2 and not c:
        raise ValueError(1 + 1)
    kept = [x for x in range(a) if x != b]
    return sorted(kept) if a is None else min(a // 2, b * 2) + f"{a + b:.3f}"
'''


def test_every_operator_number_and_condition_is_changed_once() -> None:
    found = {(mistake.old, mistake.new) for mistake in mistakes_in_code("f.py", SOURCE)}
    assert found == {
        ("3", "4"), ("-1.5", "1.5"), ("1.5", "2.5"), ("True", "False"), ("<", "<="), ("2", "3"), ("and", "or"),
        ("not c", "c"), ("a < 2 and not c", "(not (a < 2 and not c))"), ("x != b", "True"), ("!=", "=="),
        ("sorted", "list"), ("is", "is not"), ("a is None", "(not (a is None))"), ("min", "max"), ("//", "/"),
        ("*", "/"), ("+", "-"),
    }  # fmt: skip


def test_a_mistake_changes_its_own_place() -> None:
    (mistake,) = [mistake for mistake in mistakes_in_code("f.py", SOURCE) if mistake.old == "//"]
    assert mistake.applied(SOURCE) == SOURCE.replace(b"a // 2", b"a / 2")
    assert str(mistake) == "f.py:12: '//' -> '/'"


def test_each_kind_has_files() -> None:
    assert [one for patterns in planted.KINDS.values() for one in patterns if not list(planted.ROOT.glob(one))] == []


@pytest.mark.parametrize("kind", ["statistics", "settings"])
def test_the_sample_is_spread_over_the_files_compiles_and_is_found_again(kind: str) -> None:
    drawn = planted.sample(kind, 12, 1)
    assert drawn == planted.sample(kind, 13, 1)[:12]
    assert drawn != planted.sample(kind, 12, 2)
    assert len({mistake.file for mistake in drawn}) == 12
    for mistake in drawn:
        compile(mistake.applied((planted.ROOT / mistake.file).read_bytes()), mistake.file, "exec")
        row = planted.recorded_row(kind, mistake, "noticed")
        assert planted.find_again(row) == mistake
        assert planted.find_again(row | {"line": "gone = 1"}) is None
        assert planted.find_again(row | {"file": "bench/gone.py"}) is None


SETTINGS = b'''"""Doc."""
RECIPE = Recipe(source="a file, line 5", lr=0.5, schedule="cosine", crop_scale=(0.5, 1.0), augment=False)
TRANSFER = RECIPE.model_copy(update={"name": "published", "lr": 0.25, "by_dataset": {"dtd": {"epochs": 7}}})


class AConfig(TextConfig):
    templates: tuple[str, ...] = templates_setting("own", published="own")
    penalty: Literal["per_shot", "squared"] | float = Field("per_shot", description="lambda: 3")
    weight: float = Field(0.0, ge=0)
    later: int | None = None

    def parameter_count(self, sizes):
        return 3


class A(Method):
    info = MethodInfo(version=2, config_by_protocol={FEW_SHOT: {"weight": 4.0, "templates": ("select7",)}})
'''


def test_every_setting_is_changed_once_and_a_recipe_on_each_dataset() -> None:
    found = [(mistake.line, mistake.old, mistake.new) for mistake in mistakes_in_settings("f.py", SETTINGS)]
    planted = [new for _, _, new in found if "by_dataset" in new]
    assert len(planted) == 11
    assert '0.5, by_dataset={"dtd": {"lr": 0.0123}}' in planted
    assert [one for one in found if one[2] not in planted] == [
        (2, "0.5", "0.25"), (2, '"cosine"', "'wave'"), (2, "0.5", "0.25"), (2, "1.0", "0.5"),
        (2, "False", "True"), (3, "0.25", "0.125"), (3, "7", "8"), (7, '"own"', "'select7'"),
        (8, '"per_shot"', "'squared'"), (9, "0.0", "0.5"), (17, "4.0", "2.0"), (17, '"select7"', "'imagenet80'"),
    ]  # fmt: skip


def test_the_tests_of_settings_exist() -> None:
    assert all((planted.ROOT / path).exists() for path in settings.TESTS)


def test_tests_of_the_same_name_and_folder_come_first() -> None:
    tests = ["tests/methods/test_a.py::x", "tests/bench/results/test_b.py::y", "tests/bench/results/test_files.py::z"]
    assert planted.nearest_first(tests, "bench/results/files.py") == tests[::-1]


@pytest.mark.parametrize(("old", "noticed"), [("2", True), ("9", False)])
def test_a_mistake_is_noticed_by_a_failing_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, noticed: bool
) -> None:
    """The tests are replaced by a check of the number 2; the source is restored afterwards."""
    source = b"x, y = 2, 9\n"
    (tmp_path / "f.py").write_bytes(source)
    monkeypatch.setattr(planted, "exit_code", lambda job, tree: b"2" not in (tree / "f.py").read_bytes())
    (mistake,) = [one for one in mistakes_in_code("f.py", source) if one.old == old]
    assert bool(planted.failing_test(mistake, ["a test"], tmp_path)) is noticed
    assert (tmp_path / "f.py").read_bytes() == source
