"""Sentences and published numbers, and what the runs say about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ClaimResultView:
    """One claim on one board.

    Args:
        where: the setting in words, empty where no board has both methods.
        verdict: `supported`, `refuted` or `inconclusive`.
        effect: a fraction, None where nothing could be tested.
        n: values over `groups` datasets.
        p: against the claim's threshold, not adjusted.
        reason: what is missing, empty where nothing is.
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
    """A sentence with how it is tested; `above` is the effect that must be exceeded, a fraction."""

    id: str
    sentence: str
    source: str
    test: str
    above: float
    results: tuple[ClaimResultView, ...]


@dataclass(frozen=True)
class LedgerRowView:
    """A published number and ours; fractions. `low` and `high` bound the difference, None for one seed."""

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
class LedgerView:
    """All published numbers that these runs answer, largest gaps first.

    Args:
        counts: how many rows have each verdict.
        margin: what counts as equal, a fraction.
        unmatched: entries of ours that no published number speaks of.
    """

    rows: tuple[LedgerRowView, ...]
    counts: Mapping[str, int]
    margin: float
    unmatched: tuple[str, ...]
