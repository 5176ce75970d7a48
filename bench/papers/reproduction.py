"""Compares published numbers with ours for the same method, training, backbone, shots, dataset and split. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from statistics import fmean

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from bench.analysis import HARMONIC, OPEN, Entry, Estimate, H, HConvention, Leaderboard, dataset_difficulty, metrics
from bench.papers.conditions import differences, recipes_of
from bench.papers.printed_averages import MEANS
from bench.papers.published_numbers import (
    ACCURACY,
    DIFFICULTIES,
    PUBLISHED,
    ZERO_SHOT,
    Cell,
    PrintedNumber,
    Standing,
    numbers_of,
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


MARGIN = 0.01
"""Largest difference that counts as equal: one percentage point."""


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
    difficulty: pd.DataFrame | None = None,
    margin: float = MARGIN,
) -> list[ReproductionRow]:
    """One published number for each cell of our runs that papers print, and those of measures of difficulty after them.

    A run is compared with numbers of its recipe and settings (`differences`). Of several, the first by standing counts:
    the method's own paper, then the value that most tables print, then re-runs by others. The other printed values are
    a range beside it. A printed average is compared with ours over the same datasets, H by the same convention. A cell
    whose numbers all have another recipe or other settings has the verdict `protocol differs`. Largest differences come
    first.

    Printed numbers are treated as exact, since almost no source prints a spread. Zero-shot accuracy has no seeds and is
    also treated as exact, so its verdict depends on the margin alone.

    Args:
        published: `published_frame()`, or a part of it.
        difficulty: the store's `difficulty_frame()`, to compare with printed measures of difficulty.
        margin: largest difference that counts as equal, a fraction.
    """
    boards = list(boards)
    methods = {system_of(entry.method) for board in boards for entry in board.entries}
    by_cell: dict[Cell, list[PrintedNumber]] = defaultdict(list)
    for number in numbers_of(published[published["method"].map(system_of).isin(methods)]):
        if not number.variant or number.settings or number.recipe:
            for cell in number.cells:
                by_cell[cell].append(number)
    rows = [row for board in boards for entry in board.entries for row in _entry_rows(by_cell, board, entry, margin)]
    rows.sort(key=lambda row: (-abs(row.difference), row.entry, row.dataset, row.split, row.published))
    if difficulty is None or difficulty.empty:
        return rows
    return rows + _compare_difficulty(difficulty, published, margin)


def _compare_difficulty(difficulty: pd.DataFrame, published: pd.DataFrame, margin: float) -> list[ReproductionRow]:
    """Printed measures of difficulty beside the measured ones, by measure, largest difference first.

    Two cosines or ratios are equal if they differ by at most the margin. Relative transfer difficulty, whose size
    depends on the number of classes, is compared by the zero-shot accuracy that it implies, `1 / (classes * value)`.
    The last printed digit counts as rounded.
    """
    measured = difficulty[(difficulty["split"] == "all") & difficulty["value"].notna()]
    columns = measured[["backbone", "dataset", "measure", "value", "n_classes"]].itertuples(index=False, name=None)
    measured_values = {(backbone, dataset, measure): (value, n) for backbone, dataset, measure, value, n in columns}
    rows = []
    for number in numbers_of(published[published["metric"].isin(list(DIFFICULTIES))]):
        measure = DIFFICULTIES[number.metric]
        if (number.backbone, number.dataset, measure) not in measured_values:
            continue
        value, n_classes = measured_values[number.backbone, number.dataset, measure]
        digits, _, exponent = number.printed.lower().partition("e")
        half = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        low, high, compared = number.meant - half, number.meant + half, value
        if measure == dataset_difficulty.RTD:
            low, high = 1 / (n_classes * high), 1 / (n_classes * low)
            compared = 1 / (n_classes * value) if value > 0 else math.inf
        equal = low - margin <= compared <= high + margin
        rows.append(
            ReproductionRow(
                entry=ZERO_SHOT,
                method=ZERO_SHOT,
                backbone=number.backbone,
                protocol=number.protocol,
                shots=0,
                dataset=number.dataset,
                split="all",
                published=number.meant,
                ours=value,
                difference=value - number.meant,
                verdict=ReproductionVerdict.REPRODUCED if equal else ReproductionVerdict.NOT_REPRODUCED,
                sources=(number.source,),
                note=number.errors,
                standing=Standing.OWN,
                measure=measure,
            )
        )
    return sorted(rows, key=lambda row: (row.measure, -abs(row.difference), row.dataset))


def count_verdicts(rows: Iterable[ReproductionRow]) -> dict[ReproductionVerdict, int]:
    """Number of rows with each verdict."""
    counts = Counter(row.verdict for row in rows)
    return {verdict: counts[verdict] for verdict in ReproductionVerdict}


def difference_from(reference: float, values: Sequence[float], level: float = 0.95) -> Estimate | None:
    """The mean of independent values, such as one accuracy per seed, minus a reference that is taken as exact.

    None for a single value, whose spread is unknown. `level` is that of the two-sided interval.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n < 2:
        return None
    difference, std = float(ordered.mean()) - reference, float(ordered.std(ddof=1))
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * (std / math.sqrt(n))
    return Estimate(difference, n, std, difference - reach, difference + reach)


def equivalence_p(difference: Estimate, margin: float) -> float:
    """The p value of two one-sided tests (TOST) against "the difference is at least the margin".

    Args:
        difference: of `difference_from`.
        margin: largest difference that counts as equal, above 0, in the unit of the difference.

    Example:
        >>> found = difference_from(0.70, [0.70, 0.71, 0.72])  # t = (0.01 - 0.02) / (0.01 / sqrt 3)
        >>> round(found.mean, 6), round(equivalence_p(found, 0.02), 4)
        (0.01, 0.1127)
    """
    if margin <= 0:
        raise ValueError(f"Margin {margin} does not define equality; give a positive one, such as 0.01.")
    if not difference.std:
        return 0.0 if abs(difference.mean) < margin else 1.0
    error = difference.std / math.sqrt(difference.n)
    return float(stdtr(difference.n - 1, (abs(difference.mean) - margin) / error))  # the larger of the two p values


def verdict_of(difference: Estimate, margin: float) -> ReproductionVerdict:
    """Whether a difference is within the margin, outside of it, or open."""
    if equivalence_p(difference, margin) <= 0.05:
        return ReproductionVerdict.REPRODUCED
    low, high = difference.low or 0.0, difference.high or 0.0
    outside = low > margin or high < -margin
    return ReproductionVerdict.NOT_REPRODUCED if outside else ReproductionVerdict.UNDER_POWERED


def _entry_rows(
    by_cell: Mapping[Cell, Sequence[PrintedNumber]],
    board: Leaderboard,
    entry: Entry,
    margin: float,
) -> Iterator[ReproductionRow]:
    """A row for each cell of an entry with a number that it can be compared with: datasets, then averages over them."""
    setting = board.setting
    published = published_values(entry.method, setting.protocol)
    shots = 0 if entry.method == ZERO_SHOT else setting.shots
    scored = [name for name in board.datasets if board.array.has(entry.key, name)]
    chosen: dict[tuple[str, str], PrintedNumber] = {}
    for dataset, split in product((*scored, *MEANS), (measure for measure in board.measures if measure != OPEN)):
        cell = system_of(entry.method), str(setting.protocol), setting.backbone, shots, dataset, split
        numbers = [number for number in by_cell.get(cell, ()) if set(number.datasets) <= set(scored)]
        if not numbers:
            continue
        recipes = recipes_of(setting, entry, numbers[0].datasets[0])
        reasons = {number: differences(number, setting, entry, recipes, published) for number in numbers}
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


def _of_means(average: PrintedNumber) -> bool:
    """Whether an average of H is the H of the average base and new."""
    return average.split == H and average.convention != HConvention.MEAN_OF_H


def _is_of(average: PrintedNumber, split: str, chosen: Mapping[tuple[str, str], PrintedNumber]) -> bool:
    """Whether a printed average is of the numbers that our datasets are compared with, and not of another training."""
    means = []
    for part in HARMONIC[H] if _of_means(average) else (split,):
        numbers = [chosen.get((dataset, part)) for dataset in average.datasets]
        meant = [number.meant for number in numbers if number is not None]
        if len(meant) < len(numbers):
            return not meant
        means.append(fmean(meant))
    expected = metrics.harmonic_mean(*means) if _of_means(average) else means[0]
    return abs(expected - average.meant) <= _SAME_TABLE


def _first(candidates: Sequence[PrintedNumber], recipes: frozenset[str]) -> PrintedNumber:
    """The number of the recipe of our runs, of first standing, that most tables print."""
    tables, standings = Counter(number.meant for number in candidates), tuple(Standing)

    def order(number: PrintedNumber) -> tuple[object, ...]:
        standing = standings.index(number.standing)
        same_recipe = PUBLISHED in recipes or number.recipe in recipes
        return not same_recipe, standing, number.likely is not None, bool(number.variant), -tables[number.meant]

    return min(candidates, key=order)


def _our_values(board: Leaderboard, key: str, number: PrintedNumber, split: str) -> tuple[float, list[float]]:
    """Our accuracy in the cell of a number: the mean over seeds, and the value of each seed."""
    array, datasets = board.array, number.datasets
    splits = HARMONIC.get(split, (split,))
    by_split = {part: [array.by_seed(key, dataset, part) for dataset in datasets] for part in splits}
    seeds = sorted(set.intersection(*(set(of_dataset) for of_dataset in by_split[splits[0]])))
    if all(len(array.places(key, dataset)) == 1 for dataset in datasets):
        seeds = seeds[:1]

    def over_datasets(values: Sequence[Mapping[str, float]]) -> float:
        if _of_means(number):  # papers report the H of the means over seeds
            return metrics.harmonic_mean(*(fmean([value[part] for value in values]) for part in splits))
        if split == H:
            return fmean([metrics.harmonic_mean(*(value[part] for part in splits)) for value in values])
        return fmean([value[split] for value in values])

    places = range(len(datasets))
    by_seed = [
        over_datasets([{part: by_split[part][place][seed] for part in splits} for place in places]) for seed in seeds
    ]
    means = [{part: array.mean(key, dataset, part) or 0.0 for part in splits} for dataset in datasets]
    return over_datasets(means), by_seed


def _row(
    board: Leaderboard,
    entry: Entry,
    numbers: Sequence[PrintedNumber],
    chosen: PrintedNumber,
    reasons: Sequence[str],
    margin: float,
) -> ReproductionRow:
    """Our accuracy beside the chosen one of the numbers of a cell; `reasons` say why the two need not agree."""
    ours, by_seed = _our_values(board, entry.key, chosen, chosen.run_split)
    estimate, difference = difference_from(chosen.meant, by_seed), ours - chosen.meant
    verdict = ReproductionVerdict.UNDER_POWERED
    if reasons:
        verdict = ReproductionVerdict.PROTOCOL_DIFFERS
    elif entry.method == ZERO_SHOT:
        verdict = ReproductionVerdict.REPRODUCED if abs(difference) <= margin else ReproductionVerdict.NOT_REPRODUCED
    elif estimate is not None:
        verdict = verdict_of(estimate, margin)
    same = [chosen, *(number for number in numbers if number is not chosen and number.meant == chosen.meant)]
    alike = [number for number in numbers if number.plain or number.stated == chosen.stated]
    differing = [number for number in alike if number.meant != chosen.meant]
    misprints = dict.fromkeys(f"{number.source}: {number.errors}" for number in differing if number.likely is not None)
    run_ids = [run_id for name in chosen.datasets for run_id in board.array.ids(entry.key, name)]
    return ReproductionRow(
        entry=entry.key,
        method=entry.method,
        backbone=board.setting.backbone,
        protocol=board.setting.protocol,
        shots=board.setting.shots,
        dataset=chosen.dataset,
        split=chosen.run_split,
        published=chosen.meant,
        ours=ours,
        difference=difference,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
        p=equivalence_p(estimate, margin) if estimate else None,
        n=len(by_seed),
        verdict=verdict,
        sources=tuple(dict.fromkeys(number.source for number in same)),
        note=" ".join([*dict.fromkeys(filter(None, (number.errors for number in same))), *misprints, *reasons]),
        run_ids=tuple(dict.fromkeys(run_ids)),
        standing=chosen.standing,
        recipe=chosen.recipe,
        printed_elsewhere=tuple(sorted({number.meant for number in differing})),
        convention=chosen.convention,
    )
