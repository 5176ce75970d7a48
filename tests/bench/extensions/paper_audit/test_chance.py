"""The noise of a difference of averages, against a simulation of seeds and images whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.extensions.paper_audit.chance import DISCORDANCE, MOST_SEEDS, ChanceError, chance_error, seeds_to_settle
from bench.extensions.paper_audit.spreads import BASE_TO_NEW, seed_spreads
from bench.papers import DATASETS, published_frame
from datasets_registry import get_dataset

SPLITS = ("base", "new")


def simulated(
    images: dict[str, int], spreads: dict[str, float], seeds: int, rng: np.random.Generator, times: int
) -> np.ndarray:
    """Differences of the averages of two equally good methods, in points, each from images and seeds of its own.

    An image is easy for both, hard for both, or is classified correctly by one of the two, with `DISCORDANCE`. A seed
    shifts the accuracy of a method on a dataset.
    """
    found = np.zeros(times)
    for name, count in images.items():
        only_a, only_b, _ = rng.multinomial(count, [DISCORDANCE / 2, DISCORDANCE / 2, 1 - DISCORDANCE], times).T
        of_images = 100 * (only_a - only_b) / count
        a, b = (rng.normal(0, spreads[name], (times, seeds)).mean(1) for _ in range(2))
        found += of_images + a - b
    return found / len(images)


@pytest.mark.parametrize("seeds", [1, 3, 20])
@pytest.mark.parametrize("split", SPLITS)
def test_the_standard_error_is_that_of_simulated_tables(split: str, seeds: int) -> None:
    images = {name: get_dataset(name).expected["test"] // 2 for name in DATASETS}
    spreads = {name: seed_spreads("base-to-new", 16).value(split, name) for name in DATASETS}
    differences = simulated(images, spreads, seeds, np.random.default_rng(seeds), 4000)
    stated = chance_error(images, spreads).error(seeds)
    assert stated == pytest.approx(differences.std(), rel=0.05)
    outside = np.mean(abs(differences) > chance_error(images, spreads).reach(seeds))
    assert outside == pytest.approx(0.05, abs=0.015)


def test_images_that_seeds_classify_differently_are_within_the_stated_error() -> None:
    """Here each training errs on images of its own, and spread and discordance are measured as a user would."""
    rng, count, seeds, times = np.random.default_rng(5), 1000, 3, 300
    differences, spreads, discordance = [], [], []
    for _ in range(times):
        margin = rng.normal(1.0, 1.0, count)  # how clearly an image is of its class
        methods = [margin + rng.normal(0, 0.35, count) for _ in range(2)]
        right = [
            [(one + rng.normal(0, 0.05, count) + rng.normal(0, 0.12) > 0) for _ in range(seeds)] for one in methods
        ]
        scores = 100 * np.array(right).mean(axis=2)
        differences.append(scores[0].mean() - scores[1].mean())
        spreads.append(scores.var(axis=1, ddof=1).mean())
        discordance.append(np.mean((methods[0] > 0) != (methods[1] > 0)))
    of_one = chance_error({"a": count}, {"a": math.sqrt(np.mean(spreads))})
    scaled = ChanceError(of_one.images * np.mean(discordance) / DISCORDANCE, of_one.seeds)
    assert scaled.error(seeds) == pytest.approx(np.std(differences), rel=0.15)


@pytest.mark.parametrize(("split", "reach"), [("base", 0.47), ("new", 0.93)])
def test_three_seeds_on_the_eleven_datasets(split: str, reach: float) -> None:
    images = {name: get_dataset(name).expected["test"] / 2 for name in DATASETS}
    spreads = {name: seed_spreads("base-to-new", 16).value(split, name) for name in DATASETS}
    assert chance_error(images, spreads).reach(3) == pytest.approx(reach, abs=0.005)


def test_the_seeds_to_settle_reach_the_power_and_one_fewer_does_not() -> None:
    found = chance_error({"a": 8000, "b": 4000, "c": 9000}, {"a": 0.2, "b": 3.5, "c": 0.4})
    gain = 1.5
    settled = seeds_to_settle(found, gain, 3)
    wanted = gain / (1.96 + 0.84)
    assert settled.everywhere is not None
    assert found.error(settled.everywhere) <= wanted < found.error(settled.everywhere - 1)
    assert settled.focused == ("b",)
    more = {"b": settled.on_focused}
    assert math.sqrt(found.variance(3, more)) <= wanted
    assert math.sqrt(found.variance(3, {"b": settled.on_focused - 1})) > wanted


def test_more_seeds_than_the_most_are_proposed_nowhere() -> None:
    names = [str(i) for i in range(20)]
    found = chance_error(dict.fromkeys(names, 10**9), dict.fromkeys(names, 0.5) | {"0": 5.0})
    for gain in np.linspace(0.5, 1.5, 50) * math.sqrt(sum(found.seeds.values())):
        settled = seeds_to_settle(found, gain, 3)
        assert settled.on_focused <= MOST_SEEDS
        assert (settled.focused == ()) == (settled.on_focused == 0)


def test_a_gain_below_the_noise_of_the_images_is_settled_by_no_seeds() -> None:
    found = chance_error({"a": 100}, {"a": 0.1})
    assert seeds_to_settle(found, 0.5, 3).everywhere is None


def test_a_method_without_training_has_half_of_the_variance_of_seeds() -> None:
    both, one = (chance_error({"a": 1000}, {"a": 2.0}, trained) for trained in (2, 1))
    assert both.seeds["a"] == 2 * one.seeds["a"]
    assert both.images == one.images


def test_sums_and_weights_are_those_of_independent_differences() -> None:
    a, b = chance_error({"x": 500}, {"x": 1.0}), chance_error({"x": 700}, {"x": 2.0})
    assert a.plus(b).variance(3) == pytest.approx(a.variance(3) + b.variance(3))
    assert a.weighted(0.5).error(3) == pytest.approx(0.5 * a.error(3))


def test_the_spreads_of_base_to_new_are_printed_in_the_ledger() -> None:
    frame, found = published_frame(), seed_spreads("base-to-new", 16)
    here = frame[(frame["url"] == BASE_TO_NEW) & frame["spread"].notna()]
    printed = {(row["split"], row["dataset"]): 100 * row["spread"] for _, row in here.iterrows()}
    assert set(printed) == {(split, name) for split in SPLITS for name in DATASETS}
    assert found.values == pytest.approx(printed)


@pytest.mark.parametrize(("protocol", "known"), [("few-shot", True), ("cross-dataset", False)])
def test_spreads_are_those_of_the_protocol(protocol: str, known: bool) -> None:
    found = seed_spreads(protocol, 4)
    assert (found.source != "", found.value("all", "dtd") is not None) == (known, known)
    if known:
        assert found.value("all", "birds") == pytest.approx(
            math.sqrt(np.mean(np.square(list(found.values.values()))))
        )  # an unknown dataset has the root mean square of the others
