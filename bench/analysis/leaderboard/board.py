"""A leaderboard: the entries of one setting, and its missing and excluded runs."""

from dataclasses import dataclass
from typing import Any

from bench._util.shots import ALL as ALL_TEXT
from bench._util.shots import ALL_SHOTS, shots_text, shots_value
from bench.analysis.leaderboard.entry import Entry
from bench.analysis.leaderboard.measures import ALL, HARMONIC, OPEN, OPEN_SCORES, H, HConvention
from datasets_registry import EvalProtocol
from reports.views import ExcludedRunView, MissingView


@dataclass(frozen=True, order=True)
class Setting:
    """The setting that all runs of one leaderboard share.

    `draw` is the kind of draw: `coop` includes `coop-sorted`, its name on ImageNet. `source` is the training dataset if
    the protocol evaluates on other datasets, otherwise empty. `shots` is `ALL_SHOTS` for all training images, and
    `support` is the change of the draw, such as `imbalanced:10`, otherwise empty.
    """

    backbone: str
    protocol: str
    shots: int
    draw: str
    precision: str
    source: str = ""
    support: str = ""

    @property
    def title(self) -> str:
        """Backbone, protocol, source, shots and change of the draw, as text."""
        return f"{self.backbone}, {self.protocol_text}"

    @property
    def protocol_text(self) -> str:
        """Protocol, source, shots and change of the draw, as text. Test-time adaptation has no shots."""
        if self.protocol == EvalProtocol.TEST_TIME:
            return "test-time adaptation"
        source = f" from {self.source}" if self.source else ""
        return f"{self.protocol}{source}, {self.shots_text}"

    @property
    def shots_text(self) -> str:
        """Shots and change of the draw, as text."""
        return ", ".join(filter(None, [shots_text(self.shots), self.support]))

    def facts(self) -> dict[str, str | int]:
        """The fields as JSON values; the shots are `all` for all training images."""
        return vars(self) | {"shots": shots_value(self.shots)}

    def columns(self) -> dict[str, str | int | None]:
        """The fields as columns of a file: with all training images, `shots` is empty and `support` is `all`."""
        every = self.shots == ALL_SHOTS
        return vars(self) | ({"shots": None, "support": ALL_TEXT} if every else {})


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

    Differences within the intervals are not significant; see `bench.analysis.ranking`.

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
    excluded: tuple[ExcludedRunView, ...]
    missing: tuple[MissingView, ...]
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
    def columns(self) -> tuple[str, ...]:
        """The measures of the table in the terminal; for base-to-new they always include `open`."""
        return (*self.splits, OPEN, H) if H in self.measures else self.measures

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

    def rows(self) -> list[dict[str, Any]]:
        """One row per entry with means, intervals, coverage and cost; accuracies are fractions.

        `datasets` and `seeds` are the numbers that the means are over; `n` and `expected` count all runs.
        """
        return [self._row(entry) for entry in self.entries]

    def _row(self, entry: Entry) -> dict[str, Any]:
        row: dict[str, Any] = {"rank": entry.rank, "entry": entry.key, "method": entry.method, "label": entry.label}
        for measure in self.measures:
            if measure == OPEN:
                continue
            estimate = entry.average(measure, self.convention)
            row[measure] = estimate.mean if estimate else None
            row[f"{measure}_half_width"] = estimate.half_width if estimate else None
        if H in self.measures:
            for convention in HConvention:
                estimate = entry.average(H, convention)
                row[convention.value] = estimate.mean if estimate else None
            row |= self._open_row(entry)
        if self.setting.source:
            row["by_dataset"] = {name: cell.scores[ALL].mean for name, cell in entry.cells.items()}
        done = entry.coverage == entry.planned
        row |= {"n": entry.coverage, "expected": entry.planned, "complete": done, "oracle": entry.oracle}
        row |= {"datasets": len(self.averaged), "seeds": len(self.seeds)}
        row["stale"] = entry.stale
        row["imported"] = entry.imported
        if entry.oracle:
            row["optimism"] = dict(entry.optimism)
        row["trainable_parameters"] = entry.cost.parameters_high if entry.cost else None
        row["train_seconds"] = entry.cost.train_seconds if entry.cost else None
        row["eval_seconds"] = entry.cost.eval_seconds if entry.cost else None
        row["device"] = entry.cost.device if entry.cost else None
        row["run_ids"] = list(entry.run_ids)
        return row

    def _open_row(self, entry: Entry) -> dict[str, float | None]:
        """The open score; None if it was not computed."""
        found = entry.average(OPEN, self.convention)
        others = {name: entry.averages.get(name) for name in OPEN_SCORES}
        row = {OPEN: found.mean if found else None, "open_half_width": found.half_width if found else None}
        return row | {name.replace("-", "_"): value.mean if value else None for name, value in others.items()}
