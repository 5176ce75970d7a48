"""The leaderboard as a table: one row per entry, or per entry, dataset and measure. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import Any

from bench._util.words import counted
from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.measures import ALL, HARMONIC, OPEN, H, HConvention
from bench.analysis.seen_datasets import published_overlap
from bench.analysis.statistics.intervals import Estimate
from bench.analysis.verdict import Verdict, board_verdict, why_no_ranks
from bench.score_texts import percent, time_unit
from bench.spec import DEMO_RECIPE
from bench.table import Column, Mark, Row, Score, Table
from datasets_registry import EvalProtocol

NO_TITLES: Mapping[str, str] = MappingProxyType({})
NOT_COMPUTED = "not computed"
"""Shown instead of an open score that some run of an entry lacks."""
STALE, IMPORTED = " †", " ‡"
"""Marks after the name of an entry with runs of other code, and with imported runs."""
H_TITLES = {
    HConvention.H_OF_MEANS: "H of the average base and new accuracy, as most papers print it",
    HConvention.MEAN_OF_H: "mean of the datasets’ H",
}
_WHAT_H_IS = {
    HConvention.H_OF_MEANS: "harmonic mean of the average base and the average new accuracy",
    HConvention.MEAN_OF_H: "harmonic mean of base and new accuracy on each dataset, averaged over the datasets",
}
_SPARE = ("shared features", "parameters", "runs", "training", "test time", OPEN, "new", "base")
"""Columns that a narrow terminal leaves out, the first one first."""


def measure_name(measure: str) -> str:
    """The name of a measure in tables: all classes together have an accuracy."""
    return "accuracy" if measure == ALL else measure


def board_title(board: Leaderboard) -> str:
    """Backbone, protocol, shots and the number of datasets of a board; the name of a single one."""
    over = counted(len(board.averaged), "target" if board.setting.source else "dataset")
    return f"{board.setting.title}, {board.averaged[0] if len(board.averaged) == 1 else over}"


def leaderboard_table(
    board: Leaderboard,
    verdicts: Mapping[str, Verdict],
    titles: Mapping[str, str] = NO_TITLES,
    *,
    costs: bool = True,
    intervals: bool = True,
) -> Table:
    """One row per entry: ranks, means over the datasets with their 95 % intervals, coverage and cost.

    The best number of each column and those that may match it are marked. Incomplete entries and oracles have neither
    ranks nor marks. The scores follow the names, first the one that orders the rows.

    Args:
        verdicts: `board_verdicts` of the board.
        titles: of entries by key, and of datasets by name; without a title an entry has its key.
        costs: show parameters and times.
        intervals: whether papers have the intervals.
    """
    verdict = verdicts[board.measures[-1]]
    rows = board_rows(board, verdict.ranks, titles)
    return Table(
        rows,
        _columns(board, verdicts, costs=costs, intervals=intervals),
        f"{board_title(board)}{f'; H is the {_SHORT_H[board.convention]}' if H in board.measures else ''}",
        caption=_caption(board, verdict, intervals=intervals),
        spare=_SPARE,
        setting=board.setting.facts(),
        facts=lambda: _facts(board, verdicts, rows),
        source=board,
    )


_SHORT_H = {HConvention.H_OF_MEANS: "H of the mean accuracies", HConvention.MEAN_OF_H: "mean of the datasets' H"}


def _facts(board: Leaderboard, verdicts: Mapping[str, Verdict], rows: Sequence[Row]) -> dict[str, object]:
    """A board with its rows, verdicts, missing and excluded runs, as JSON has it."""
    return {
        "setting": board.setting.facts(),
        "h_convention": str(board.convention),
        "datasets": list(board.datasets),
        "averaged": list(board.averaged),
        "seeds": list(board.seeds),
        "complete": board.complete,
        "rows": rows,
        "ranks": dict(verdicts[board.measures[-1]].ranks),
        "verdicts": {measure: verdict.facts() for measure, verdict in verdicts.items()},
        "missing": [vars(cell) for cell in board.missing],
        "set_aside": [vars(run) for run in board.excluded],
    }


def board_rows(
    board: Leaderboard, ranks: Mapping[str, str] = NO_TITLES, titles: Mapping[str, str] = NO_TITLES
) -> list[dict[str, Any]]:
    """One row per entry with range of ranks, means, intervals, coverage and cost; accuracies are fractions.

    `datasets`, `seeds` and `images` (test images) are the numbers that the means are over; `n` and `expected` count all
    runs. `intervals` says what the 95 % intervals cover.
    """
    return [_row(board, entry, ranks, titles) for entry in board.entries]


def _row(board: Leaderboard, entry: Entry, ranks: Mapping[str, str], titles: Mapping[str, str]) -> dict[str, Any]:
    cost, main = entry.cost, board.average(entry.key, board.measures[-1])
    row: dict[str, Any] = {"entry": entry.key, "title": titles.get(entry.key, entry.key), "method": entry.method}
    row |= {"label": entry.label, "rank": ranks.get(entry.key)}
    for measure in _measures(board):
        average = board.average(entry.key, measure)
        row |= _ends(measure, average)
    if H in board.measures:
        for part in HARMONIC[OPEN]:
            row[part.replace("-", "_")] = board.array.mean_over_datasets(entry.key, part, board.convention)
    if board.setting.source:
        means = {name: board.array.mean(entry.key, name, ALL) for name in board.datasets}
        row["by_dataset"] = {name: mean for name, mean in means.items() if mean is not None}
    row |= {"n": entry.coverage, "expected": entry.planned, "complete": entry.coverage == entry.planned}
    row["trainable_parameters"] = None if cost is None else cost.parameters_high
    for name in ("own_seconds", "eval_seconds", "device", "shared_seconds"):
        row[name] = getattr(cost, name, None)
    row |= {"datasets": len(board.averaged), "seeds": len(board.seeds), "images": main.images if main else None}
    row["intervals"] = str(main.covers) if main and main.covers else None
    row["oracle"] = entry.oracle
    if entry.oracle:
        row["optimism"] = dict(entry.optimism)
    return row | {"stale": entry.stale, "imported": entry.imported, "run_ids": list(entry.run_ids)}


def _ends(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    """A score with the ends of its interval by name."""
    mean, low, high = (estimate.mean, estimate.low, estimate.high) if estimate else (None, None, None)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def _measures(board: Leaderboard) -> tuple[str, ...]:
    """The measures in the order of the columns, first the one that orders the rows."""
    return (H, *board.splits, OPEN) if H in board.measures else board.measures


def _columns(board: Leaderboard, verdicts: Mapping[str, Verdict], *, costs: bool, intervals: bool) -> list[Column]:
    def score(measure: str, row: Row) -> object:
        if row[measure] is None:
            return NOT_COMPUTED if measure == OPEN and row["n"] else None
        cell = Score.of(row[measure], row[f"{measure}_low"], row[f"{measure}_high"])
        return replace(cell, reach=cell.reach if intervals else "", mark=marks[measure].get(row["entry"], Mark.NONE))

    def on_target(dataset: str, row: Row) -> object:
        estimate = board.score(row["entry"], dataset, ALL)
        return None if estimate is None else Score.of(estimate.mean, estimate.low, estimate.high)

    marks = {measure: _marks(verdicts[measure]) if measure in verdicts else {} for measure in _measures(board)}
    columns = [Column("rank", lambda row: row["rank"]), Column("method", _marked_title)]
    for measure in _measures(board):
        title = "average of targets" if board.setting.source else measure_name(measure)
        columns.append(Column(title, partial(score, measure), measure in board.measures))
    if source := board.setting.source:
        for dataset in (source, *board.averaged):
            title = f"{dataset} (source)" if dataset == source else dataset
            columns.append(Column(title, partial(on_target, dataset), in_papers=False))
    columns.append(Column("runs", lambda row: f"{row['n']}/{row['expected']}{'' if row['complete'] else ' *'}"))
    if costs:
        training = "test time" if board.setting.protocol == EvalProtocol.TEST_TIME else "training"
        columns += [
            Column("parameters", lambda row: row["trainable_parameters"], in_papers=False),
            Column(training, _times(board, "own_seconds"), in_papers=False),
            Column("shared features", _times(board, "shared_seconds"), in_papers=False),
        ]
    return columns


def _marked_title(row: Row) -> str:
    return f"{row['title']}{STALE if row['stale'] else ''}{IMPORTED if row['imported'] else ''}"


def _times(board: Leaderboard, name: str) -> Callable[[Row], object]:
    """Writes a cost in seconds, with one unit in all rows; for runs on several devices it is the word for that."""
    unit = time_unit(getattr(entry.cost, name, None) or 0 for entry in board.entries)

    def text(row: Row) -> object:
        if row[name] is None:
            return row["device"] if row["own_seconds"] is None else "unknown"
        return f"{unit.number(row[name])} {unit.name}"

    return text


def _marks(verdict: Verdict) -> Mapping[str, Mark]:
    """Marks of one column: all numbers that are printed like the highest are the best."""
    if verdict.leader is None:
        return {}
    top = percent(verdict.averages[verdict.leader])
    marks = dict.fromkeys(verdict.open_here(verdict.leader) if verdict.has_ranks else (), Mark.TIES)
    return marks | {key: Mark.BEST for key, mean in verdict.averages.items() if percent(mean) == top}


# -- by dataset -----------------------------------------------------------------------------------------------------


def dataset_table(
    board: Leaderboard, verdict: Verdict, titles: Mapping[str, str] = NO_TITLES, *, intervals: bool = True
) -> Table:
    """The measure of a verdict on each dataset, with marks on the best number of each column and those that match it.

    A number whose seeds are incomplete has its coverage `n/N` and no mark.

    Args:
        verdict: that of the averages, which has the ranks.
        titles: of entries and of datasets, by key and name.
        intervals: whether papers have the intervals.
    """
    measure = verdict.measure
    marks = {name: _marks(board_verdict(board.on_dataset(name), measure)) for name in board.datasets}

    def score(dataset: str, row: Row) -> object:
        key = row["entry"]
        if not board.array.has(key, dataset):
            return None
        if (estimate := board.score(key, dataset, measure)) is None:
            return NOT_COMPUTED
        cell, (n, expected) = Score.of(estimate.mean, estimate.low, estimate.high), board.scored(key, dataset)
        coverage, mark = ("", marks[dataset].get(key, Mark.NONE)) if n == expected else (f"{n}/{expected}", Mark.NONE)
        return Score(cell.mean, cell.reach if intervals else "", mark, coverage)

    names = [Column("rank", lambda row: row["rank"]), Column("method", _marked_title)]
    scores = [Column(titles.get(name, name), partial(score, name)) for name in board.datasets]
    runs = Column("runs", lambda row: f"{row['n']}/{row['expected']}")
    caption = f"{_what_scores_are(board, intervals=intervals)} Bold: highest of the column{_ties(verdict)}."
    return Table(
        board_rows(board, verdict.ranks, titles),
        [*names, *scores, runs],
        f"{board.setting.title}, {measure_name(measure)}, by dataset",
        caption=f"{caption} Numbers of fewer seeds have their coverage.{_origins(board)}",
        source=board,
    )


def rows_by_dataset(board: Leaderboard, titles: Mapping[str, str] = NO_TITLES) -> list[dict[str, Any]]:
    """One row per entry, dataset and measure: fractions at full precision, coverage and run ids.

    `pretraining_overlap` is the published share of test images in the backbone's pretraining data, as text: `unknown
    share` if some are and the share is not published, empty if nothing is published about the dataset.
    """
    overlap = {name: _overlap(name, board.setting.backbone) for name in board.datasets}
    measures = [name for name in (*board.splits, H, OPEN, *HARMONIC[OPEN]) if name in board.array.values]
    rows = []
    for entry, dataset, measure in product(board.entries, board.datasets, measures):
        if (score := board.score(entry.key, dataset, measure)) is None:
            continue
        n, expected = board.scored(entry.key, dataset)
        zero = None if board.baseline in (None, entry.key) else board.array.mean(board.baseline, dataset, measure)
        rows.append(
            {
                "entry": entry.key,
                "title": titles.get(entry.key, entry.key),
                "method": entry.method,
                "label": entry.label,
                "dataset": dataset,
                "measure": measure,
                "mean": score.mean,
                "low": score.low,
                "high": score.high,
                "intervals": str(score.covers) if score.covers else None,
                "seeds_std": score.std,
                "images": score.images,
                "gain": None if zero is None else score.mean - zero,
                "n": n,
                "expected": expected,
                "complete": n == expected,
                "pretraining_overlap": overlap[dataset],
                "imported": entry.imported,
                "run_ids": list(board.array.ids(entry.key, dataset)),
            }
        )
    return rows


def _overlap(dataset: str, backbone: str) -> str:
    published = published_overlap(dataset, backbone)
    return "" if published is None else "unknown share" if published.share is None else str(published.share)


# -- captions -------------------------------------------------------------------------------------------------------


def _caption(board: Leaderboard, verdict: Verdict, *, intervals: bool) -> str:
    oracles = ", and so are oracles, which select with test labels" if any(e.oracle for e in board.entries) else ""
    text = _what_scores_are(board, intervals=intervals)
    text += f" Bold: highest{_ties(verdict)}. Incomplete rows are unranked{oracles}."
    if board.common is not None:
        grid = f"{counted(len(board.averaged), 'dataset')} and {counted(len(board.seeds), 'seed')}"
        text += f" Runs are missing: averaged over the {grid} that the ranked methods share; runs counts all."
    return text + (f" H: {_WHAT_H_IS[board.convention]}." if H in board.measures else "") + _origins(board)


def _what_scores_are(board: Leaderboard, *, intervals: bool) -> str:
    if not intervals:
        return "Accuracy in per cent."
    averages = [board.average(entry.key, board.measures[-1]) for entry in board.entries]
    covered = Counter(str(average.covers) for average in averages if average is not None and average.covers)
    over = "; with one seed, over ".join(covers for covers, _ in covered.most_common())
    return f"Accuracy in per cent with 95 % intervals over {over or 'nothing: there is one seed'}."


def _ties(verdict: Verdict) -> str:
    """What an underlined number is, or why no number is underlined and no row ranked."""
    if verdict.has_ranks:
        return "; underlined: may match it here (paired over seeds and images, all pairs together)"
    return f". {why_no_ranks(verdict)}".rstrip(". ")


def _origins(board: Leaderboard) -> str:
    """What is to be known about where runs come from."""
    stale = [f"{entry.key}: {entry.stale}" for entry in board.entries if entry.stale]
    imported = [f"{entry.key}: {entry.imported}" for entry in board.entries if entry.imported]
    demo = any(entry.recipe_name == DEMO_RECIPE for entry in board.entries)
    return (
        (" Demo: short trainings (recipe demo), not those of the papers." if demo else "")
        + (f" † Made with another version of the method's code: {'; '.join(stale)}." if stale else "")
        + (f" ‡ Imported, not verified: {'; '.join(imported)}." if imported else "")
    )
