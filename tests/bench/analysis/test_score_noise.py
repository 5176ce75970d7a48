"""Scores and differences of an array equal plain computations on tables of outcomes."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats
from simulated_boards import MEASURE, SimulatedBoard, array_of

from bench.analysis.measures import HARMONIC, HConvention
from bench.analysis.noise import average_score, dataset_scores, differences, differences_on_datasets
from bench.analysis.score_array import Outcomes, ScoreArray
from bench.analysis.statistics import ADDED_TO_DIFFERENCES
from bench.analysis.statistics.seed_variance import shrunk_variances, variances_of_mean

MEASURES = ["base", "new", "H", "gap", "open"]
DATASETS, SEEDS = ("a", "b", "c"), (1, 2, 3, 4, 5)
SPLITS = ("base", "new", "open-base", "open-new")
RATES = {"low": 0.4, "middle": 0.5, "high": 0.7, "best": 0.9, "twin": 0.9, "zero": 0.5, "fixed": 0.5, "short": 0.6,
         "single": 0.6, "later": 0.6, "other": 0.6, "bare": 0.4, "sure": 0.8}  # fmt: skip
UNTRAINED = {"zero", "fixed", "sure"}


def seeds_of(key: str, dataset: str) -> tuple[int, ...]:
    return {"short": (1, 2) if dataset != "a" else (1, 2, 3), "single": (2,), "later": (3, 4, 5)}.get(key, (1, 2, 3))


def sizes_of(dataset: str) -> dict[str, int]:
    place = DATASETS.index(dataset)
    return {"base": 40 + place, "new": 30, "open-base": 40 + place, "open-new": 30}


@pytest.fixture(scope="module", params=[False, True], ids=["images", "groups"])
def array(request) -> ScoreArray:
    """Entries that share seeds and images, twins, without seeds, with fewer, one or other seeds, images of its own.

    The last one has no predictions.
    """
    draw = np.random.default_rng(0)
    right = {}
    for key, dataset in ((key, dataset) for key in RATES for dataset in DATASETS):
        for seed in seeds_of(key, dataset):
            for split, n in sizes_of(dataset).items():
                alike = {"twin": "best", "fixed": "zero"}.get(key, key), 1 if key in UNTRAINED else seed
                place = (*alike, dataset, split)
                right.setdefault(place, draw.random(n) < RATES[key])
                right[key, seed, dataset, split] = right[place]
    shape = len(RATES), len(DATASETS), len(SEEDS)
    values, run_ids = {split: np.full(shape, np.nan) for split in SPLITS}, np.full(shape, None, dtype=object)
    outcomes = {}
    for (key, seed, dataset, split), answers in right.items():
        seeds = SEEDS if key in UNTRAINED else (seed,)
        for place in (SEEDS.index(one) for one in seeds):
            at = list(RATES).index(key), DATASETS.index(dataset), place
            values[split][at], run_ids[at] = answers.mean(), f"{key} {seed} {dataset}"
        images = f"{split} of {dataset}{' list' if key == 'other' else ''}"
        groups = np.arange(len(answers), dtype=np.int32) // 3 if request.param else None
        if key != "bare":
            outcomes[f"{key} {seed} {dataset}", split] = Outcomes(images, len(answers), np.packbits(answers), groups)
    trained = tuple(key not in UNTRAINED for key in RATES)
    return ScoreArray(tuple(RATES), DATASETS, SEEDS, values, DATASETS, trained, run_ids, read=lambda _: outcomes)


# A plain implementation: tables of each image (or group) and seed, one pair and one dataset at a time.


def slopes(measure: str, means: list[float]) -> list[float]:
    """The derivatives of a measure by the accuracies on its splits."""
    if measure == "gap":
        return [1.0, -1.0]
    if measure not in HARMONIC:
        return [1.0]
    one, other = means
    return [2 * other**2 / (one + other) ** 2, 2 * one**2 / (one + other) ** 2]


def splits(measure: str) -> tuple[str, ...]:
    return ("base", "new") if measure == "gap" else HARMONIC.get(measure, (measure,))


def grouped(table: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    if groups is None:
        return table
    names, mean = np.unique(groups), table.mean()
    sums = np.array([[(row[groups == name] - mean).sum() for name in names] for row in table])
    return mean + sums * len(names) / table.shape[1]


def tables_of(array: ScoreArray, key: str, dataset: str, measure: str, places) -> list[np.ndarray]:
    """The contribution of each image to the measure, `(seeds, images)`, on each split."""
    right = [array.right(key, dataset, split, places).astype(float) for split in splits(measure)]
    return [weight * table for weight, table in zip(slopes(measure, [t.mean() for t in right]), right, strict=True)]


def parts_of(values: np.ndarray, tables: list[np.ndarray], groups, added: float = 0.0):
    """Variance between seeds, its residual, and by split the variance between images with its degrees of freedom."""
    s, residual, images = len(values), 0.0, []
    for table in (grouped(table, groups) for table in tables):
        n = table.shape[1]
        centred = table.mean(0) - table.mean()
        images.append((float((centred @ centred + added) / (n - 1) / n), n - 1))
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        residual += float((rest**2).sum()) / ((s - 1) * (n - 1)) / (s * n) if s > 1 else 0.0
    return float(np.var(values, ddof=1)) / s if s > 1 else 0.0, residual, images


def plain_pair(array: ScoreArray, a: str, b: str, dataset: str, measure: str, added: float = 0.0):
    """Mean, size, variance between seeds with its degrees of freedom, residual, and images of A - B on a dataset."""
    column, sizes = DATASETS.index(dataset), sizes_of(dataset)
    filled = [~np.isnan(array.values["base"][array.rows[key], column]) for key in (a, b)]
    has = [np.flatnonzero(of_key).tolist() for of_key in filled]
    common = sorted(set(has[0]) & set(has[1]))[: 1 if {a, b} <= UNTRAINED else None]
    grouped_images = array.groups(a, dataset, splits(measure)[0], has[0][0]) is not None
    numbers = [np.arange(sizes[split]) // 3 if grouped_images else None for split in splits(measure)]
    seeds = residual = squares = 0.0
    images = []
    if len(common) > 1 or min(map(len, has)) < 2 or {a, b} <= UNTRAINED:
        if not common:
            return None
        gaps = array.at(a, dataset, measure, common) - array.at(b, dataset, measure, common)
        sides = [tables_of(array, key, dataset, measure, common) for key in (a, b)]
        for one, other, group in zip(*sides, numbers, strict=True):
            seeds, rest, of_split = parts_of(gaps, [one - other], group, added)
            residual, images = residual + rest, images + of_split
        return gaps.mean(), len(gaps), seeds, len(gaps) - 1.0, residual, images
    means = []
    for key, places in zip((a, b), has, strict=True):
        values, tables = array.at(key, dataset, measure, places), tables_of(array, key, dataset, measure, places)
        for table, group in zip(tables, numbers, strict=True):
            of_side, rest, _ = parts_of(values, [table], group)
            residual += rest
        seeds, squares = seeds + of_side, squares + of_side**2 / (len(values) - 1)
        means.append([table.mean(0, keepdims=True) for table in tables])
    for one, other, group in zip(*means, numbers, strict=True):
        images += parts_of(np.zeros(1), [one - other], group, added)[2]
    mean = array.at(a, dataset, measure, has[0]).mean() - array.at(b, dataset, measure, has[1]).mean()
    return mean, min(map(len, has)), seeds, seeds**2 / squares, residual, images


def plain_test(parts, seeds, df) -> tuple[float, float | None, float | None]:
    """Mean, standard error and degrees of freedom."""
    images = [image for part in parts for image in part[5]]
    beyond = sum(seeds) - sum(part[4] for part in parts)
    variance = sum(v for v, _ in images) + max(0.0, beyond)
    if variance <= 1e-24:
        return np.mean([part[0] for part in parts]), None, None
    below = sum(v**2 / d for v, d in images)
    below += sum(v**2 / d for v, d in zip(seeds, df, strict=True) if d) if beyond > 0 else 0.0
    return np.mean([part[0] for part in parts]), math.sqrt(variance) / len(parts), variance**2 / below


def arguments(parts):
    return (
        [part[2] for part in parts],
        [part[3] for part in parts],
        [part[4] for part in parts],
        [sum(v * (d + 1) for v, d in part[5]) for part in parts],
    )


COMPARED = [key for key in RATES if key not in ("other", "bare")]


@pytest.mark.parametrize("measure", MEASURES)
def test_differences_are_those_of_tables_of_images_and_seeds(array, measure):
    pairs = list(permutations(COMPARED, 2))
    found = differences(array, pairs, measure)
    tested = 0
    for a, b in pairs:
        parts = [plain_pair(array, a, b, dataset, measure) for dataset in DATASETS]
        parts = [part for part in parts if part is not None]
        if not parts:
            assert (a, b) not in found
            continue
        test = found[a, b]
        given = arguments(parts)
        mean, error, df = plain_test(parts, variances_of_mean(*given).tolist(), given[1])
        assert test.mean == pytest.approx(mean, abs=1e-12)
        assert test.n == sum(part[1] for part in parts)
        if test.p is None:
            assert error is None or "single" in (a, b), (a, b)
        else:
            tested += 1
            assert (test.standard_error, test.df) == pytest.approx((error, df), rel=1e-9), (a, b)
            assert test.p == pytest.approx(2 * stats.t.sf(abs(mean) / error, df), rel=1e-6)
            reach = stats.t.ppf(0.975, df) * error
            assert (test.low, test.high) == pytest.approx((mean - reach, mean + reach))
    assert tested >= 60


@pytest.mark.parametrize("measure", ["base", "H"])
def test_differences_on_a_dataset_are_shrunk_and_have_half_an_image_more_on_each_side(array, measure):
    for a, b in [("low", "best"), ("short", "high"), ("later", "low"), ("zero", "fixed"), ("twin", "best")]:
        parts = [plain_pair(array, a, b, name, measure, ADDED_TO_DIFFERENCES) for name in DATASETS]
        given = arguments(parts)
        seeds, added = shrunk_variances(*given)
        found = differences_on_datasets(array, a, b, measure, DATASETS, added=ADDED_TO_DIFFERENCES)
        for place, (part, test) in enumerate(zip(parts, found.values(), strict=True)):
            df = given[1][place] + added[place] if given[1][place] else 0.0
            mean, error, freedom = plain_test([part], [seeds[place]], [df])
            assert (test.mean, test.standard_error, test.df) == pytest.approx((mean, error, freedom), rel=1e-9), (a, b)


def test_other_images_missing_predictions_and_some_datasets_with_a_single_seed_leave_no_test(array):
    found = differences(array, [("low", "other"), ("low", "bare"), ("later", "other")], "base")
    assert [(test.p, test.standard_error) for test in found.values()] == [(None, None)] * 3
    assert differences_on_datasets(array, "low", "other", "base", DATASETS, added=0.0) == {}
    row = array.rows["short"]
    values = {split: array.values[split].copy() for split in SPLITS}
    for split in SPLITS:
        values[split][row, 1, 1:] = np.nan
    found = differences(replace(array, values=values), [("short", "low")], "base")["short", "low"]
    assert (found.p, found.smallest_group) == (None, 1)
    once = differences(array, [("single", "low")], "base")["single", "low"]
    assert once.p is not None, "one seed on each dataset is about this one training"


def test_without_outcomes_differences_have_the_noise_of_the_seeds_alone(array):
    bare = replace(array, read=None)
    test = differences(bare, [("low", "high")], "base")["low", "high"]
    gaps = [array.at("low", name, "base", (0, 1, 2)) - array.at("high", name, "base", (0, 1, 2)) for name in DATASETS]
    assert test.standard_error == pytest.approx(math.sqrt(sum(gap.var(ddof=1) / 3 for gap in gaps)) / 3)


def test_large_test_sets_lose_no_digits():
    """50,000 images, of which two entries differ on one."""
    draw = np.random.default_rng(1)
    right = draw.random((3, 50_000)) < 0.7
    other = right.copy()
    other[1, 7] = ~other[1, 7]
    outcomes = {
        (f"{key} {place}", "all"): Outcomes("images", 50_000, np.packbits(answers))
        for key, table in {"one": right, "other": other}.items()
        for place, answers in enumerate(table)
    }
    run_ids = np.array([[[f"{key} {place}" for place in range(3)]] for key in ("one", "other")], dtype=object)
    values = {"all": np.array([[table.mean(1)] for table in (right, other)])}
    array = ScoreArray(
        ("one", "other"), ("a",), (1, 2, 3), values, ("a",), (True, True), run_ids, read=lambda _: outcomes
    )
    test = differences(array, [("one", "other")], "all")["one", "other"]
    table = right.astype(float) - other
    seeds, residual, ((images, _),) = parts_of(table.mean(1), [table], None)
    assert test.standard_error**2 == pytest.approx(images + max(0.0, seeds - residual), rel=1e-6)


@pytest.mark.parametrize("convention", list(HConvention))
@pytest.mark.parametrize("measure", ["base", "H", "open"])
def test_an_average_has_the_error_of_its_tables(array, measure, convention):
    """The interval of Wilson for an effective number of images is as long as that of the error, where it is short."""
    found = average_score(array, "middle", measure, convention)
    means = {s: float(np.mean([array.mean("middle", name, s) for name in DATASETS])) for s in splits(measure)}
    parts = []
    for name in DATASETS:
        values = array.at("middle", name, measure, (0, 1, 2))
        tables = tables_of(array, "middle", name, measure, (0, 1, 2))
        if measure in HARMONIC and convention is HConvention.H_OF_MEANS:
            weights = slopes(measure, list(means.values()))
            right = [array.right("middle", name, split, (0, 1, 2)) for split in splits(measure)]
            tables = [weight * table for weight, table in zip(weights, right, strict=True)]
            values = sum(table.mean(1) for table in tables)
        seeds = residual = 0.0
        images = []
        for split, table in zip(splits(measure), tables, strict=True):
            groups = np.arange(sizes_of(name)[split]) // 3
            grouping = groups if array.groups("middle", name, split, 0) is not None else None
            seeds, rest, of_split = parts_of(values, [table], grouping)
            residual, images = residual + rest, images + of_split
        parts.append((values.mean(), 3, seeds, 2.0, residual, images))
    given = arguments(parts)
    mean, error, df = plain_test(parts, variances_of_mean(*given).tolist(), given[1])
    wanted = mean
    if measure in HARMONIC and convention is HConvention.H_OF_MEANS:
        wanted = 2 * math.prod(means.values()) / sum(means.values())
    assert found.mean == pytest.approx(wanted)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, df) * error, rel=0.1)


def test_scores_on_datasets_are_those_of_the_average_over_one(array):
    (alone,) = (array.on(["a"]),)
    found, average = dataset_scores(alone, "high", "H")["a"], average_score(alone, "high", "H")
    assert (found.low, found.high, found.images) == pytest.approx((average.low, average.high, average.images))
    assert set(dataset_scores(array, "short", "base")) == set(DATASETS)
    assert dataset_scores(array, "bare", "base")["a"].covers == "seeds"


@pytest.mark.parametrize("array", [False], ids=["images"], indirect=True)
@pytest.mark.parametrize("measure", ["base", "H", "gap"])
def test_the_noise_of_images_is_that_of_a_bootstrap(array, measure):
    """Two methods without seeds; images are resampled with replacement, base and new apart."""
    draw, gaps, methods = np.random.default_rng(2), [], ("sure", "zero")
    measured = {
        "base": lambda base, _: base,
        "gap": lambda base, new: base - new,
        "H": lambda base, new: 2 * base * new / (base + new),
    }[measure]
    tables = [[np.array([array.right(key, name, split, (0,))[0] for key in methods]) for split in ("base", "new")]
              for name in DATASETS]  # fmt: skip
    for _ in range(800):
        picked = [[part[:, draw.integers(part.shape[1], size=part.shape[1])] for part in parts] for parts in tables]
        scores = np.array([measured(base.mean(1), new.mean(1)) for base, new in picked])
        gaps.append((scores[:, 0] - scores[:, 1]).mean())
    found = differences(array, [("sure", "zero")], measure)["sure", "zero"]
    assert found.standard_error == pytest.approx(np.std(gaps), rel=3 / np.sqrt(2 * 800))


def transfer_array(draw: np.random.Generator, seeds: int) -> ScoreArray:
    """Two equal methods whose trainings each move the accuracy on all four targets alike, by 3 points."""
    right = {name: np.zeros((2, seeds, 400), dtype=bool) for name in "abcd"}
    for method, seed in product(range(2), range(seeds)):
        effect = 0.03 * draw.normal()
        for name, accuracy in zip("abcd", (0.5, 0.6, 0.7, 0.8), strict=True):
            right[name][method, seed] = draw.random(400) < accuracy + effect
    simulated = SimulatedBoard(np.tile([0.5, 0.6, 0.7, 0.8], (2, 1)), (400,) * 4, seeds)
    return replace(array_of(right, simulated), stored={("a", MEASURE): MEASURE})


def test_trainings_that_are_tested_on_all_datasets_are_covered():
    """As in transfer protocols; as trainings of their own on each dataset they were covered 70 % of the time."""
    draw, covered = np.random.default_rng(3), []
    for _ in range(80):
        array = transfer_array(draw, 3)
        test, score = differences(array, [("m0", "m1")], MEASURE)["m0", "m1"], average_score(array, "m0", MEASURE)
        covered.append((test.low <= 0 <= test.high, score.low <= 0.65 <= score.high))
    assert np.mean(covered, axis=0).min() >= 0.93 - 2.5 * np.sqrt(0.93 * 0.07 / 80)


def test_the_noise_of_shared_trainings_is_that_of_the_mean_over_datasets():
    array = transfer_array(np.random.default_rng(0), 3)
    test = differences(replace(array, read=None), [("m0", "m1")], MEASURE)["m0", "m1"]
    gaps = array.values[MEASURE][0].mean(0) - array.values[MEASURE][1].mean(0)
    assert (test.standard_error, test.df) == pytest.approx((gaps.std(ddof=1) / np.sqrt(3), 2))
    assert (test.groups, test.n) == (4, 12)


def test_shared_trainings_with_other_seeds_on_some_datasets_have_no_less_noise():
    array = transfer_array(np.random.default_rng(1), 4)
    values = array.values[MEASURE].copy()
    values[0, 0, 3] = np.nan
    holes = replace(array, values={MEASURE: values}, read=None)
    whole = replace(array, read=None)
    found, plain = (differences(one, [("m0", "m1")], MEASURE)["m0", "m1"] for one in (holes, whole))
    assert found.standard_error >= 0.9 * plain.standard_error
    assert found.df == 2
