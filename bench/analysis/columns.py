"""The columns of a leaderboard in their one order; page, terminal, files and tables choose from them. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any

from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.measures import ALL, HARMONIC, OPEN, H, HConvention
from bench.analysis.statistics.intervals import Estimate
from datasets_registry import EvalProtocol


class Place(StrEnum):
    """Where columns are shown."""

    DATA = "data"  # CSV, Parquet, JSON and frames
    TERMINAL = "terminal"
    TABLE = "table"  # LaTeX and Markdown: what stands between the names of the methods and their runs
    PAGE = "page"


class Kind(StrEnum):
    """What the value of a column is; each place has one writer per kind."""

    FACT = "fact"  # a plain value, or `ABSENT`
    RANK = "rank"  # range of ranks; None if unranked
    METHOD = "method"  # the key of the entry
    MAIN_SCORE = "main score"  # estimate or None; orders the rows
    SCORE = "score"  # estimate, None, or a text in place of it
    RUNS = "runs"  # scored and planned
    PARAMETERS = "parameters"  # cost or None
    TIME = "time"  # cost or None
    SHARED = "shared features"  # cost or None


ABSENT = object()
"""Value of a fact that an entry does not have."""
NOT_COMPUTED = "not computed"
"""Shown instead of an open score that some run of an entry lacks."""
H_TITLES = {
    HConvention.H_OF_MEANS: "H of the average base and new accuracy, as most papers print it",
    HConvention.MEAN_OF_H: "mean of the datasets’ H",
}
NO_RANKS: Mapping[str, str] = MappingProxyType({})
_OPEN_HINT = "H of base and new test images, each classified among all names, base and new. Empty: not computed"
_SPARE = {OPEN: 5, "new": 6, "base": 7}


@dataclass(frozen=True)
class LeaderboardColumn:
    """A column.

    Args:
        value: of an entry; its type depends on the kind.
        titles: the heading in each place that shows the column.
        hint: explains the column.
        spare: a narrow terminal leaves out the columns with a number, the smallest first.
    """

    kind: Kind
    value: Callable[[Entry], Any]
    titles: Mapping[Place, str]
    hint: str = ""
    spare: int = 0


def leaderboard_columns(
    board: Leaderboard, place: Place, ranks: Mapping[str, str] = NO_RANKS
) -> list[LeaderboardColumn]:
    """The columns that a place shows, in the order of all places: the score that orders the rows follows the names.

    `ranks` are the ranges of ranks by entry, as of `Verdict.ranks`.
    """
    columns = [*_names(ranks), *_scores(board), *_targets(board), *_costs(board), *_facts(board)]
    return [column for column in columns if place in column.titles]


def board_rows(board: Leaderboard, ranks: Mapping[str, str] = NO_RANKS) -> list[dict[str, Any]]:
    """One row per entry with range of ranks, means, intervals, coverage and cost; accuracies are fractions.

    `datasets`, `seeds` and `images` (test images) are the numbers that the means are over; `n` and `expected` count all
    runs. `intervals` says what the 95 % intervals cover.
    """
    columns = leaderboard_columns(board, Place.DATA, ranks)
    return [
        {
            name: value
            for column in columns
            for name, value in _FLAT[column.kind](column.titles[Place.DATA], column.value(entry))
            if value is not ABSENT
        }
        for entry in board.entries
    ]


_Flat = list[tuple[str, Any]]


def _attributes(value: object, names: Mapping[str, str]) -> _Flat:
    """Attributes by column; None for those that the value lacks."""
    return [(column, getattr(value, name, None)) for column, name in names.items()]


def _flat_score(name: str, found: Estimate | str | None) -> _Flat:
    return _attributes(found, {name: "mean", f"{name}_low": "low", f"{name}_high": "high"})


_TIMES = {name: name for name in ("own_seconds", "eval_seconds", "device")}
_FLAT: Mapping[Kind, Callable[[str, Any], _Flat]] = {
    Kind.FACT: lambda name, value: [(name, value)],
    Kind.RANK: lambda name, value: [(name, value)],
    Kind.METHOD: lambda name, value: [(name, value)],
    Kind.MAIN_SCORE: _flat_score,
    Kind.SCORE: _flat_score,
    Kind.RUNS: lambda _, runs: [("n", runs[0]), ("expected", runs[1]), ("complete", runs[0] == runs[1])],
    Kind.PARAMETERS: lambda name, cost: _attributes(cost, {name: "parameters_high"}),
    Kind.TIME: lambda _, cost: _attributes(cost, _TIMES),
    Kind.SHARED: lambda name, cost: _attributes(cost, {name: "shared_seconds"}),
}
"""The values of a column by name, for each kind that files have."""


def _fact(name: str, value: Callable[[Entry], Any]) -> LeaderboardColumn:
    return LeaderboardColumn(Kind.FACT, value, {Place.DATA: name})


def _names(ranks: Mapping[str, str]) -> Iterator[LeaderboardColumn]:
    yield LeaderboardColumn(
        Kind.RANK,
        lambda entry: ranks.get(entry.key),
        {Place.DATA: "rank", Place.TERMINAL: "rank", Place.PAGE: "Rank"},
        "Ranks that are consistent with the paired tests; none if runs are missing, or with fewer than three seeds",
    )
    titles = {Place.DATA: "entry", Place.TERMINAL: "method", Place.PAGE: "Method"}
    yield LeaderboardColumn(Kind.METHOD, lambda entry: entry.key, titles)
    yield _fact("method", lambda entry: entry.method)
    yield _fact("label", lambda entry: entry.label)


def measure_name(measure: str) -> str:
    """The name of a measure in tables: all classes together have an accuracy."""
    return "accuracy" if measure == ALL else measure


def _scores(board: Leaderboard) -> Iterator[LeaderboardColumn]:
    """The score that orders the rows and the others; tables show the open score only if it is known."""
    measures = (H, *board.splits, OPEN) if H in board.measures else board.measures
    for measure in measures:
        name = measure_name(measure)
        titles = {Place.DATA: measure, Place.TERMINAL: "average of targets" if board.setting.source else name}
        if measure in board.measures:
            titles |= {Place.TABLE: name, Place.PAGE: name.title()}
        kind = Kind.MAIN_SCORE if measure == measures[0] else Kind.SCORE
        hint = {OPEN: _OPEN_HINT, H: H_TITLES[board.convention]}.get(measure, "")
        yield LeaderboardColumn(kind, partial(_score, board, measure), titles, hint, _SPARE.get(measure, 0))
    if OPEN in measures:
        yield from (_fact(name.replace("-", "_"), partial(_mean, board, name)) for name in HARMONIC[OPEN])


def _score(board: Leaderboard, measure: str, entry: Entry) -> Estimate | str | None:
    found = board.average(entry.key, measure)
    return NOT_COMPUTED if found is None and measure == OPEN and entry.n else found


def _mean(board: Leaderboard, split: str, entry: Entry) -> float | None:
    return board.array.mean_over_datasets(entry.key, split, board.convention)


def _targets(board: Leaderboard) -> Iterator[LeaderboardColumn]:
    """The accuracy on the source and on each target of a transfer protocol."""
    source = board.setting.source
    if not source:
        return
    for dataset in (source, *board.averaged):
        title = f"{dataset} (source)" if dataset == source else dataset
        yield LeaderboardColumn(Kind.SCORE, partial(_on, board, dataset), {Place.TERMINAL: title})
    yield _fact("by_dataset", partial(_by_dataset, board))


def _on(board: Leaderboard, dataset: str, entry: Entry) -> Estimate | None:
    return board.score(entry.key, dataset, ALL)


def _by_dataset(board: Leaderboard, entry: Entry) -> dict[str, float]:
    means = {name: board.array.mean(entry.key, name, ALL) for name in board.datasets}
    return {name: mean for name, mean in means.items() if mean is not None}


def _costs(board: Leaderboard) -> Iterator[LeaderboardColumn]:
    titles = {Place.DATA: "n", Place.TERMINAL: "runs", Place.PAGE: "Runs"}
    hint = "Scored dataset × seed cells"
    yield LeaderboardColumn(Kind.RUNS, lambda entry: (entry.coverage, entry.planned), titles, hint, 3)
    titles = {Place.DATA: "trainable_parameters", Place.TERMINAL: "parameters", Place.PAGE: "Parameters"}
    yield LeaderboardColumn(Kind.PARAMETERS, lambda entry: entry.cost, titles, "Trainable parameters", 2)
    titles = {Place.DATA: "", Place.TERMINAL: "training", Place.PAGE: "Training"}
    hint = "Mean time of one run: preparation and training, without shared features"
    if board.setting.protocol == EvalProtocol.TEST_TIME:
        titles = {Place.DATA: "", Place.TERMINAL: "test time", Place.PAGE: "Test"}
        hint = "Mean time of one run: preparation, and evaluation, in which the methods learn, without shared features"
    yield LeaderboardColumn(Kind.TIME, lambda entry: entry.cost, titles, hint, 4)
    titles = {Place.DATA: "shared_seconds", Place.TERMINAL: "shared features", Place.PAGE: "Shared features"}
    hint = "Time for the features of the frozen backbone, which all runs on a dataset share; computed once"
    yield LeaderboardColumn(Kind.SHARED, lambda entry: entry.cost, titles, hint, 1)


def _facts(board: Leaderboard) -> Iterator[LeaderboardColumn]:
    """What the means are over, and what is to be known about the runs."""

    def of_average(name: str, entry: Entry) -> Any:
        return getattr(board.average(entry.key, board.measures[-1]), name, None)

    yield _fact("datasets", lambda _: len(board.averaged))
    yield _fact("seeds", lambda _: len(board.seeds))
    yield _fact("images", partial(of_average, "images"))
    yield _fact("intervals", lambda entry: str(covers) if (covers := of_average("covers", entry)) else None)
    yield _fact("oracle", lambda entry: entry.oracle)
    yield _fact("optimism", lambda entry: dict(entry.optimism) if entry.oracle else ABSENT)
    yield _fact("stale", lambda entry: entry.stale)
    yield _fact("imported", lambda entry: entry.imported)
    yield _fact("run_ids", lambda entry: list(entry.run_ids))
