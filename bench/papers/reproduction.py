"""Compares published numbers with ours for the same method, training, backbone, shots, dataset and split. Pure."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from statistics import fmean
from typing import Any

import pandas as pd

from bench.analysis import HARMONIC, OPEN, Entry, H, HConvention, Leaderboard, metrics
from bench.papers.conditions import differences, recipes_of
from bench.papers.equivalence import equivalence
from bench.papers.printed_averages import MEANS
from bench.papers.published_numbers import (
    ACCURACY,
    DIFFICULTIES,
    PUBLISHED,
    ZERO_SHOT,
    Cell,
    Standing,
    cells_of,
    members,
    rows_of,
    system_of,
)
from bench.results import published_values


@dataclass(frozen=True, kw_only=True)
class ReproductionRow:
    """One published number and ours, for one method, dataset and split.

    Args:
        dataset: or `average`, `easy` or `challenge` for a printed average.
        published: the printed number as a fraction, or a measure of difficulty as printed; of a known misprint the
            value that was probably meant.
        ours: mean over our `n` seeds.
        difference: ours minus published, with the 95 % interval `low` to `high`, None for one seed.
        p: p value of the equivalence test, None for one seed.
        sources: all sources that print this number for this method, the one of first standing first; they may be
            copies of one another.
        note: known errors of the printed number, and how our protocol differs.
        standing: `Standing` of the first source.
        recipe: recipe of the printed number, empty if its source does not say.
        printed_elsewhere: other values that other tables print for this method, dataset and split, whatever their
            recipe, ascending; they get no verdict.
        convention: how a printed average H was computed (`HConvention`); empty for another number.
        measure: `accuracy` or the harness's measure of difficulty.
    """

    entry: str
    method: str
    backbone: str
    protocol: str
    shots: int
    dataset: str
    split: str
    published: float
    ours: float
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int = 1
    verdict: str
    sources: tuple[str, ...]
    note: str
    run_ids: tuple[str, ...] = ()
    standing: str = Standing.UNKNOWN
    recipe: str = ""
    printed_elsewhere: tuple[float, ...] = ()
    convention: str = ""
    measure: str = ACCURACY


@dataclass(frozen=True)
class Reproduction:
    """All published numbers that match some runs.

    Args:
        rows: largest differences first.
        unmatched: (entry key, method) of the entries without published numbers.
    """

    rows: tuple[ReproductionRow, ...]
    unmatched: tuple[tuple[str, str], ...]


MARGIN = 0.01
"""Largest difference that counts as equal: one percentage point."""

PublishedSettings = Mapping[tuple[str, str], Mapping[str, Any]]
"""Published configs by (method, protocol)."""


class ReproductionVerdict(StrEnum):
    """Whether our runs reproduce a published number."""

    NOT_REPRODUCED = "not reproduced"
    """The whole 95 % interval of the difference is outside the margin."""
    UNDER_POWERED = "under-powered"
    """Neither reproduced nor not reproduced; more seeds are needed."""
    REPRODUCED = "reproduced"
    """Two one-sided tests (5 %) show that the difference is within the margin."""
    PROTOCOL_DIFFERS = "protocol differs"
    """Our runs use another recipe, config or draw, so the two numbers need not agree."""


def compare_with_published(
    boards: Iterable[Leaderboard],
    published: pd.DataFrame,
    *,
    defaults: PublishedSettings | None = None,
    margin: float = MARGIN,
) -> list[ReproductionRow]:
    """One published number for each cell of our runs that papers print, largest difference first.

    A run is compared with numbers of its recipe and settings (`differences`). Of several, the first by standing counts:
    the method's own paper, then the value that most tables print, then re-runs by others. The other printed values are
    a range beside it. A printed average is compared with ours over the same datasets, H by the same convention. A cell
    whose numbers all have another recipe or other settings has the verdict `protocol differs`.

    Printed numbers are treated as exact, since almost no source prints a spread. Zero-shot accuracy has no seeds and is
    also treated as exact, so its verdict depends on the margin alone.

    Args:
        defaults: published settings. If None, an entry whose label has settings differs from the published ones.
        margin: largest difference that counts as equal, a fraction.
    """
    boards = list(boards)
    methods = {system_of(entry.method) for board in boards for entry in board.entries}
    by_cell: dict[Cell, list[_Number]] = defaultdict(list)
    for row in rows_of(published[published["method"].map(system_of).isin(methods)]):
        if row["variant"] and not (row["settings"] or row["recipe"]):
            continue
        for cell in cells_of(row):
            by_cell[cell].append(_Number(row))
    rows = [
        row
        for board in boards
        for entry in board.entries
        for row in _entry_rows(by_cell, board, entry, defaults, margin)
    ]
    return sorted(rows, key=lambda row: (-abs(row.difference), row.entry, row.dataset, row.split, row.published))


def compare_difficulty(
    difficulty: pd.DataFrame, published: pd.DataFrame, margin: float = MARGIN
) -> list[ReproductionRow]:
    """Printed measures of difficulty beside the measured ones, largest difference first.

    Two cosines or ratios are equal if they differ by at most the margin. Relative transfer difficulty, whose size
    depends on the number of classes, is compared by the zero-shot accuracy that it implies, `1 / (classes * value)`.
    The last printed digit counts as rounded.

    Args:
        difficulty: the store's `difficulty_frame()`.
    """
    ours = {
        (backbone, dataset, measure): (float(value), int(n))
        for backbone, dataset, split, measure, value, n in difficulty[
            ["backbone", "dataset", "split", "measure", "value", "n_classes"]
        ].itertuples(index=False, name=None)
        if split == "all" and value == value
    }
    rows = []
    for row in rows_of(published[published["metric"].isin(list(DIFFICULTIES))]):
        measure, number = DIFFICULTIES[row["metric"]], _Number(row)
        if (row["backbone"], row["dataset"], measure) not in ours:
            continue
        measured, n_classes = ours[row["backbone"], row["dataset"], measure]
        digits, _, exponent = str(row["printed"]).lower().partition("e")
        half = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        low, high, compared = number.value - half, number.value + half, measured
        if measure == "relative_transfer_difficulty":
            low, high = 1 / (n_classes * high), 1 / (n_classes * low)
            compared = 1 / (n_classes * measured) if measured > 0 else math.inf
        equal = low - margin <= compared <= high + margin
        rows.append(
            ReproductionRow(
                entry=ZERO_SHOT,
                method=ZERO_SHOT,
                backbone=row["backbone"],
                protocol=row["protocol"],
                shots=0,
                dataset=row["dataset"],
                split="all",
                published=number.value,
                ours=measured,
                difference=measured - number.value,
                verdict=ReproductionVerdict.REPRODUCED if equal else ReproductionVerdict.NOT_REPRODUCED,
                sources=(number.source,),
                note=number.note,
                standing=Standing.OWN,
                measure=measure,
            )
        )
    return sorted(rows, key=lambda row: (row.measure, -abs(row.difference), row.dataset))


def reproduce(
    boards: Sequence[Leaderboard],
    published: pd.DataFrame,
    defaults: PublishedSettings | None = None,
    difficulty: pd.DataFrame | None = None,
) -> Reproduction:
    """`compare_with_published` and `compare_difficulty`, with the entries that have no published number."""
    rows = compare_with_published(boards, published, defaults=defaults)
    ours = {entry.key: entry.method for board in boards for entry in board.entries}
    without = sorted(ours.keys() - {row.entry for row in rows})
    if difficulty is not None:
        backbones = {board.setting.backbone for board in boards}
        rows += compare_difficulty(difficulty[difficulty["backbone"].isin(backbones)], published)
    return Reproduction(tuple(rows), tuple((key, ours[key]) for key in without))


def published_settings(runs: pd.DataFrame) -> PublishedSettings:
    """The published settings of the installed methods and protocols in the runs."""
    pairs = {(str(method), str(protocol)) for method, protocol in runs[["method", "protocol"]].itertuples(index=False)}
    return {pair: found for pair in pairs if (found := published_values(*pair)) is not None}


def count_verdicts(rows: Iterable[ReproductionRow]) -> dict[ReproductionVerdict, int]:
    """Number of rows with each verdict."""
    counts = Counter(row.verdict for row in rows)
    return {verdict: counts[verdict] for verdict in ReproductionVerdict}


@dataclass(frozen=True, eq=False)
class _Number:
    """A published number: a row of `published_frame()`."""

    row: Mapping[str, Any]

    @property
    def value(self) -> float:
        """A fraction, without noise of floating point; of a known misprint the value that was probably meant."""
        return round(float(self.row["likely"] if self.mistake else self.row["value"]), 6)

    @property
    def source(self) -> str:
        """Where it is printed."""
        return ", ".join(filter(None, (self.row["reported_in"], self.row["source_table"])))

    @property
    def note(self) -> str:
        """Its known errors."""
        misprint = f"Printed as {self.row['printed']}." if self.mistake else ""
        return f"{misprint} {self.row['note'] or ''}".strip()

    @property
    def mistake(self) -> bool:
        """Whether another number was probably meant."""
        return bool(pd.notna(self.row["likely"]))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that differ from the published ones, as far as its source says."""
        return dict(json.loads(self.row["settings"] or "{}"))

    @property
    def plain(self) -> bool:
        """Whether it is of the method with published settings, not of an ablation."""
        return not self.row["variant"] or (bool(self.row["settings"]) and not self.settings)

    @property
    def of_means(self) -> bool:
        """Whether, as an average of H, it is the H of the average base and new."""
        return bool(self.row["split"] == H and self.row["convention"] != HConvention.MEAN_OF_H)


def _entry_rows(
    by_cell: Mapping[Cell, Sequence[_Number]],
    board: Leaderboard,
    entry: Entry,
    defaults: PublishedSettings | None,
    margin: float,
) -> Iterator[ReproductionRow]:
    """A row for each cell of an entry with a number that it can be compared with: datasets, then averages over them."""
    setting = board.setting
    published = (defaults or {}).get((entry.method, setting.protocol))
    shots = 0 if entry.method == ZERO_SHOT else setting.shots
    scored = [name for name in board.datasets if board.array.has(entry.key, name)]
    chosen: dict[tuple[str, str], _Number] = {}
    for dataset, split in product((*scored, *MEANS), (measure for measure in board.measures if measure != OPEN)):
        cell = system_of(entry.method), str(setting.protocol), setting.backbone, shots, dataset, split
        numbers = [number for number in by_cell.get(cell, ()) if set(members(number.row)) <= set(scored)]
        if not numbers:
            continue
        recipes = recipes_of(setting, entry, members(numbers[0].row)[0])
        reasons = {number: differences(number.row, setting, entry, recipes, published) for number in numbers}
        met = [number for number in numbers if not reasons[number]]
        if dataset in MEANS:
            candidates = [number for number in met if _is_of(number, split, chosen)]
        else:
            candidates = met or [number for number in numbers if number.plain]
        if candidates:
            number = chosen[dataset, split] = _first(candidates, recipes)
            yield _row(board, entry, numbers, number, reasons[number], margin)


_SAME_TABLE = 0.002
"""Largest difference between a printed average and the mean of the numbers that it is said to average."""


def _is_of(average: _Number, split: str, chosen: Mapping[tuple[str, str], _Number]) -> bool:
    """Whether a printed average is of the numbers that our datasets are compared with, and not of another training."""
    means = []
    for part in HARMONIC[H] if average.of_means else (split,):
        numbers = [chosen.get((dataset, part)) for dataset in members(average.row)]
        known = [number.value for number in numbers if number is not None]
        if len(known) < len(numbers):
            return not known
        means.append(fmean(known))
    expected = metrics.harmonic_mean(*means) if average.of_means else means[0]
    return abs(expected - average.value) <= _SAME_TABLE


def _first(candidates: Sequence[_Number], recipes: frozenset[str]) -> _Number:
    """The number of the recipe of our runs, of first standing, that most tables print."""
    tables, standings = Counter(number.value for number in candidates), tuple(Standing)

    def order(number: _Number) -> tuple[object, ...]:
        standing = standings.index(number.row["standing"])
        same_recipe = PUBLISHED in recipes or number.row["recipe"] in recipes
        return not same_recipe, standing, number.mistake, bool(number.row["variant"]), -tables[number.value]

    return min(candidates, key=order)


def _our_values(board: Leaderboard, key: str, number: _Number, split: str) -> tuple[float, list[float]]:
    """Our accuracy in the cell of a number: the mean over seeds, and the value of each seed."""
    array, datasets = board.array, members(number.row)
    splits = HARMONIC.get(split, (split,))
    known = {one: [array.by_seed(key, dataset, one) for dataset in datasets] for one in splits}
    seeds = sorted(set.intersection(*(set(of_dataset) for of_dataset in known[splits[0]])))
    if all(len(array.places(key, dataset)) == 1 for dataset in datasets):
        seeds = seeds[:1]

    def over_datasets(values: Sequence[Mapping[str, float]]) -> float:
        if number.of_means:  # papers report the H of the means over seeds
            return metrics.harmonic_mean(*(fmean([value[one] for value in values]) for one in splits))
        if split == H:
            return fmean([metrics.harmonic_mean(*(value[one] for one in splits)) for value in values])
        return fmean([value[split] for value in values])

    places = range(len(datasets))
    by_seed = [over_datasets([{one: known[one][place][seed] for one in splits} for place in places]) for seed in seeds]
    means = [{one: array.mean(key, dataset, one) or 0.0 for one in splits} for dataset in datasets]
    return over_datasets(means), by_seed


def _row(
    board: Leaderboard,
    entry: Entry,
    numbers: Sequence[_Number],
    chosen: _Number,
    reasons: Sequence[str],
    margin: float,
) -> ReproductionRow:
    """Our accuracy beside the chosen one of the numbers of a cell; `reasons` say why the two need not agree."""
    dataset = str(chosen.row["dataset"])
    split = "all" if chosen.row["split"] == "target" else str(chosen.row["split"])
    ours, by_seed = _our_values(board, entry.key, chosen, split)
    test = equivalence(by_seed, margin=margin, reference=chosen.value)
    difference = ours - chosen.value
    verdict = ReproductionVerdict.UNDER_POWERED
    if reasons:
        verdict = ReproductionVerdict.PROTOCOL_DIFFERS
    elif entry.method == ZERO_SHOT:
        verdict = ReproductionVerdict.REPRODUCED if abs(difference) <= margin else ReproductionVerdict.NOT_REPRODUCED
    elif test is not None:
        if test.equal():
            verdict = ReproductionVerdict.REPRODUCED
        elif test.different:
            verdict = ReproductionVerdict.NOT_REPRODUCED
    same = [chosen, *(number for number in numbers if number is not chosen and number.value == chosen.value)]
    alike = [number for number in numbers if number.plain or number.settings == chosen.settings]
    others = [number for number in alike if number.value != chosen.value]
    mistakes = dict.fromkeys(f"{number.source}: {number.note}" for number in others if number.mistake)
    run_ids = [run_id for name in members(chosen.row) for run_id in board.array.ids(entry.key, name)]
    return ReproductionRow(
        entry=entry.key,
        method=entry.method,
        backbone=board.setting.backbone,
        protocol=board.setting.protocol,
        shots=board.setting.shots,
        dataset=dataset,
        split=split,
        published=chosen.value,
        ours=ours,
        difference=difference,
        low=test.low if test else None,
        high=test.high if test else None,
        p=test.p if test else None,
        n=len(by_seed),
        verdict=verdict,
        sources=tuple(dict.fromkeys(number.source for number in same)),
        note=" ".join([*dict.fromkeys(filter(None, (number.note for number in same))), *mistakes, *reasons]),
        run_ids=tuple(dict.fromkeys(run_ids)),
        standing=str(chosen.row["standing"]),
        recipe=str(chosen.row["recipe"]),
        printed_elsewhere=tuple(sorted({number.value for number in others})),
        convention=str(chosen.row["convention"]),
    )
