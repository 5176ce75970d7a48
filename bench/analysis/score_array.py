"""The accuracies of entries on datasets by seed as one array, with their means. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.analysis.measures import GAP, HARMONIC, HConvention, splits_of
from bench.analysis.metrics.scores import harmonic_mean
from bench.analysis.statistics.crossed import Products, products


class Outcomes(NamedTuple):
    """What a run answers on the test images of a split.

    Args:
        images: digest of the images and their labels.
        n: number of images.
        bits: whether each image is classified correctly, packed by `numpy.packbits`.
        groups: the number of each image's group, such as a patient's, `(n,)`; None if no image has one.
    """

    images: str
    n: int
    bits: NDArray[np.uint8]
    groups: NDArray[np.int32] | None = None

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image is classified correctly, `(n,)`."""
        return np.unpackbits(self.bits, count=self.n).astype(bool)


ReadOutcomes = Callable[[Collection[str]], Mapping[tuple[str, str], Outcomes]]
"""Reads the outcomes of runs, given by their ids, by run and split."""


class Matched(NamedTuple):
    """The runs of two entries that are compared on a dataset. Seeds are given by their place in `ScoreArray.seeds`.

    Args:
        images: digests of the test images of each split of the measure; empty if a run has no predictions, or others.
        paired: whether the seeds are common, so that the runs at the same place belong to each other.
        seeded: whether one of the entries depends on the seed.
    """

    a: tuple[int, ...]
    b: tuple[int, ...]
    images: tuple[str, ...]
    paired: bool
    seeded: bool

    @property
    def one_seed(self) -> bool:
        """Whether an entry that depends on the seed was trained once, so that the noise of the seeds is unknown."""
        return self.seeded and min(len(self.a), len(self.b)) < 2


@dataclass(frozen=True, eq=False)
class ScoreArray:
    """The accuracies of entries on datasets by seed.

    Args:
        values: `(entries, datasets, seeds)` by split, fractions; NaN where a run is missing or lacks the split. The
            harmonic means of two splits are added. A run that does not depend on the seed stands at every seed.
        averaged: the datasets that averages include.
        seeded: by entry, whether it depends on the seed.
        run_ids: `(entries, datasets, seeds)`, None where a run is missing; None for published numbers.
        stored: the splits in the runs by dataset and split, where their names differ from those in `values`.
        read: reads outcomes; without it, the noise of the test images is unknown.
    """

    keys: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    values: Mapping[str, NDArray[np.float64]]
    averaged: tuple[str, ...]
    seeded: tuple[bool, ...]
    run_ids: NDArray[np.object_] | None = None
    stored: Mapping[tuple[str, str], str] = field(default_factory=dict)
    read: ReadOutcomes | None = None

    def __post_init__(self) -> None:
        both = {measure: splits for measure, splits in HARMONIC.items() if set(splits) <= self.values.keys()}
        means = {
            measure: np.vectorize(harmonic_mean, otypes=[float])(*(self.values[split] for split in splits))
            for measure, splits in both.items()
        }
        object.__setattr__(self, "values", {**self.values, **means})

    @property
    def shared_training(self) -> bool:
        """Whether each run is tested on all datasets, as in transfer protocols."""
        return bool(self.stored)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The place of each entry in the array."""
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def columns(self) -> dict[str, int]:
        """The place of each dataset in the array."""
        return {name: column for column, name in enumerate(self.datasets)}

    def runs(self, key: str, dataset: str) -> list[str | None]:
        """The run of an entry at each seed, None for a missing one; a single one if it does not depend on the seed."""
        if self.run_ids is None or not self.has(key, dataset):
            return []
        run_ids: list[str | None] = self.run_ids[self.rows[key], self.columns[dataset]].tolist()
        return run_ids[: self.expected(key)]

    def whole(self, key: str, dataset: str) -> bool:
        """Whether an entry has all of its runs on a dataset."""
        return len(self.places(key, dataset)) == self.expected(key)

    def expected(self, key: str) -> int:
        """How many runs an entry has on each dataset when none is missing."""
        return len(self.seeds) if self.seeded[self.rows[key]] else 1

    def ids(self, key: str, dataset: str) -> tuple[str, ...]:
        """The ids of an entry's runs on a dataset, in the order of their seeds."""
        if self.run_ids is None or dataset not in self.columns:
            return ()
        return tuple(dict.fromkeys(filter(None, self.run_ids[self.rows[key], self.columns[dataset]])))

    def has(self, key: str, dataset: str) -> bool:
        """Whether an entry has a run on a dataset."""
        return bool(len(self.places(key, dataset)))

    def places(self, key: str, dataset: str, measure: str | None = None) -> tuple[int, ...]:
        """The seeds of an entry's runs on a dataset, as places among the seeds; only runs with a measure, if given.

        One place is enough for an entry that does not depend on the seed.
        """
        if ("places", measure) not in self.computed:
            splits = self.values if measure is None else splits_of(measure)
            filled = [~np.isnan(self.values[split]) for split in splits if split in self.values]
            join = np.logical_or if measure is None else np.logical_and
            shape = len(self.keys), len(self.datasets), len(self.seeds)
            runs = (join.reduce(filled) if filled else np.zeros(shape, dtype=bool)).tolist()
            self.computed["places", measure] = [
                [
                    tuple(place for place, has_run in enumerate(cell) if has_run)[: None if trained else 1]
                    for cell in row
                ]
                for row, trained in zip(runs, self.seeded, strict=True)
            ]
        places: tuple[int, ...] = self.computed["places", measure][self.rows[key]][self.columns[dataset]]
        return places

    def at(self, key: str, dataset: str, measure: str, places: Sequence[int]) -> NDArray[np.float64]:
        """The values of a measure at some seeds, `(places,)`."""
        if measure == GAP:
            return self.at(key, dataset, "base", places) - self.at(key, dataset, "new", places)
        cell: NDArray[np.float64] = self.values[measure][self.rows[key], self.columns[dataset]]
        return cell[list(places)]

    def of_seeds(self, key: str, dataset: str, measure: str) -> list[float]:
        """The values of an entry's runs on a dataset, one if they do not depend on the seed.

        Empty without runs, or if a run lacks the measure.
        """
        places = self.places(key, dataset)
        if not places or places != self.places(key, dataset, measure):
            return []
        values: list[float] = self.at(key, dataset, measure, places).tolist()
        return values

    def by_seed(self, key: str, dataset: str, measure: str) -> dict[int, float]:
        """The values of an entry on a dataset by seed; a run that does not depend on the seed counts for every seed."""
        places = self.places(key, dataset, measure)
        places = places if self.seeded[self.rows[key]] or not places else tuple(range(len(self.seeds)))
        if not places:
            return {}
        values = self.at(key, dataset, measure, places).tolist()
        return dict(zip([self.seeds[place] for place in places], values, strict=True))

    def mean(self, key: str, dataset: str, measure: str) -> float | None:
        """The mean over seeds of an entry on a dataset; None without runs, or if one lacks the measure."""
        values = self.of_seeds(key, dataset, measure)
        return float(np.sort(values).mean()) if values else None  # sorted: sums must not depend on the order of seeds

    def mean_over_datasets(
        self,
        key: str,
        measure: str,
        convention: HConvention,
        *,
        seed: int | None = None,
        only: Collection[str] | None = None,
    ) -> float | None:
        """The mean of the averaged datasets on which an entry has runs; H and `open` by that convention.

        Args:
            seed: the place of one seed, whose values are averaged; None for the means over seeds.
            only: the datasets that count; None for all.

        None without runs, or if a run lacks the measure.
        """
        if measure in HARMONIC and convention is HConvention.H_OF_MEANS:
            base, new = (
                self.mean_over_datasets(key, split, convention, seed=seed, only=only) for split in HARMONIC[measure]
            )
            return None if base is None or new is None else harmonic_mean(base, new)
        datasets = [name for name in self.averaged if self.has(key, name) and (only is None or name in only)]
        tables = [self.of_seeds(key, name, measure) for name in datasets]
        if not tables or not all(tables):
            return None
        if seed is not None:
            return _mean([float(self.at(key, name, measure, [seed])[0]) for name in datasets])
        return _mean([_mean(values) for values in tables])

    def on(self, datasets: Collection[str]) -> ScoreArray:
        """The array of some datasets, all of which averages include, and of the entries that have runs on them."""
        columns = [column for name, column in self.columns.items() if name in datasets]
        names = tuple(self.datasets[column] for column in columns)
        rows = [row for key, row in self.rows.items() if any(self.has(key, name) for name in names)]
        chosen = np.ix_(rows, columns)
        return ScoreArray(
            keys=tuple(self.keys[row] for row in rows),
            datasets=names,
            seeds=self.seeds,
            values={split: table[chosen] for split, table in self.values.items() if split not in HARMONIC},
            averaged=names,
            seeded=tuple(self.seeded[row] for row in rows),
            run_ids=None if self.run_ids is None else self.run_ids[chosen],
            stored=self.stored,
            read=None if self.read is None else lambda _: self._outcomes,
        )

    def ordered(self, keys: Sequence[str]) -> ScoreArray:
        """The array with its entries in another order."""
        rows = [self.rows[key] for key in keys]
        return replace(
            self,
            keys=tuple(keys),
            values={split: table[rows] for split, table in self.values.items()},
            seeded=tuple(self.seeded[row] for row in rows),
            run_ids=None if self.run_ids is None else self.run_ids[rows],
        )

    def matched(self, a: str, b: str, dataset: str, measure: str) -> Matched | None:
        """The runs of two entries on a dataset that are compared by a measure.

        These are the runs of their common seeds; only one if neither depends on the seed, since repetitions add no
        evidence. With fewer than two, they are all runs, unpaired, if both have two or more. None if they share no seed
        and one has fewer than two.
        """
        column = self.columns[dataset]
        (first, images_a), (second, images_b) = (self.runs_of(key, measure)[column] for key in (a, b))
        seeded = any(self.seeded[self.rows[key]] for key in (a, b))
        common = tuple(sorted({*first} & {*second}))[: None if seeded else 1]
        once = seeded and len(common) < 2
        images = images_a if images_a == images_b else ()
        if once and min(len(first), len(second)) > 1:
            return Matched(first, second, images, paired=False, seeded=seeded)
        return Matched(common, common, images, paired=True, seeded=seeded) if common else None

    def runs_of(self, key: str, measure: str) -> tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]:
        """By dataset the seeds at which an entry has a measure, and the digests of the images; none if they differ."""
        question = ("runs", key, measure)
        if question not in self.computed:
            runs = []
            for dataset in self.datasets:
                places = self.places(key, dataset, measure)
                images = tuple(self.images(key, dataset, split, places) for split in splits_of(measure))
                trained = self.seeded[self.rows[key]] or not places
                runs.append((places if trained else tuple(range(len(self.seeds))), images if all(images) else ()))
            self.computed[question] = tuple(runs)
        of_datasets: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...] = self.computed[question]
        return of_datasets

    @cached_property
    def computed(self) -> dict[Any, Any]:
        """What was computed from this array, by the question."""
        return {}

    def images(self, key: str, dataset: str, split: str, places: tuple[int, ...]) -> str:
        """The digest of the test images of some runs; empty if one has no predictions, or fewer than two images."""
        question = ("images", key, dataset, split, places)
        if question not in self.computed:
            runs = [self.outcomes(key, dataset, split, place) for place in places]
            digests = {"" if run is None or run.n < 2 else run.images for run in runs}
            self.computed[question] = digests.pop() if len(digests) == 1 else ""
        digest: str = self.computed[question]
        return digest

    def n_images(self, key: str, dataset: str, measure: str) -> int:
        """The number of test images of an entry on a dataset, over the splits of a measure; 0 without predictions."""
        first = self.places(key, dataset)[:1]
        outcomes = [self.outcomes(key, dataset, split, place) for split in splits_of(measure) for place in first]
        return sum(0 if of_split is None else of_split.n for of_split in outcomes)

    def run_id(self, key: str, dataset: str, place: int) -> str:
        """The id of the run at a seed; empty without one."""
        return "" if self.run_ids is None else self.run_ids[self.rows[key], self.columns[dataset], place] or ""

    def outcomes(self, key: str, dataset: str, split: str, place: int) -> Outcomes | None:
        """The outcomes of a run on a split; None without predictions."""
        return self._outcomes.get((self.run_id(key, dataset, place), self.stored.get((dataset, split), split)))

    @cached_property
    def _outcomes(self) -> Mapping[tuple[str, str], Outcomes]:
        if self.read is None or self.run_ids is None:
            return {}
        return self.read(set(filter(None, self.run_ids.ravel())))

    def right(self, key: str, dataset: str, split: str, places: Sequence[int]) -> NDArray[np.bool_]:
        """Whether runs classify each image correctly, `(places, images)`; all must have predictions."""
        outcomes = [self.outcomes(key, dataset, split, place) for place in places]
        return np.array([run.right for run in outcomes if run is not None])

    def groups(self, key: str, dataset: str, split: str, place: int) -> NDArray[np.int32] | None:
        """The number of each image's group; None without groups, or with one, which has no spread between groups."""
        run = self.outcomes(key, dataset, split, place)
        several = run is not None and run.groups is not None and run.groups.min() < run.groups.max()
        return run.groups if run is not None and several else None

    def products(self, keys: Sequence[str], dataset: str, split: str, places: Sequence[int]) -> Products:
        """The products of entries whose runs have the same images."""
        question = ("products", tuple(keys), dataset, split, tuple(places))
        if question not in self.computed:
            table = np.array([self.right(key, dataset, split, places) for key in keys])
            of_keys = (self.groups(key, dataset, split, places[0]) for key in keys)
            groups = next((numbers for numbers in of_keys if numbers is not None), None)
            self.computed[question] = products(table, groups)
        of_entries: Products = self.computed[question]
        return of_entries


def _mean(values: Sequence[float]) -> float:
    """Summed from first to last."""
    return sum(values) / len(values)
