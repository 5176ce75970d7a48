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
    usual = usual_datasets(line["protocol"], line["backbone"])
    cells = {name: float(value) for name in (*DATASETS, *SHIFTED) if (value := number_of(line.get(name, "")))}
    printed = number_of(line[AVERAGE])
    if len(cells) < 2 or printed is None or set(cells) == set(usual):
        return usual
    mean = fmean(cells.values())
    return tuple(cells) if line["split"] == "H" or abs(mean - printed) <= 5 * PRINTED_ROUNDING else usual


def usual_datasets(protocol: str, backbone: str) -> tuple[str, ...]:
    """The datasets that papers average in a protocol."""
    if backbone == _BIOMEDICAL:
        return tuple(name for name in COLLECTIONS["biomed"] if protocol != "base-to-new" or name != "busi")
    return _PROTOCOL_DATASETS.get(protocol, DATASETS)


def convention(rows: Mapping[str, Mapping[str, str]], over: Sequence[str]) -> HConvention | None:
    """The convention of the average H of a method: the one that its printed base, new and H give.

    None if neither fits to rounding, or nothing is printed that it can be recomputed from.

    Args:
        rows: by split, the row of the table.
        over: the datasets of the average.
    """
    found = recomputed(rows, over)
    printed = number_of(rows["H"].get(AVERAGE, "")) if "H" in rows else None
    if printed is None or not found:
        return None
    nearest = min(found, key=lambda one: abs(found[one] - printed))
    return nearest if abs(found[nearest] - printed) <= PRINTED_ROUNDING else None


def recomputed(rows: Mapping[str, Mapping[str, str]], over: Sequence[str]) -> dict[HConvention, float]:
    """The average H by each convention, from the printed averages and from the printed H of each dataset in `over`."""
    found = {}
    base, new = (number_of(rows[split].get(AVERAGE, "")) if split in rows else None for split in ("base", "new"))
    if base is not None and new is not None:
        found[HConvention.H_OF_MEANS] = metrics.harmonic_mean(base, new)
    cells = [number_of(rows["H"].get(name, "")) for name in over] if "H" in rows else []
    known = [value for value in cells if value is not None]
    if known and len(known) == len(cells):
        found[HConvention.MEAN_OF_H] = fmean(known)
    return found
