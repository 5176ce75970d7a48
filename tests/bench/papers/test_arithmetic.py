"""Whether printed numbers follow from one another, against plain computations."""

from __future__ import annotations

import pytest

from bench.analysis import HConvention
from bench.analysis.metrics.scores import harmonic_mean
from bench.papers.arithmetic import checked_numbers, mismatches
from bench.papers.printed_averages import DATASETS, convention

BASE = {name: f"{80 + i}.00" for i, name in enumerate(DATASETS)}
NEW = {name: f"{40 + 6 * i}.00" for i, name in enumerate(DATASETS)}


def splits(**changes: dict[str, str]) -> dict[str, dict[str, str]]:
    """A table that agrees with itself, but for changes of a split."""
    h = {name: f"{harmonic_mean(float(BASE[name]), float(NEW[name])):.2f}" for name in DATASETS}
    plain = {
        "base": BASE | {"average": "85.00"},
        "new": NEW | {"average": "70.00"},
        "H": h | {"average": f"{harmonic_mean(85.0, 70.0):.2f}"},
    }
    return {split: cells | changes.get(split, {}) for split, cells in plain.items()}


OVER = dict.fromkeys(("base", "new", "H"), DATASETS)


def test_a_table_that_agrees_with_itself_has_no_mismatch() -> None:
    assert mismatches(splits(), DATASETS, OVER) == []
    assert checked_numbers(splits(), DATASETS, OVER) == len(DATASETS) + 3


@pytest.mark.parametrize(
    ("changes", "split", "dataset", "misprint"),
    [
        ({"H": {"dtd": "70.01"}}, "H", "dtd", ""),
        ({"base": {"average": "58.00"}}, "base", "average", "base average is 85.00"),
        ({"new": {"average": "71.00"}}, "new", "average", ""),
    ],
)
def test_a_number_that_does_not_follow_is_found(
    changes: dict[str, dict[str, str]], split: str, dataset: str, misprint: str
) -> None:
    found = mismatches(splits(**changes), DATASETS, OVER)
    assert (found[0].split, found[0].dataset, found[0].misprint) == (split, dataset, misprint)


def test_exchanged_digits_of_a_cell_are_named_if_one_exchange_explains_all() -> None:
    (found,) = mismatches({"base": {"a": "80.00"}, "new": {"a": "06.00"}, "H": {"a": "68.57"}}, ["a"], {})
    assert found.misprint == "new a is 60.00"


def test_numbers_are_compared_as_exactly_as_they_are_printed() -> None:
    row = {"all": {"a": "80.1", "b": "70.2", "average": "75.2"}}
    assert mismatches(row, (), {"all": ["a", "b"]}) == []
    row["all"]["average"] = "75.4"
    assert len(mismatches(row, (), {"all": ["a", "b"]})) == 1


def test_a_mean_of_h_is_over_the_datasets_of_its_table() -> None:
    row = {"base": {"average": "80"}, "new": {"average": "60"}, "H": {"a": "60.0", "b": "70.0", "average": "65.0"}}
    assert mismatches(row, (), {"H": ["a", "b"]}) == []
    assert convention(row, ["a", "b"]) == HConvention.MEAN_OF_H
    row["H"]["average"] = "66.0"
    assert [one.split for one in mismatches(row, (), {"H": ["a", "b"]})] == ["H"]
    assert mismatches(row, (), {"H": ["a", "b", "c"]}) == [], "an H of which is missing"
    assert checked_numbers(row, (), {"H": ["a", "b", "c"]}) == 0


def test_an_average_of_which_a_cell_is_missing_is_not_checked() -> None:
    row = {"all": {"a": "80.1", "b": "", "average": "10.0"}}
    assert mismatches(row, (), {"all": ["a", "b"]}) == []
    assert checked_numbers(row, (), {"all": ["a", "b"]}) == 0
