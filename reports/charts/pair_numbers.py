"""The numbers and sentences of the chart of difficulty: for the drawing, and for scripts that show any other pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import Formatter
from typing import Any, NamedTuple

from bench.analysis import MeanTest, Verdict, best_method, classes_of, dataset_difficulty
from reports._format import interval, points, shorten, unsigned
from reports.tables.model import whole
from reports.titles import DifficultyAxis
from reports.views import OverviewView

Means = Sequence[Sequence[float | None]]
"""Means over seeds in 0.01 % by method and dataset, with decimals, so that their differences are rounded only once."""

CAPTION = (
    "Disc: {a}. ",
    "Diamond: {diamond}. ",
    "Dash: {zero}. ",
    "Grey: all {methods} methods. ",
    "{a} minus {b}: mean {mean} points. ",
    "95 % interval here: {here}. ",
    "95 % interval on datasets like these: {elsewhere}. ",
    "{a} is ahead on {wins} of {known}. ",
    "{note}",
)
"""Parts of the caption; those are shown whose values are known."""
LONGEST = 40
"""The most characters of a method in a title."""
TIP = ("{name} {score} % (rank {rank} of {known}).",)
"""What the tip says about a method on a dataset."""


class Order(NamedTuple):
    """Datasets by their number in an order, the text of each by its number, and the title of the axis.

    `note` defines difficulty, and says why datasets have none.
    """

    datasets: list[int]
    texts: list[str]
    title: str
    note: str = ""


@dataclass(frozen=True)
class PairNumbers:
    """What the chart shows: methods are numbers, scores and differences are in 0.01 %.

    Args:
        names: of all methods.
        test: the mean of A minus B; None if it is not known.
        here, elsewhere: its intervals on these datasets, and on others.
    """

    measure: str
    names: Sequence[str]
    a: int | None
    b: int | None
    baseline: int | None
    order: Order
    means: Means
    test: MeanTest | None
    here: tuple[float, float] | None
    elsewhere: tuple[float, float] | None

    def score(self, method: int | None, dataset: int) -> float | None:
        """The mean of a method."""
        return None if method is None else self.means[method][dataset]

    @property
    def gaps(self) -> list[float | None]:
        """A minus B on each dataset."""
        a, b = (
            [self.score(method, dataset) for dataset in range(len(self.order.texts))] for method in (self.a, self.b)
        )
        return [None if one is None or other is None else one - other for one, other in zip(a, b, strict=True)]

    def gap_text(self, dataset: int) -> str:
        """A minus B on a dataset."""
        gap = self.gaps[dataset]
        return "" if gap is None else points(gap / 1e4)

    @property
    def mean(self) -> str | None:
        """The mean difference as text."""
        return None if self.test is None else points(self.test.mean)

    @property
    def pair_title(self) -> str:
        """What is subtracted from what."""
        names = [shorten(self.names[method], LONGEST) for method in (self.a, self.b) if method is not None]
        return f"{' minus '.join(names)}, points"

    @property
    def caption(self) -> str:
        """What the marks are, and the mean difference."""
        a, b, zero = (None if number is None else self.names[number] for number in (self.a, self.b, self.baseline))
        known = [gap for gap in self.gaps if gap is not None]
        here, elsewhere = (ends and interval(ends[0] / 1e4, ends[1] / 1e4) for ends in (self.here, self.elsewhere))
        values = {
            "a": a, "b": b, "diamond": None if b == zero else b, "zero": zero, "mean": self.mean, "here": here,
            "elsewhere": elsewhere, "wins": sum(gap > 0 for gap in known), "known": len(known) or None,
            "methods": len(self.names) if len(self.names) > 1 else None, "note": self.order.note,
        }  # fmt: skip
        return filled(CAPTION, values)


def means_data(view: OverviewView, measure: str) -> Means:
    """The means by one measure."""
    found = [[view.table.mean(key, dataset.name, measure) for dataset in view.datasets] for key in view.names]
    return [[None if mean is None else float(f"{1e4 * mean:.2f}") for mean in row] for row in found]


def first_pair(view: OverviewView, answer: best_method.Answer) -> tuple[str | None, str | None]:
    """A and B of the first chart: the leader and its reference, or any two methods if there is no leader."""
    if answer.lead is not None:
        return answer.leader, answer.verdict.reference
    keys = [method.key for method in view.table.methods]
    a = answer.leader if answer.leader is not None else next((key for key in keys if key != view.table.baseline), None)
    return a, next((key for key in (view.table.baseline, *keys) if key is not None and key != a), None)


def first_numbers(view: OverviewView, pair: tuple[str | None, str | None] | None = None) -> PairNumbers:
    """A pair of methods by the measure that orders them; without one, the first."""
    measure, keys = view.table.measures[-1], list(view.names)
    answer = view.answers[measure]
    a, b = first_pair(view, answer) if pair is None else pair
    numbers = {key: number for number, key in enumerate(keys)}
    a_number, b_number, baseline = (numbers.get(key or "") for key in (a, b, view.table.baseline))
    here, elsewhere = (find(a or "", b or "") for find in (answer.verdict.on_these, answer.verdict.on_others))
    return PairNumbers(
        measure,
        list(view.names.values()),
        a_number,
        b_number,
        baseline,
        next(iter(orders(view, measure).values())),
        means_data(view, measure),
        here or elsewhere,
        _ends(here),
        _ends(elsewhere),
    )


def _ends(test: MeanTest | None) -> tuple[float, float] | None:
    return None if test is None or test.low is None or test.high is None else (whole(test.low), whole(test.high))


def pairs_data(verdict: Verdict, keys: Sequence[str]) -> list[list[Any]]:
    """The differences of ranked methods by the place of methods in `keys`, in 0.01 points.

    A row is `[first, second, mean, interval here or None, interval elsewhere or None]`.
    """
    numbers, rows = {key: number for number, key in enumerate(keys)}, []
    for a, b in combinations(verdict.ranked, 2):
        here, elsewhere = verdict.on_these(a, b), verdict.on_others(a, b)
        if (test := here or elsewhere) is not None:
            rows.append([numbers[a], numbers[b], whole(test.mean), _ends(here), _ends(elsewhere)])
    return rows


def orders(view: OverviewView, measure: str) -> dict[str, Order]:
    """The orders of datasets by each axis of difficulty; that of the table, by an empty name, if none is known."""
    named = {axis.name: _order(view, measure, axis) for axis in view.axes}
    return named or {"": Order(list(range(len(view.datasets))), [""] * len(view.datasets), "Difficulty is not known")}


def _order(view: OverviewView, measure: str, axis: DifficultyAxis) -> Order:
    along = view.answers[measure].difficulty.get(axis.name, {})
    values = [along.get(dataset.name) for dataset in view.datasets]
    order = sorted(range(len(values)), key=lambda d: (values[d] is None, values[d] or 0.0))
    unknown = " –: no known difficulty." if None in values else ""
    texts = ["–" if value is None else f"{value:.2g}" for value in values]
    if axis.name == dataset_difficulty.RTD:
        note = f"Transfer difficulty: 1 / (classes × zero-shot accuracy), {classes_of(measure)} classes."
        return Order(order, texts, f"{axis.title} (chance / accuracy): easy → hard", note + unknown)
    ends = "easy → hard" if axis.name == "zero_shot_error" else "low → high"
    return Order(order, texts, f"{axis.title}: {ends}", unknown)


def best_texts(view: OverviewView, measure: str) -> list[str]:
    """The best method on each dataset as a sentence; empty without results."""
    names, columns = list(view.names.values()), zip(*means_data(view, measure), strict=True)
    found = [
        max(((mean, name) for mean, name in zip(column, names, strict=True) if mean), default=None)
        for column in columns
    ]
    return ["" if best is None else f"Best here: {best[1]} {unsigned(best[0] / 1e4)} %." for best in found]


def filled(parts: Sequence[str], values: Mapping[str, Any]) -> str:
    """The parts whose values are known, with the values; `filled` of `script/difficulty.js` does the same.

    Example:
        >>> filled(["{a} is ahead", " of {b}", " on {n} datasets."], {"a": "CoOp", "b": None, "n": 3})
        'CoOp is ahead on 3 datasets.'
    """
    wanted = [(part, [name for _, name, *_ in Formatter().parse(part) if name]) for part in parts]
    return "".join(part.format_map(values) for part, names in wanted if all(values.get(n) is not None for n in names))
