"""Compares published numbers with ours for the same method, training, backbone, shots, dataset and split. Pure."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any

import pandas as pd

from bench.analysis import HARMONIC, OPEN, Entry, H, HConvention, Leaderboard, metrics
from bench.papers.conditions import RunConditions, differences
from bench.papers.equivalence import equivalence
from bench.papers.printed_averages import AVERAGE, GROUPS
from bench.papers.published_numbers import DIFFICULTIES, PUBLISHED, Standing, members, place_of, rows_of, system_of
from bench.results import published_values

ACCURACY = "accuracy"


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
    known = _printed(published[published["method"].map(system_of).isin(methods)])
    rows = []
    for board in boards:
        for entry in board.entries:
            chosen: dict[tuple[str, str], _Number] = {}
            for (dataset, split), numbers in _cells(known, board, entry):
                run = _conditions(board, entry, members(numbers[0].row)[0], defaults)
                reasons = [differences(number.row, run) for number in numbers]
                if mean := dataset in _MEANS:
                    reasons = [
                        differs or ([] if _is_of(number, split, chosen) else ["It is of other numbers."])
                        for number, differs in zip(numbers, reasons, strict=True)
                    ]
                number, differs = _first(numbers, reasons, run, only_met=mean)
                if number is not None:
                    chosen[dataset, split] = number
                    ours = _our_values(board, entry.key, number, split)
                    rows.append(_row(board, entry, numbers, number, differs, ours, margin))
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
    for number in rows_of(published[published["metric"].isin(list(DIFFICULTIES))]):
        measure = DIFFICULTIES[number["metric"]]
        found = ours.get((number["backbone"], number["dataset"], measure))
        if found is not None:
            rows.append(_difficulty_row(_Number(number), measure, *found, margin))
    return sorted(rows, key=lambda row: (row.measure, -abs(row.difference), row.dataset))


def _difficulty_row(number: "_Number", measure: str, ours: float, n_classes: int, margin: float) -> ReproductionRow:
    row = number.row
    digits, _, exponent = str(row["printed"]).lower().partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    low, high = number.value - half, number.value + half
    if measure == "relative_transfer_difficulty":
        low, high = 1 / (n_classes * high), 1 / (n_classes * low)
        mine = 1 / (n_classes * ours) if ours > 0 else math.inf
    else:
        mine = ours
    equal = low - margin <= mine <= high + margin
    return ReproductionRow(
        entry="zero_shot",
        method="zero_shot",
        backbone=row["backbone"],
        protocol=row["protocol"],
        shots=0,
        dataset=row["dataset"],
        split="all",
        published=number.value,
        ours=ours,
        difference=ours - number.value,
        verdict=ReproductionVerdict.REPRODUCED if equal else ReproductionVerdict.NOT_REPRODUCED,
        sources=(number.source,),
        note=number.note,
        standing=Standing.OWN,
        measure=measure,
    )


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


_Key = tuple[str, str, str, int, str, str]
"""Method, protocol, backbone, shots, dataset and split."""


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
    def plain(self) -> bool:
        """Whether it is of the method with published settings, not of an ablation."""
        return not self.row["variant"] or json.loads(self.row["settings"] or "null") == {}


def _printed(published: pd.DataFrame) -> Mapping[_Key, list[_Number]]:
    """The accuracies by the cells of runs that they can be compared with, in the order of the ledger."""
    found: dict[_Key, list[_Number]] = defaultdict(list)
    for row in rows_of(published):
        place = place_of(row)
        if place is None or not place.accuracy or (row["variant"] and not (row["settings"] or row["recipe"])):
            continue
        for protocol in place.protocols:
            found[place.method, protocol, place.backbone, place.shots, place.dataset, place.split].append(_Number(row))
    return found


_STANDINGS = tuple(Standing)


_MEANS = (AVERAGE, *GROUPS)
_SAME_TABLE = 0.002
"""Largest difference between a printed average and the mean of the numbers that it is said to average."""


def _is_of(average: _Number, split: str, chosen: Mapping[tuple[str, str], _Number]) -> bool:
    """Whether a printed average is of the numbers that our datasets are compared with, and not of another training."""
    of_means = split == H and average.row["convention"] != HConvention.MEAN_OF_H
    means = []
    for part in ("base", "new") if of_means else (split,):
        found = [chosen.get((dataset, part)) for dataset in members(average.row)]
        known = [number.value for number in found if number is not None]
        if len(known) < len(found):
            return not known
        means.append(fmean(known))
    expected = metrics.harmonic_mean(*means) if of_means else means[0]
    return abs(expected - average.value) <= _SAME_TABLE


def _first(
    numbers: Sequence[_Number], reasons: Sequence[list[str]], run: RunConditions, *, only_met: bool = False
) -> tuple[_Number | None, list[str]]:
    """The number that a run is compared with, and why it cannot agree with it.

    None if all are of other settings, or with `only_met` of another recipe, too.
    """
    met = [number for number, differs in zip(numbers, reasons, strict=True) if not differs]
    candidates = met or [number for number in numbers if number.plain and not only_met]
    if not candidates:
        return None, []
    tables = Counter(number.value for number in candidates)

    def order(number: _Number) -> tuple[object, ...]:
        standing = _STANDINGS.index(number.row["standing"])
        same_recipe = PUBLISHED in run.recipes or number.row["recipe"] in run.recipes
        return not same_recipe, standing, number.mistake, bool(number.row["variant"]), -tables[number.value]

    chosen = min(candidates, key=order)
    return chosen, reasons[numbers.index(chosen)]


@dataclass(frozen=True)
class _Ours:
    """Our accuracy in a cell: the mean over seeds, the value of each seed, and the runs."""

    mean: float
    by_seed: tuple[float, ...]
    run_ids: tuple[str, ...]


def _cells(
    known: Mapping[_Key, Sequence[_Number]], board: Leaderboard, entry: Entry
) -> Iterator[tuple[tuple[str, str], list[_Number]]]:
    """The dataset, or average, and the split of each cell of an entry with its printed numbers, averages last."""
    setting = board.setting
    shots = 0 if entry.method == "zero_shot" else setting.shots
    scored = {name for name in board.datasets if board.array.has(entry.key, name)}
    for dataset in (*(name for name in board.datasets if name in scored), *_MEANS):
        for split in (measure for measure in board.measures if measure != OPEN):
            key = (system_of(entry.method), str(setting.protocol), setting.backbone, shots, dataset, split)
            numbers = [number for number in known.get(key, ()) if set(members(number.row)) <= scored]
            if numbers:
                yield (dataset, split), numbers


def _our_values(board: Leaderboard, key: str, number: _Number, split: str) -> _Ours:
    array, datasets = board.array, members(number.row)
    splits = HARMONIC.get(split, (split,))
    known = {one: [array.by_seed(key, dataset, one) for dataset in datasets] for one in splits}
    seeds = sorted(set.intersection(*(set(of_dataset) for of_dataset in known[splits[0]])))
    if all(len(array.places(key, dataset)) == 1 for dataset in datasets):
        seeds = seeds[:1]
    of_means = number.row["convention"] != HConvention.MEAN_OF_H

    def over_datasets(values: Sequence[Mapping[str, float]]) -> float:
        if split == H and of_means:  # papers report the H of the means over seeds
            return metrics.harmonic_mean(
                fmean([value["base"] for value in values]), fmean([value["new"] for value in values])
            )
        if split == H:
            return fmean([metrics.harmonic_mean(value["base"], value["new"]) for value in values])
        return fmean([value[split] for value in values])

    places = range(len(datasets))
    by_seed = [over_datasets([{one: known[one][place][seed] for one in splits} for place in places]) for seed in seeds]
    centre = over_datasets([{one: array.mean(key, dataset, one) or 0.0 for one in splits} for dataset in datasets])
    run_ids = tuple(dict.fromkeys(run_id for dataset in datasets for run_id in array.ids(key, dataset)))
    return _Ours(centre, tuple(by_seed), run_ids)


def _conditions(board: Leaderboard, entry: Entry, dataset: str, defaults: PublishedSettings | None) -> RunConditions:
    setting = board.setting
    return RunConditions(
        method=entry.method,
        backbone=setting.backbone,
        protocol=str(setting.protocol),
        shots=setting.shots,
        dataset=dataset,
        config=entry.config,
        recipe=entry.recipe,
        recipe_name=entry.recipe_name,
        draw=setting.draw,
        learned=setting.learned,
        published=(defaults or {}).get((entry.method, setting.protocol)),
        trained_on=setting.source,
        label=entry.label,
    )


def _row(
    board: Leaderboard,
    entry: Entry,
    numbers: Sequence[_Number],
    chosen: _Number,
    reasons: Sequence[str],
    ours: _Ours,
    margin: float,
) -> ReproductionRow:
    test = equivalence(ours.by_seed, margin=margin, reference=chosen.value)
    difference = ours.mean - chosen.value
    verdict = ReproductionVerdict.UNDER_POWERED
    if reasons:
        verdict = ReproductionVerdict.PROTOCOL_DIFFERS
    elif entry.method == "zero_shot":
        verdict = ReproductionVerdict.REPRODUCED if abs(difference) <= margin else ReproductionVerdict.NOT_REPRODUCED
    elif test is not None:
        if test.equal():
            verdict = ReproductionVerdict.REPRODUCED
        elif test.different:
            verdict = ReproductionVerdict.NOT_REPRODUCED
    same = [chosen, *(number for number in numbers if number is not chosen and number.value == chosen.value)]
    settings = json.loads(chosen.row["settings"] or "{}")
    alike = [number for number in numbers if number.plain or json.loads(number.row["settings"] or "{}") == settings]
    others = [number for number in alike if number.value != chosen.value]
    mistakes = dict.fromkeys(f"{number.source}: {number.note}" for number in others if number.mistake)
    return ReproductionRow(
        entry=entry.key,
        method=entry.method,
        backbone=board.setting.backbone,
        protocol=board.setting.protocol,
        shots=board.setting.shots,
        dataset=str(chosen.row["dataset"]),
        split="all" if chosen.row["split"] == "target" else str(chosen.row["split"]),
        published=chosen.value,
        ours=ours.mean,
        difference=difference,
        low=test.low if test else None,
        high=test.high if test else None,
        p=test.p if test else None,
        n=len(ours.by_seed),
        verdict=verdict,
        sources=tuple(dict.fromkeys(number.source for number in same)),
        note=" ".join([*dict.fromkeys(filter(None, (number.note for number in same))), *mistakes, *reasons]),
        run_ids=ours.run_ids,
        standing=str(chosen.row["standing"]),
        recipe=str(chosen.row["recipe"]),
        printed_elsewhere=tuple(sorted({number.value for number in others})),
        convention=str(chosen.row["convention"]),
    )
