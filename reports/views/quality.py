"""Measures of stored predictions beyond accuracy, such as calibration and headroom gain."""

from collections.abc import Mapping
from dataclasses import dataclass

from reports.views.values import Value


@dataclass(frozen=True)
class QualityView:
    """One entry on one class split, averaged over the datasets of its board.

    Args:
        split: `base`, `new` or `all`.
        values: by measure, without measures that are undefined on every dataset. Incomplete entries have no intervals.
        datasets: number of datasets of each value.
    """

    entry: str
    split: str
    values: Mapping[str, Value]
    datasets: Mapping[str, int]
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class AgreementView:
    """Kendall's tau-b between the order of entries by accuracy and by headroom gain, with a bootstrap interval.

    `low` and `high` are None with fewer than two datasets to resample.
    """

    split: str
    tau: float
    low: float | None
    high: float | None
    entries: int
    datasets: int
