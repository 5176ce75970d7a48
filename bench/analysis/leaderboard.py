"""Leaderboards as values: the entries of one setting, and the array of their scores. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bench._util.sums import total
from bench.analysis.measures import HARMONIC, HConvention
from bench.analysis.noise import average_score, dataset_scores
from bench.analysis.score_array import ScoreArray
from bench.analysis.statistics.intervals import Estimate
from bench.spec import LEARNED, NOTHING_LEARNED, learned_texts, shots_text, shots_value
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

    `shared_*` are the features of the frozen backbone that the runs need, computed once for each dataset and backbone,
    see `bench.record.Cost`; None if some run's are unknown. All other parts are what the runs need themselves.
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
    def own_seconds(self) -> float | None:
        """Seconds of preparation and training, with evaluation where methods learn from test images.

        None on several classes of devices.
        """
        return total(self.prepare_seconds, self.train_seconds, *([self.eval_seconds] * self.learns_from_tests))

    @property
    def shared_seconds(self) -> float | None:
        """The seconds of shared features for the same phases."""
        shared_eval = [self.shared_eval_seconds] * self.learns_from_tests
        return total(self.shared_prepare_seconds, self.shared_train_seconds, *shared_eval)

    @property
    def own_passes(self) -> float:
        """Images and texts through the towers."""
        return self.image_passes + self.prompted_image_passes + self.text_passes

    @property
    def shared_passes(self) -> float | None:
        """Images and texts through the towers for shared features."""
        return total(self.shared_image_passes, self.shared_text_passes)


@dataclass(frozen=True)
class Entry:
    """A method with one exact config and recipe; its scores are in the `ScoreArray` of the board.

    Args:
        key: unique on the board, such as `coop` or `coop [n_ctx=4]`.
        label: settings that distinguish this entry from the method's other entries; empty if there is only one.
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


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """All entries of one setting, ordered by their mean: rankable entries first, then oracles, then incomplete ones.

    Differences within the intervals are not significant; see `bench.analysis.verdict`.

    Args:
        array: the scores of the entries, in their order; its datasets are all of any entry, targets first and the
            source last if there is one, which averages leave out.
        measures: `("base", "new", "H")` or `("all",)`, with `open` before H if an entry has it; entries are ordered by
            the last.
        baseline: key of the zero-shot entry for gains, or None.
        missing: missing and failed cells of all entries, including datasets and seeds that are not compared.
        common: None if all datasets and seeds are compared; otherwise the array and `entries` have only these cells.
    """

    setting: Setting
    convention: HConvention
    measures: tuple[str, ...]
    entries: tuple[Entry, ...]
    array: ScoreArray
    baseline: str | None
    excluded: tuple[ExcludedRun, ...]
    missing: tuple[MissingCell, ...]
    common: CommonCells | None = None

    @property
    def datasets(self) -> tuple[str, ...]:
        """All datasets of any entry."""
        return self.array.datasets

    @property
    def averaged(self) -> tuple[str, ...]:
        """The datasets in averages: all but the source."""
        return self.array.averaged

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that are compared."""
        return self.array.seeds

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that every run has: the measures that are not harmonic means."""
        return tuple(measure for measure in self.measures if measure not in HARMONIC)

    @property
    def n_runs(self) -> int:
        """Number of runs that count on the board."""
        return len({run_id for entry in self.entries for run_id in entry.run_ids})

    @property
    def complete(self) -> bool:
        """Whether every entry has all planned runs."""
        return not self.missing

    def entry(self, key: str) -> Entry:
        """The entry with that key."""
        return next(entry for entry in self.entries if entry.key == key)

    def average(self, key: str, measure: str, convention: HConvention | None = None) -> Estimate | None:
        """The mean of an entry over datasets with its interval; H and `open` by a convention, by default the board's.

        None without runs, or if a run lacks the measure.
        """
        arguments = (key, measure, convention or self.convention)
        if arguments not in self._averages:
            self._averages[arguments] = average_score(self.array, *arguments)
        return self._averages[arguments]

    @cached_property
    def _averages(self) -> dict[tuple[str, str, HConvention], Estimate | None]:
        return {}

    def score(self, key: str, dataset: str, measure: str) -> Estimate | None:
        """The score of an entry on a dataset with its interval; None without runs, or if a run lacks the measure."""
        if (key, measure) not in self._scores:
            self._scores[key, measure] = dataset_scores(self.array, key, measure)
        return self._scores[key, measure].get(dataset)

    @cached_property
    def _scores(self) -> dict[tuple[str, str], dict[str, Estimate]]:
        return {}

    def scored(self, key: str, dataset: str) -> tuple[int, int]:
        """How many runs of an entry on a dataset are scored, and how many are expected."""
        return len(self.array.places(key, dataset)), self.array.expected(key)

    def on_dataset(self, dataset: str) -> "Leaderboard":
        """The board of one dataset, whose averages are the scores on it."""
        array = self.array.on([dataset])
        entries = []
        for entry in self.entries:
            if entry.key in array.rows:
                n, expected = self.scored(entry.key, dataset)
                entries.append(replace(entry, n=n, expected=expected))
        return replace(self, setting=replace(self.setting, source=""), entries=tuple(entries), array=array)
