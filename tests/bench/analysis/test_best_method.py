"""The answer of a setting, computed by hand on small tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_noise import array_of

from bench.analysis.best_method import answer_for
from bench.analysis.dataset_difficulty import RTD
from bench.analysis.score_array import ScoreArray
from bench.analysis.score_table import Candidate, ScoreTable

DATASETS = tuple("abcdef")
ROWS = {
    "strong": (0.9, 0.9, 0.8, 0.8, 0.7, 0.7),
    "cheap": (0.8, 0.8, 0.8, 0.7, 0.6, 0.6),
    "zero_shot": (0.7, 0.7, 0.6, 0.6, 0.3, 0.2),
}


def table_of(rows=ROWS, *, incomplete=(), baseline="zero_shot", difficulty=range(1, 7)):
    known = {RTD: dict(zip(DATASETS, map(float, difficulty), strict=True))} if difficulty else {RTD: {}}
    candidates = {
        "strong": Candidate("strong", "strong" not in incomplete, True, 1_000_000, 300.0),
        "cheap": Candidate("cheap", "cheap" not in incomplete, True, 1_000, 30.0),
        "zero_shot": Candidate("zero_shot", "zero_shot" not in incomplete, False, 0, 1.0),
    }
    return ScoreTable(
        measures=("all",),
        methods=tuple(candidates[key] for key in rows),
        array=array_of(rows, DATASETS),
        baseline=baseline if baseline in rows else None,
        averages={"all": {key: sum(row) / len(row) for key, row in rows.items()}},
        difficulty={"all": known},
        zero_shot={},
    )


def answer_of(table):
    return answer_for(table, "all")


def test_the_lead_is_over_zero_shot():
    found = answer_of(table_of())
    assert (found.leader, found.verdict.reference, found.verdict.ranked[1:]) == (
        "strong",
        "zero_shot",
        ("cheap", "zero_shot"),
    )
    assert found.lead.mean == pytest.approx((0.2 * 4 + 0.4 + 0.5) / 6)
    assert (found.lead.ahead, found.lead.n) == (6, 6)


def test_gains_are_those_on_easy_medium_and_hard_datasets():
    assert answer_of(table_of()).groups.trend.r2 < 0, "the line predicts nothing"
    found = answer_of(table_of(difficulty=(1, 1.1, 1.2, 1.3, 8, 20)))
    assert found.by_difficulty == (("a", "b"), ("c", "d"), ("e", "f"))
    assert found.gains["strong"] == pytest.approx((0.2, 0.2, 0.45))
    assert (found.groups.n_easy, found.groups.n_medium, found.groups.n_hard) == (2, 2, 2)
    assert (found.groups.on_easy, found.groups.on_hard) == pytest.approx((0.2, 0.45))
    assert (found.groups.trend.verdict, found.groups.trend.n) == ("rises", 6)


def test_of_equal_methods_the_first_is_advised():
    rows = {"strong": (0.9,) * 6, "cheap": (0.9,) * 6, "zero_shot": (0.9, *(0.5,) * 5)}
    found = answer_of(table_of(rows))
    assert (found.leader, found.advice.method) == ("strong", "strong")
    assert (found.lead.ahead, found.lead.n) == (5, 6), "equal is no lead"
    first = {key: rows[key] for key in ("cheap", "strong", "zero_shot")}
    assert answer_of(table_of(first)).advice.method == "cheap"


def test_a_lead_that_one_dataset_decides_names_it():
    rows = ROWS | {"strong": (1.0, 0.69, 0.59, 0.59, 0.29, 0.19)}
    found = answer_of(table_of({key: rows[key] for key in ("strong", "zero_shot")}))
    assert found.lead.without == ("a", pytest.approx(-0.01))


def test_incomplete_methods_are_left_out():
    found = answer_of(table_of(incomplete=("strong",)))
    assert (found.leader, found.advice) == ("cheap", None), "one method besides zero-shot is no choice"
    assert found.averages["strong"] > found.averages["cheap"]
    assert "strong" not in found.verdict.ranked
    alone = answer_of(table_of(incomplete=("strong", "cheap")))
    assert (alone.leader, alone.lead) == ("zero_shot", None)
    nothing = answer_of(table_of(incomplete=tuple(ROWS)))
    assert (nothing.leader, nothing.advice, nothing.verdict.ranked) == (None, None, ())


def test_without_zero_shot_the_reference_is_the_next_best_and_there_are_no_gains():
    found = answer_of(table_of({key: ROWS[key] for key in ("strong", "cheap")}))
    assert (found.verdict.reference, found.gains, found.groups, found.advice) == ("cheap", {}, None, None)


def test_without_difficulties_there_are_no_groups():
    found = answer_of(table_of(difficulty=()))
    assert (found.by_difficulty, found.groups, found.places) == (((), (), ()), None, {})
    assert found.advice.method == "strong"
    assert found.lead is not None


def test_a_harmonic_mean_is_that_of_each_seed_and_needs_both_splits():
    values = {"base": [[[0.5, 1.0]], [[0.5, 0.5]]], "new": [[[0.5, 0.5]], [[0.5, np.nan]]]}
    given = {split: np.array(table) for split, table in values.items()}
    table = replace(table_of(), array=ScoreArray(("a", "b"), ("x",), (1, 2), given, ("x",), (True, True)))
    assert table.mean("a", "x", "H") == pytest.approx((0.5 + 2 / 3) / 2)
    assert table.mean("a", "x", "base") == pytest.approx(0.75)
    assert (table.mean("b", "x", "H"), table.mean("b", "x", "base")) == (None, 0.5)
