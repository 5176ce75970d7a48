"""The tests of all pairs at once equal the tests of one pair each."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import combinations, permutations
from types import SimpleNamespace

import numpy as np
import pytest

from bench.analysis.all_pairs import board_averages
from bench.analysis.metrics.scores import harmonic_mean
from bench.analysis.paired_average import board_average
from bench.analysis.scores_by_seed import SeedScore
from bench.analysis.statistics.intervals import MeanTest

MEASURES = ["base", "new", "H", "gap", "open"]
DATASETS = ("a", "b", "c")


def run(right: dict[str, np.ndarray], images: str = "", *, seeded: bool = True) -> SeedScore:
    values = {split: float(of_split.mean()) for split, of_split in right.items()}
    for name, splits in {"H": ("base", "new"), "open": ("open-base", "open-new")}.items():
        values[name] = harmonic_mean(*(values[split] for split in splits))
    return SeedScore("", values, seeded, {split: (split + images, of_split) for split, of_split in right.items()})


def drawn(draw: np.random.Generator, rate: float, sizes: dict[str, int], images: str = "") -> SeedScore:
    return run({split: draw.random(n) < rate for split, n in sizes.items()}, images)


@pytest.fixture
def scores():
    """Entries that fit one table, twins, one without seeds, one with fewer seeds, images of its own, no predictions."""
    draw = np.random.default_rng(0)
    found: dict[str, dict[str, dict[int, SeedScore]]] = {}
    for place, dataset in enumerate(DATASETS):
        sizes = {"base": 40 + place, "new": 30, "open-base": 40 + place, "open-new": 30}

        def add(name: str, seeds: tuple[int, ...], rate: float, images: str = "", dataset=dataset, sizes=sizes) -> None:
            runs = {seed: drawn(draw, rate, sizes, images) for seed in seeds}
            found.setdefault(name, {})[dataset] = runs

        for name, rate in {"low": 0.4, "middle": 0.5, "high": 0.7, "best": 0.9}.items():
            add(name, (1, 2, 3), rate)
        found.setdefault("twin", {})[dataset] = {s: run(right_of(r)) for s, r in found["best"][dataset].items()}
        zero = drawn(draw, 0.5, sizes)
        found.setdefault("zero", {})[dataset] = dict.fromkeys((1, 2, 3), run(right_of(zero), seeded=False))
        found.setdefault("fixed", {})[dataset] = dict.fromkeys((1, 2, 3), run(right_of(zero), seeded=False))
        add("short", (1, 2) if place else (1, 2, 3), 0.6)
        add("single", (2,), 0.6)
        add("other", (1, 2, 3), 0.6, images="of another list")
        found.setdefault("bare", {})[dataset] = {
            s: SeedScore("", r.values, seeded=True, correct=dict.fromkeys(r.correct or {}))
            for s, r in found["low"][dataset].items()
        }
    return found


def plain(test: MeanTest) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in asdict(test).items()}


def close(test: MeanTest, rel: float = 1e-9) -> object:
    return pytest.approx(plain(test), rel=rel, abs=1e-12, nan_ok=True)


def right_of(score: SeedScore) -> dict[str, np.ndarray]:
    return {split: item[1] for split, item in (score.correct or {}).items() if item}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("datasets", [DATASETS, DATASETS[:1]])
def test_all_pairs_at_once_are_the_pairs_one_by_one(scores, measure, datasets):
    board = SimpleNamespace(averaged=datasets)
    pairs = list(permutations(scores, 2))
    found = board_averages(board, scores, pairs, measure)
    wanted = {pair: board_average(board, scores, *pair, measure) for pair in pairs}
    assert list(found) == [pair for pair in pairs if wanted[pair] is not None]
    assert sum(test.p is not None for test in found.values()) >= (40 if len(datasets) > 1 else 0)
    for pair, test in found.items():
        assert plain(test) == close(wanted[pair]), pair


def test_pairs_that_share_seeds_and_images_are_not_tested_one_by_one(scores, monkeypatch):
    monkeypatch.setattr("bench.analysis.all_pairs.board_average", lambda *_: pytest.fail("one by one"))
    alike = [(a, b) for a, b in combinations(("low", "middle", "high", "best", "twin", "zero"), 2)]
    assert len(board_averages(SimpleNamespace(averaged=DATASETS), scores, alike, "H")) == 15


@pytest.mark.parametrize("measure", MEASURES)
def test_two_equal_entries_have_no_spread(scores, measure):
    board = SimpleNamespace(averaged=DATASETS)
    found = board_averages(board, scores, combinations(scores, 2), measure)["best", "twin"]
    assert (found.mean, found.standard_error, found.p) == (0, None, None)


def test_large_test_sets_lose_no_digits():
    """50,000 images, of which two entries differ on one, beside a mean of products of 10^19."""
    draw = np.random.default_rng(1)
    right = draw.random((3, 50_000)) < 0.7
    other = right.copy()
    other[1, 7] = ~other[1, 7]
    splits = "base", "new", "open-base", "open-new"
    scores = {
        name: {d: {s: run(dict.fromkeys(splits, table[s])) for s in range(3)} for d in "ab"}
        for name, table in {"one": right, "other": other}.items()
    }
    board = SimpleNamespace(averaged=("a", "b"))
    for measure in MEASURES:
        found = board_averages(board, scores, [("one", "other")], measure)["one", "other"]
        wanted = board_average(board, scores, "one", "other", measure)
        assert plain(found) == close(wanted, rel=1e-6)
