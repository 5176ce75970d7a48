"""The sampler of mutants: what it changes, what it draws, and that it tells noticed mutants from others."""

from __future__ import annotations

from pathlib import Path

import mutation_sample
import pytest
from mutation_sample import ROOT, Mutant, is_noticed, mutants_of, mutated_files, paths_of_tests, sample

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
    drawn = sample(80, seed=1)
    assert drawn == sample(80, seed=1)
    assert drawn[:80] == sample(81, seed=1)[:80]
    assert drawn != sample(80, seed=2)
    counts = [sum(mutant.file == file for mutant in drawn) for file in files]
    assert set(counts) <= {80 // len(files), 80 // len(files) + 1}
    for mutant in drawn:
        compile(mutant.applied((ROOT / mutant.file).read_bytes()), mutant.file, "exec")


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
    monkeypatch.setattr(mutation_sample, "paths_of_tests", lambda file: [file])
    monkeypatch.setattr(
        mutation_sample, "run_tests", lambda paths, tree, log: b"2" not in (tree / paths[0]).read_bytes()
    )
    (mutant,) = [one for one in mutants_of("f.py", source) if one.old == old]
    assert isinstance(mutant, Mutant)
    assert is_noticed(mutant, tmp_path, tmp_path / "log") is noticed
    assert (tmp_path / "f.py").read_bytes() == source
