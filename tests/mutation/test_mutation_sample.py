"""The sampler of mutants: what it changes, what it draws, and that it tells noticed mutants from others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mutation_sample
import pytest
from mutation_sample import (
    KINDS,
    ROOT,
    Mutant,
    is_noticed,
    mutants_of,
    mutants_of_settings,
    mutated_files,
    paths_of_tests,
    sample,
)

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
    found = {(mutant.old, mutant.new) for mutant in mutants_of("f.py", SOURCE)}
    assert found == {
        ("3", "4"), ("-1.5", "1.5"), ("1.5", "2.5"), ("True", "False"), ("<", "<="), ("2", "3"), ("and", "or"),
        ("not c", "c"), ("a < 2 and not c", "(not (a < 2 and not c))"), ("x != b", "True"), ("!=", "=="),
        ("sorted", "list"), ("is", "is not"), ("a is None", "(not (a is None))"), ("min", "max"), ("//", "/"),
        ("*", "/"), ("+", "-"),
    }  # fmt: skip


def test_a_mutant_changes_its_own_place() -> None:
    (mutant,) = [mutant for mutant in mutants_of("f.py", SOURCE) if mutant.old == "//"]
    assert mutant.applied(SOURCE) == SOURCE.replace(b"a // 2", b"a / 2")
    assert str(mutant) == "f.py:12: '//' -> '/'"


def test_the_sample_is_spread_over_all_files_and_compiles() -> None:
    files = [file for file in mutated_files() if mutants_of(file, (ROOT / file).read_bytes())]
    code = KINDS["code"]
    drawn = sample(80, 1, code)
    assert drawn == sample(80, 1, code)
    assert drawn[:80] == sample(81, 1, code)[:80]
    assert drawn != sample(80, 2, code)
    counts = [sum(mutant.file == file for mutant in drawn) for file in files]
    assert set(counts) <= {80 // len(files), 80 // len(files) + 1}
    for mutant in drawn:
        compile(mutant.applied((ROOT / mutant.file).read_bytes()), mutant.file, "exec")


SETTINGS = b'''"""Doc."""
RECIPE = Recipe(source="a file, line 5", lr=0.5, schedule=Schedule.COSINE, crop_scale=(0.5, 1.0), augment=False)
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
    found = [(mutant.line, mutant.old, mutant.new) for mutant in mutants_of_settings("f.py", SETTINGS)]
    planted = [new for _, _, new in found if "by_dataset" in new]
    assert len(planted) == 11
    assert '0.5, by_dataset={"dtd": {"lr": 0.0123}}' in planted
    assert [one for one in found if one[2] not in planted] == [
        (2, "0.5", "0.25"), (2, "Schedule.COSINE", "Schedule.WAVE"), (2, "0.5", "0.25"), (2, "1.0", "0.5"),
        (2, "False", "True"), (3, "0.25", "0.125"), (3, "7", "8"), (7, '"own"', "'select7'"),
        (8, '"per_shot"', "'squared'"), (9, "0.0", "0.5"), (17, "4.0", "2.0"), (17, '"select7"', "'imagenet80'"),
    ]  # fmt: skip


def test_mutants_of_settings_compile_and_lie_in_the_methods() -> None:
    files = KINDS["settings"].files()
    assert {"methods/coop.py", "methods/_parts/two_tower_methods.py"} <= set(files)
    for mutant in sample(200, 1, KINDS["settings"]):
        compile(mutant.applied((ROOT / mutant.file).read_bytes()), mutant.file, "exec")
    assert all((ROOT / path).exists() for path in KINDS["settings"].tests(files[0]))


def test_every_mutated_file_has_tests() -> None:
    for file in mutated_files():
        assert all((ROOT / path).exists() for path in paths_of_tests(file))
    assert paths_of_tests("bench/analysis/statistics/power.py") == [
        "tests/bench/analysis/statistics/test_power.py",
        "tests/bench/analysis/statistics",
    ]


@pytest.mark.parametrize(("old", "noticed"), [("2", True), pytest.param("9", False, marks=pytest.mark.slow)])
def test_a_mutant_is_noticed_by_a_failing_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, noticed: bool
) -> None:
    """The tests are replaced by a check of the number 2; the source is restored afterwards."""
    source = b"x, y = 2, 9\n"
    (tmp_path / "f.py").write_bytes(source)
    monkeypatch.setattr(
        mutation_sample, "run_tests", lambda paths, tree, log, before: b"2" not in (tree / paths[0]).read_bytes()
    )
    (mutant,) = [one for one in mutants_of("f.py", source) if one.old == old]
    assert isinstance(mutant, Mutant)
    kind = replace(KINDS["code"], tests=lambda file: [file])
    assert is_noticed(mutant, tmp_path, tmp_path / "log", kind) is noticed
    assert (tmp_path / "f.py").read_bytes() == source
