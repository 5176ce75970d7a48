"""What a printed average is of: the datasets that it averages, and for H the convention. Pure."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from bench.analysis import HConvention, metrics
from datasets_registry import COLLECTIONS

DATASETS = COLLECTIONS["coop"]
"""The eleven datasets of CoOp and its successors, in their order."""
SHIFTED = COLLECTIONS["imagenet_shifts"]
"""The targets of domain generalisation."""
AVERAGE = "average"
GROUPS = {
    "easy": ("imagenet", "sun397", "stanford_cars"),
    "challenge": ("eurosat", "dtd", "fgvc_aircraft"),
}
"""Groups of datasets whose averages APEX prints."""
MEANS = (AVERAGE, *GROUPS)
"""What stands in place of a dataset for a printed mean."""
PRINTED_ROUNDING = 0.011
"""Largest difference, in percentage points, between a printed mean of two decimals and the mean of printed cells."""
_PROTOCOL_DATASETS = {"cross-dataset": DATASETS[1:], "domain-generalization": SHIFTED}
_BIOMEDICAL = "BiomedCLIP.pmc15m"
"""On it, averages are those of BiomedCoOp: base-to-new without BUSI, as assets/RUN.md of its repository says."""


def number_of(cell: str) -> float | None:
    """The number of a cell, without its spread; None for an empty cell."""
    return float(cell.partition("±")[0]) if cell else None


def averaged(line: Mapping[str, str], dataset: str) -> tuple[str, ...]:
    """The datasets of a printed average in a row of a table; only the dataset itself for another cell.

    An average is of the cells of its row if the row has cells and their mean is the printed one, else of the usual
    datasets of the protocol: papers that print only averages follow CoOp and its successors.
    """
    if dataset in GROUPS:
        return GROUPS[dataset]
    if dataset != AVERAGE:
        return (dataset,)
    usual = _PROTOCOL_DATASETS.get(line["protocol"], DATASETS)
    if line["backbone"] == _BIOMEDICAL:
        without = ("busi",) if line["protocol"] == "base-to-new" else ()
        usual = tuple(name for name in COLLECTIONS["biomed"] if name not in without)
    cells = {name: float(value) for name in (*DATASETS, *SHIFTED) if (value := number_of(line.get(name, "")))}
    printed = number_of(line[AVERAGE])
    if len(cells) < 2 or printed is None or set(cells) == set(usual):
        return usual
    mean = fmean(cells.values())
    return tuple(cells) if line["split"] == "H" or abs(mean - printed) <= 5 * PRINTED_ROUNDING else usual


def convention(rows: Mapping[str, Mapping[str, str]], over: Sequence[str]) -> HConvention | None:
    """The convention of the average H of a method: the one that its printed base, new and H give.

    None if neither fits to rounding, or nothing is printed that it can be recomputed from.

    Args:
        rows: by split, the row of the table; there is one for H.
        over: the datasets of the average.
    """
    printed = {split: number_of(line.get(AVERAGE, "")) for split, line in rows.items()}
    base, new, h = (printed.get(split) for split in ("base", "new", "H"))
    if h is None:
        return None
    recomputed = {}
    if base is not None and new is not None:
        recomputed[HConvention.H_OF_MEANS] = metrics.harmonic_mean(base, new)
    cells = [number_of(rows["H"].get(name, "")) for name in over]
    numbers = [value for value in cells if value is not None]
    if numbers and len(numbers) == len(cells):
        recomputed[HConvention.MEAN_OF_H] = fmean(numbers)
    gaps = {how: abs(value - h) for how, value in recomputed.items() if abs(value - h) <= PRINTED_ROUNDING}
    return min(gaps, key=lambda how: gaps[how], default=None)
