"""Leaderboards as values: the measures, the entries with their cells, and the entries of one setting. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bench._util.sums import total
from bench.analysis.metrics.scores import harmonic_mean
from bench.analysis.statistics.intervals import Estimate
from bench.spec import LEARNED, NOTHING_LEARNED, OPEN_BASE, OPEN_NEW, learned_texts, shots_text, shots_value
from datasets_registry import EvalProtocol


@dataclass(frozen=True)
class MissingCell:
    """A dataset and seed that other entries have and this entry lacks; `error` is set if its run failed."""

    entry: str
    dataset: str
    seed: int
    error: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class ExcludedRun:
    """A run that is excluded from the board, with the reason."""

    run_id: str
    entry: str
    dataset: str
    seed: int
    reason: str


MIXED = "mixed"
"""The device of costs that were measured on several classes of devices."""


@dataclass(frozen=True)
class EntryCost:
    """Cost of an entry's runs: means per run, the range of the parameter count, and the maximum of the memory.

    `shared_*` are the shared features that the runs need, see `bench.record.Cost`; None if some run's are unknown. All
    other parts are what the runs need themselves.
    `fits`, `candidate_evaluations` and `tuning_seconds` are the cost of selection, and `added_memory_bytes` is the peak
    above the level at the start of a run; None if some run lacks them. `device` is the class of device of all runs,
    such as `cpu` or the name of a GPU; empty if unknown. Runs on several are `MIXED`, without seconds and memory.
    `learns_from_tests`: the methods of the board learn from test images while they classify them.
    """

    parameters_low: int
    parameters_high: int
    steps: float
    image_passes: float
    prompted_image_passes: float
    text_passes: float
    prepare_seconds: float | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    fits: float | None = None
    candidate_evaluations: float | None = None
    tuning_seconds: float | None = None
    added_memory_bytes: int | None = None
    shared_prepare_seconds: float | None = None
    shared_train_seconds: float | None = None
    shared_eval_seconds: float | None = None
    shared_image_passes: float | None = None
    shared_text_passes: float | None = None
    device: str = ""
    learns_from_tests: bool = False

    @property
    def learning_seconds(self) -> float | None:
        """Seconds of preparation and training; with evaluation where methods learn from test images."""
        return total(self.own_seconds, self.shared_seconds)

    @property
    def own_seconds(self) -> float | None:
        """The part of `learning_seconds` that the runs need themselves; None on several classes of devices."""
        return total(self.prepare_seconds, self.train_seconds, *([self.eval_seconds] * self.learns_from_tests))

    @property
    def shared_seconds(self) -> float | None:
        """The part of `learning_seconds` for shared features."""
        shared_eval = [self.shared_eval_seconds] * self.learns_from_tests
        return total(self.shared_prepare_seconds, self.shared_train_seconds, *shared_eval)

    @property
    def passes(self) -> float | None:
        """Images and texts through the towers, own and shared."""
        return total(self.own_passes, self.shared_passes)

    @property
    def own_passes(self) -> float:
        """The part of `passes` that the runs need themselves."""
        return self.image_passes + self.prompted_image_passes + self.text_passes

    @property
    def shared_passes(self) -> float | None:
        """The part of `passes` for shared features."""
        return total(self.shared_image_passes, self.shared_text_passes)


BASELINE = "zero_shot"
H = "H"
OPEN = "open"
HARMONIC = {H: ("base", "new"), OPEN: (OPEN_BASE, OPEN_NEW)}
"""Measures that are the harmonic mean of the accuracies on two splits, and these splits."""


def splits_of(measure: str) -> tuple[str, ...]:
    """The splits whose accuracies a measure combines: two for a harmonic mean, otherwise the measure itself."""
    return HARMONIC.get(measure, (measure,))


def classes_of(measure: str) -> str:
    """The class split whose difficulty belongs to a measure: base, new or all."""
    return measure if measure in ("base", "new") else "all"


OPEN_SCORES = (OPEN_BASE, OPEN_NEW, "open_base_ece", "open_new_ece")
"""Numbers of the open score other than `open`."""
TRANSFER_PROTOCOLS = ("cross-dataset", "domain-generalization")
"""Protocols that train on a source dataset; their targets are the other datasets of the board."""
ALL = "all"


class HConvention(StrEnum):
    """How H and `open` are averaged over datasets.

    `mean_of_h`: mean over datasets of H, which is averaged over the runs of a dataset. Paired differences, intervals
    and tests use this H, so it is the default. `h_of_means`: H of the average base and the average new accuracy, as in
    most papers (CoOp, CoCoOp, MaPLe ...: 69.34, 74.22 -> 71.70). Numbers of different conventions are not comparable.
    """

    H_OF_MEANS = "h_of_means"
    MEAN_OF_H = "mean_of_h"


def averages_over_datasets(by_split: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, float]:
    """The mean of each split and, if both splits of a harmonic mean are given, this mean by both conventions.

    Keys are described in `convention_key`. Each split has the accuracies of every dataset, one per seed, in the same
    order of datasets and seeds.

    Example:
        >>> found = averages_over_datasets({"base": [[0.5], [1.0]], "new": [[0.5], [0.5]]})
        >>> found["h_of_means"], round(found["mean_of_h"], 4)  # H(0.75, 0.5); the mean of 1/2 and 2/3
        (0.6, 0.5833)
    """
    found = {split: _mean([_mean(seeds) for seeds in values]) for split, values in by_split.items()}
    for measure, (one, other) in HARMONIC.items():
        if one in by_split and other in by_split:
            pairs = zip(by_split[one], by_split[other], strict=True)
            of_datasets = [_mean([harmonic_mean(b, n) for b, n in zip(base, new, strict=True)]) for base, new in pairs]
            found[convention_key(measure, HConvention.H_OF_MEANS)] = harmonic_mean(found[one], found[other])
            found[convention_key(measure, HConvention.MEAN_OF_H)] = _mean(of_datasets)
    return found


def convention_key(measure: str, convention: HConvention) -> str:
    """Name of an average by that convention, such as `mean_of_h` for H and `open_mean_of_h` for the open score."""
    return convention.value if measure == H else f"{measure}_{convention.value}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@dataclass(frozen=True)
class Cell:
    """One entry on one dataset.

    Args:
        scores: by measure; empty without runs. H and `open` are means over seeds of the value of every run, and the
            open score is present if every run has it. `with_intervals` adds the intervals over seeds and images.
        n: number of scored seeds, of `expected` seeds.
        gains: score minus the baseline's on the same dataset; empty for the baseline and if the baseline is missing.
    """

    dataset: str
    scores: Mapping[str, Estimate]
    n: int
    expected: int
    run_ids: tuple[str, ...]
    gains: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A method with one exact config and recipe.

    Args:
        key: unique on the board, such as `coop` or `coop [n_ctx=4]`.
        label: settings that distinguish this entry from the method's other entries; empty if there is only one.
        averages: averages over datasets, by measure and, for H, by convention (`h_of_means`, `mean_of_h`). Those of the
            open score begin with `open_` and are present if every run has it.
        n: number of scored cells out of `expected`, on the datasets and seeds that the board compares.
        coverage: number of scored cells out of `planned`, on all datasets and seeds.
        oracle: whether anything was selected with test labels.
        optimism: by split, the accuracy gained by selection with test labels, mean over runs; empty for other entries,
            or if it was not recorded.
        stale: number of runs made with other code than the current, and which code changed; empty for none.
        imported: number of runs that were imported and not verified; empty for none.
        uses: what code of others states that it sees besides the labelled images; None if it states nothing.
    """

    key: str
    method: str
    label: str
    config: Mapping[str, Any]
    recipe: Mapping[str, Any] | None
    recipe_name: str | None
    cells: Mapping[str, Cell]
    averages: Mapping[str, Estimate]
    n: int
    expected: int
    missing: tuple[MissingCell, ...]
    cost: EntryCost | None
    run_ids: tuple[str, ...]
    oracle: bool
    optimism: Mapping[str, float]
    stale: str
    imported: str
    uses: tuple[str, ...] | None
    coverage: int
    planned: int

    @property
    def complete(self) -> bool:
        """Whether every dataset x seed that the board compares is scored."""
        return self.n == self.expected

    @property
    def rankable(self) -> bool:
        """Whether the entry is complete and nothing in it was selected with test labels."""
        return self.complete and not self.oracle

    def average(self, measure: str, convention: HConvention) -> Estimate | None:
        """The average of a measure over datasets, for H and `open` by that convention."""
        return self.averages.get(convention_key(measure, convention) if measure in HARMONIC else measure)


@dataclass(frozen=True, order=True)
class Setting:
    """The setting that all runs of one leaderboard share.

    `draw` is the kind of draw: `coop` includes `coop-sorted`, its name on ImageNet. `source` is the training dataset if
    the protocol evaluates on other datasets, otherwise empty. `shots` is `ALL_SHOTS` for all training images.
    `learned` has the values of `bench.spec.LEARNED`, such as `imbalanced:10`; empty for defaults.
    """

    backbone: str
    protocol: str
    shots: int
    draw: str
    precision: str
    source: str = ""
    learned: tuple[str, ...] = NOTHING_LEARNED

    @property
    def plain(self) -> bool:
        """Whether the methods see the plain draw and nothing else."""
        return not any(self.learned)

    @property
    def title(self) -> str:
        """Backbone and `protocol_text`."""
        return f"{self.backbone}, {self.protocol_text}"

    @property
    def protocol_text(self) -> str:
        """Protocol, source and `shots_text`, as text. Test-time adaptation has no shots."""
        if self.protocol == EvalProtocol.TEST_TIME:
            return "test-time adaptation"
        source = f" from {self.source}" if self.source else ""
        return f"{self.protocol}{source}, {self.shots_text}"

    @property
    def shots_text(self) -> str:
        """Shots and what else the methods learn from, as text."""
        return ", ".join([shots_text(self.shots), *learned_texts(self.learned)])

    def facts(self) -> dict[str, str | int]:
        """The fields as JSON values; the shots are `all` for all training images."""
        learned = dict(zip((axis.name for axis in LEARNED), self.learned, strict=True))
        fields = {name: value for name, value in vars(self).items() if name != "learned"}
        return fields | learned | {"shots": shots_value(self.shots)}


@dataclass(frozen=True)
class CommonCells:
    """The datasets and seeds on which entries are compared if less than half of them, or fewer than two, are complete.

    Args:
        entries: keys of the entries that have all of these cells.
        without: keys of the other entries, which are not ranked.
    """

    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    entries: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True)
class Leaderboard:
    """All entries of one setting, ordered by their mean: rankable entries first, then oracles, then incomplete ones.

    Differences within the intervals are not significant; see `bench.analysis.verdict`.

    Args:
        measures: `("base", "new", "H")` or `("all",)`, with `open` before H if an entry has it; entries are ordered by
            the last.
        datasets: all datasets of any entry; targets first and the source last if there is one.
        baseline: key of the zero-shot entry for gains, or None.
        missing: missing and failed cells of all entries, including datasets and seeds that are not compared.
        common: None if all datasets and seeds are compared; otherwise `datasets`, `seeds` and `entries` have only these
            cells.
    """

    setting: Setting
    convention: HConvention
    measures: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    baseline: str | None
    excluded: tuple[ExcludedRun, ...]
    missing: tuple[MissingCell, ...]
    common: CommonCells | None = None

    @property
    def averaged(self) -> tuple[str, ...]:
        """The datasets in averages: all but the source."""
        return tuple(dataset for dataset in self.datasets if dataset != self.setting.source)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that every run has: the measures that are not harmonic means."""
        return tuple(measure for measure in self.measures if measure not in HARMONIC)

    @property
    def n_runs(self) -> int:
        """Number of runs that count on the board."""
        return len({run_id for entry in self.entries for run_id in entry.run_ids})

    def stored_split(self, split: str, dataset: str) -> str:
        """Name of the split in a run's scores: runs with targets score each target under its dataset name."""
        return dataset if self.setting.source and dataset != self.setting.source else split

    @property
    def complete(self) -> bool:
        """Whether every entry has all planned runs."""
        return not self.missing

    def entry(self, key: str) -> Entry:
        """The entry with that key."""
        return next(entry for entry in self.entries if entry.key == key)
