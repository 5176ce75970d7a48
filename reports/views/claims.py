"""Claims and published numbers, compared with the runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ClaimResultView:
    """One claim in one setting.

    Args:
        where: the setting, empty where no board has both methods.
        verdict: `supported`, `refuted` or `inconclusive`.
        effect: a fraction, None where nothing could be tested.
        n: values over `groups` datasets.
        p: against the threshold of the claim, uncorrected.
        reason: what is missing, or empty.
    """

    where: str
    verdict: str
    effect: float | None
    low: float | None
    high: float | None
    n: int
    groups: int
    p: float | None
    reason: str


@dataclass(frozen=True)
class ClaimView:
    """A claim and its test; `above` is the threshold of the effect, a fraction."""

    id: str
    sentence: str
    source: str
    test: str
    above: float
    results: tuple[ClaimResultView, ...]


@dataclass(frozen=True)
class ReproductionRowView:
    """A published number and ours, fractions; `low` and `high` bound the difference, None with one seed."""

    entry: str
    where: str
    dataset: str
    measure: str
    published: float
    ours: float
    difference: float
    low: float | None
    high: float | None
    n: int
    verdict: str
    seeds_needed: int | None
    sources: tuple[str, ...]
    note: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class ReproductionView:
    """All published numbers that match these runs, largest differences first.

    Args:
        counts: number of rows by verdict.
        margin: difference that counts as equal, a fraction.
        unmatched: entries without published numbers.
    """

    rows: tuple[ReproductionRowView, ...]
    counts: Mapping[str, int]
    margin: float
    unmatched: tuple[str, ...]
