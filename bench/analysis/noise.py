"""Scores with their intervals and tested differences of the entries of a `ScoreArray`. Pure.

All noise is `statistics.crossed`; this file says which runs it is computed from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.measures import GAP, HARMONIC, HConvention, splits_of
from bench.analysis.score_array import Matched, ScoreArray
from bench.analysis.statistics.crossed import (
    Noise,
    Products,
    crossed,
    interval_of_mean,
    intervals_of_datasets,
    mean_tests,
    products,
    separate_tests,
    unpaired,
)
from bench.analysis.statistics.intervals import Estimate, MeanTest, student_t

Pair = tuple[str, str]
Weights = Mapping[str, float]
"""Derivatives of a measure by the accuracies on its splits."""


def average_score(
    array: ScoreArray, key: str, measure: str, convention: HConvention = HConvention.MEAN_OF_H
) -> Estimate | None:
    """The mean over the averaged datasets on which an entry has runs, with its interval over seeds and test images.

    Without predictions the interval is over the seeds, of an entry with all runs. None without runs of the measure.
    """
    mean = array.mean_over_datasets(key, measure, convention)
    if mean is None:
        return None
    datasets = [name for name in array.averaged if array.has(key, name)]
    weights: Weights | None = None
    if measure in HARMONIC and convention is HConvention.H_OF_MEANS:
        means = [array.mean_over_datasets(key, split, convention) or 0.0 for split in HARMONIC[measure]]
        slopes = _weights(measure, np.array(means)[:, None])[:, 0].tolist()
        weights = dict(zip(HARMONIC[measure], slopes, strict=True))
    runs = {name: array.places(key, name) for name in datasets}
    noise = [_noise_of_score(array, key, name, measure, places, weights) for name, places in runs.items()]
    tables = [_values(array, key, name, measure, places, weights) for name, places in runs.items()]
    sizes = {len(table) for table in tables}
    with_images = [of_dataset for of_dataset in noise if of_dataset is not None]
    if len(with_images) == len(noise):
        std = student_t(np.mean(tables, axis=0).tolist()).std if len(sizes) == 1 else None
        return interval_of_mean(with_images, mean, std, shared_training=array.shared_training)
    if len(datasets) < len(array.averaged) or sizes != {
        array.expected(key)
    }:  # averages of other datasets are not repetitions
        return Estimate(mean, max(sizes))
    of_seeds = [array.mean_over_datasets(key, measure, convention, seed=place) for place in runs[datasets[0]]]
    return student_t([value for value in of_seeds if value is not None], mean=mean).within()


def dataset_scores(
    array: ScoreArray, key: str, measure: str, places: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, Estimate]:
    """The score of an entry on each dataset with its interval; without datasets whose runs lack the measure.

    Without predictions the interval is over the seeds. `places` are the runs that count on each dataset; None for all.
    """
    scores: dict[str, Estimate] = {}
    noise: dict[str, Noise] = {}
    for name in array.datasets if places is None else places:
        runs = array.places(key, name) if places is None else places[name]
        counted = runs[: array.expected(key)]
        values = array.at(key, name, measure, counted)
        if not len(values) or np.isnan(values).any():
            continue
        scores[name] = student_t(values.tolist()).within()
        if (of_dataset := _noise_of_score(array, key, name, measure, counted)) is not None:
            noise[name] = of_dataset
    if noise:
        means, stds = zip(*((scores[name].mean, scores[name].std) for name in noise), strict=True)
        scores |= dict(zip(noise, intervals_of_datasets(list(noise.values()), means, stds), strict=True))
    return scores


def differences(
    array: ScoreArray, pairs: Iterable[Pair], measure: str, datasets: Collection[str] | None = None
) -> dict[Pair, MeanTest]:
    """The mean differences A - B over datasets, with the noise of seeds and images; without pairs that share no run.

    Datasets default to the averaged ones. A pair leaves out those without `ScoreArray.matched`. If the array reads
    outcomes, a pair without predictions is not tested; otherwise all are tested with the noise of the seeds alone.
    There is no test if only some datasets have a single seed. With a single seed on each, it is about test images like
    these and this one training.
    """
    names = array.averaged if datasets is None else [name for name in array.datasets if name in datasets]
    alike: dict[Any, list[Pair]] = defaultdict(list)  # pairs whose runs have the same seeds and images
    for a, b in pairs:
        alike[array.runs_of(a, measure), array.runs_of(b, measure)].append((a, b))
    tests: dict[Pair, MeanTest] = {}
    for group in alike.values():
        matched = {name: array.matched(*group[0], name, measure) for name in names}
        runs = {name: of_dataset for name, of_dataset in matched.items() if of_dataset is not None}
        if runs:
            noise = [_noise(array, group, name, measure, of_dataset) for name, of_dataset in runs.items()]
            single = {of_dataset.one_seed for of_dataset in runs.values() if of_dataset.seeded}
            with_images = all(len(of_dataset.units) for of_dataset in noise)
            testable = array.read is None or (with_images and len(single) < 2)
            of_group = mean_tests(noise, shared_training=array.shared_training)
            tests |= dict(zip(group, of_group if testable else map(untested, of_group), strict=True))
    return tests


def differences_on_datasets(
    array: ScoreArray, a: str, b: str, measure: str, datasets: Iterable[str], *, added: float
) -> dict[str, MeanTest]:
    """The difference A - B on each of some datasets where they have the same images; `added` as of `crossed`."""
    runs = {name: array.matched(a, b, name, measure) for name in datasets}
    noise = {
        name: _noise(array, [(a, b)], name, measure, matched, added)
        for name, matched in runs.items()
        if matched is not None and matched.images
    }
    return dict(zip(noise, separate_tests(list(noise.values())), strict=True)) if noise else {}


def untested(test: MeanTest) -> MeanTest:
    """The mean without its test."""
    return MeanTest(test.mean, test.n, test.groups, smallest_group=test.smallest_group, paired=test.paired)


def why_untested(test: MeanTest) -> str:
    """Why a mean has no interval, in a few words."""
    if test.mean == 0:
        return "no difference"
    return "needs two seeds" if test.smallest_group < 2 and test.n > test.groups else "needs predictions"


def _noise(
    array: ScoreArray, pairs: Sequence[Pair], dataset: str, measure: str, runs: Matched, added: float = 0.0
) -> Noise:
    """The differences of pairs with the same `matched` runs on a dataset."""
    first = _shared(array, dataset, measure, runs.a, runs.images)
    if runs.paired:
        a, b = ([first.members[pair[side]] for pair in pairs] for side in (0, 1))
        return crossed(first.values, first.sets, a, b, added=added)
    second = _shared(array, dataset, measure, runs.b, runs.images)
    a, b = [first.members[key] for key, _ in pairs], [second.members[key] for _, key in pairs]
    sides = ((first, runs.a), (second, runs.b))
    sets = []  # of the means over seeds
    for number, split in enumerate(splits_of(measure) if runs.images else ()):
        shares = [array.right(key, dataset, split, places).mean(0) for side, places in sides for key in side.members]
        groups = array.groups(pairs[0][0], dataset, split, runs.a[0])
        weights = np.concatenate([side.sets[number][1] for side, _ in sides])
        sets.append((products(np.array(shares)[:, None], groups), weights))
    means = np.concatenate([side.values.mean(axis=1, keepdims=True) for side, _ in sides])
    of_means = crossed(means, sets, a, [len(first.members) + member for member in b], added=added)
    return unpaired(crossed(first.values, first.sets, a), crossed(second.values, second.sets, b), of_means)


class _Shared(NamedTuple):
    """Entries whose runs at some seeds have the same test images: their places, and the arguments of `crossed`."""

    members: Mapping[str, int]
    values: NDArray[np.float64]
    sets: Sequence[tuple[Products, NDArray[np.float64]]]


def _shared(array: ScoreArray, dataset: str, measure: str, places: tuple[int, ...], images: tuple[str, ...]) -> _Shared:
    """The entries with these images, which all pairs and scores of them share; all entries if they are not known."""
    question = (dataset, measure, places, images)
    if question not in array.computed:
        digests = dict(zip(splits_of(measure), images, strict=False))
        keys = [
            key for key in array.keys
            if all(array.images(key, dataset, split, places) == digest for split, digest in digests.items())
        ]  # fmt: skip
        values = np.array([array.at(key, dataset, measure, places) for key in keys])
        means = [[array.at(key, dataset, split, places).mean() for key in keys] for split in digests]
        weights = zip(digests, _weights(measure, np.array(means)), strict=True)
        sets = [(array.products(keys, dataset, split, places), weight) for split, weight in weights]
        array.computed[question] = _Shared({key: member for member, key in enumerate(keys)}, values, sets)
    shared: _Shared = array.computed[question]
    return shared


def _noise_of_score(
    array: ScoreArray, key: str, dataset: str, measure: str, places: tuple[int, ...], weights: Weights | None = None
) -> Noise | None:
    """A score on a dataset; None without predictions of the same two or more images."""
    images = tuple(array.images(key, dataset, split, places) for split in splits_of(measure))
    if not all(images):
        return None
    shared = _shared(array, dataset, measure, places, images)
    member = shared.members[key]
    if weights is not None:
        values = _values(array, key, dataset, measure, places, weights)
        of_splits = zip(shared.sets, weights.values(), strict=True)
        sets = [(of_split, np.full(len(shared.members), weight)) for (of_split, _), weight in of_splits]
        return crossed(np.broadcast_to(values, shared.values.shape), sets, [member])
    question = ("scores", dataset, measure, places, images)
    if question not in array.computed:
        array.computed[question] = crossed(shared.values, shared.sets, range(len(shared.members)))
    of_entries: Noise = array.computed[question]
    return of_entries.of(member)


def _values(
    array: ScoreArray, key: str, dataset: str, measure: str, places: Sequence[int], weights: Weights | None
) -> NDArray[np.float64]:
    """The values of a measure by seed; with weights the weighted sums of its splits."""
    if weights is None:
        return array.at(key, dataset, measure, places)
    total: NDArray[np.float64] = np.sum(
        [weight * array.at(key, dataset, split, places) for split, weight in weights.items()], axis=0
    )
    return total


def _weights(measure: str, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of a measure by the accuracy on each split, `(splits, entries)` like the accuracies."""
    if measure == GAP and len(means):
        return np.array([[1.0], [-1.0]]) * np.ones_like(means)
    if measure not in HARMONIC or not len(means):
        return np.ones_like(means)
    squares = means.sum(axis=0) ** 2
    slopes: NDArray[np.float64] = np.divide(2 * means[::-1] ** 2, squares, out=np.zeros_like(means), where=squares > 0)
    return slopes
