"""How far papers disagree about one method: the range of its printed numbers on one dataset, and of averages. Pure."""

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from bench.papers.printed_averages import AVERAGE, DATASETS, GROUPS, PRINTED_ROUNDING
from bench.papers.published_numbers import rows_of

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("base", "new", "H")


@dataclass(frozen=True)
class SpreadCell:
    """One method on one dataset and split, of which papers print different numbers; fractions."""

    method: str
    dataset: str
    split: str
    low: float
    high: float
    numbers: int

    @property
    def range(self) -> float:
        """The highest printed number minus the lowest."""
        return self.high - self.low


@dataclass(frozen=True)
class PrintedAverage:
    """The average of a method over the eleven datasets in one table, a fraction.

    Args:
        sources: the tables with this average.
        standing: `Standing` of the first of them.
        recipe: of the first of them that says it; empty if none does.
        printed: whether the average is printed, and not the mean of the eleven printed numbers.
    """

    value: float
    sources: tuple[str, ...]
    standing: str
    recipe: str
    printed: bool


@dataclass(frozen=True)
class LiteratureSpread:
    """The disagreement of papers about the same methods in one setting.

    Args:
        cells: of which at least two different numbers are printed, largest range first.
        averages: by method and split, the different averages over the eleven datasets, ascending; of methods with at
            least two.
    """

    cells: tuple[SpreadCell, ...]
    averages: dict[tuple[str, str], tuple[PrintedAverage, ...]]

    def ranges(self, split: str) -> list[float]:
        """The ranges of a split, ascending."""
        return sorted(cell.range for cell in self.cells if cell.split == split)

    def methods(self, split: str) -> list[str]:
        """Methods with different averages, largest range first."""
        found = [method for method, here in self.averages if here == split]
        return sorted(found, key=lambda method: (-self.average_range(method, split), method))

    def average_range(self, method: str, split: str) -> float:
        """The range of the averages of a method."""
        values = [average.value for average in self.averages[method, split]]
        return values[-1] - values[0]


def literature_spread(
    published: "pd.DataFrame",
    *,
    protocol: str = "base-to-new",
    backbone: str = "ViT-B-16.openai",
    shots: int = 16,
) -> LiteratureSpread:
    """The spread of the printed accuracies of unmodified trained methods in one setting.

    Args:
        published: `published_frame()`.
    """
    here = published[
        (published["metric"] == "accuracy")
        & (published["variant"] == "")
        & (published["protocol"] == protocol)
        & (published["backbone"] == backbone)
        & (published["shots"] == shots)
        & ~published["dataset"].isin(list(GROUPS))
    ]
    values: dict[tuple[str, str, str], list[float]] = {}
    tables: dict[tuple[str, str, str, str], dict[str, dict[str, object]]] = {}
    for row in rows_of(here):
        method, dataset, split = str(row["method"]), str(row["dataset"]), str(row["split"])
        values.setdefault((method, dataset, split), []).append(float(row["value"]))
        source = f"{row['reported_in']}, {row['source_table']}"
        tables.setdefault((method, split, source, str(row["label"])), {})[dataset] = row
    cells = [
        SpreadCell(*key, min(found), max(found), len(found)) for key, found in values.items() if len(set(found)) > 1
    ]
    return LiteratureSpread(
        tuple(sorted(cells, key=lambda cell: (-cell.range, cell.method, cell.dataset, cell.split))), _averages(tables)
    )


def _averages(
    tables: dict[tuple[str, str, str, str], dict[str, dict[str, object]]],
) -> dict[tuple[str, str], tuple[PrintedAverage, ...]]:
    found: dict[tuple[str, str], dict[float, PrintedAverage]] = {}
    for (method, split, source, _), rows in tables.items():
        printed = AVERAGE in rows
        if printed:
            value = float(str(rows[AVERAGE]["value"]))
        elif set(DATASETS) <= set(rows) and split != "H":
            value = fmean(float(str(rows[name]["value"])) for name in DATASETS)
        else:
            continue
        row = next(iter(rows.values()))
        known = found.setdefault((method, split), {})
        # a mean of printed numbers may differ from the printed mean by its rounding
        key = next((other for other in known if abs(other - value) <= PRINTED_ROUNDING / 100), round(value, 4))
        before = known.get(key, PrintedAverage(key, (), str(row["standing"]), str(row["recipe"]), printed))
        known[key] = PrintedAverage(
            key,
            (*before.sources, source),
            before.standing,
            before.recipe or str(row["recipe"]),
            before.printed or printed,
        )
    return {
        key: tuple(sorted(known.values(), key=lambda average: average.value))
        for key, known in found.items()
        if len(known) > 1
    }


def spread_sentence(spread: LiteratureSpread, split: str = "new") -> str:
    """What the ranges of a split are, in one sentence; empty without ranges."""
    ranges = spread.ranges(split)
    if not ranges:
        return ""
    middle, upper = np.quantile(ranges, [0.5, 0.9])
    widest = next(cell for cell in spread.cells if cell.split == split)
    text = (
        f"For {len(ranges)} pairs of a method and a dataset, papers print different accuracies of {split} classes of "
        f"the same method: the median range is {100 * middle:.1f} points, the upper decile "
        f"{100 * upper:.1f}, and the largest {100 * widest.range:.1f}."
    )
    methods = spread.methods(split)
    if not methods:
        return text
    least, most = (100 * spread.average_range(method, split) for method in (methods[-1], methods[0]))
    return f"{text} The averages of a method over the eleven datasets differ by {least:.1f} to {most:.1f} points."
