"""Claims, and published numbers beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.analysis.claims import Claim, ClaimResult, check_claims, difficulty_by_backbone
from bench.analysis.difficulty_groups import Grouping, difficulty_groups
from bench.analysis.leaderboard import Leaderboard, Setting
from bench.analysis.reproduction import (
    MARGIN,
    PublishedSettings,
    ReproductionRow,
    compare_with_published,
    count_verdicts,
)
from bench.presenters.catalogue import Catalogue
from reports.views import ClaimResultView, ClaimView, ReproductionRowView, ReproductionView

if TYPE_CHECKING:
    import pandas as pd


def claim_views(
    claims: Sequence[Claim],
    boards: Sequence[Leaderboard],
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    groups: Grouping = difficulty_groups,
) -> tuple[ClaimView, ...]:
    """Every claim with its results, in the order of the claims.

    Args:
        claims: sentences with queries.
        boards: made from the runs.
        runs: the store's `runs_frame()`.
        difficulty: the store's `difficulty_frame()`.
        catalogue: titles of methods and datasets.
        groups: which datasets are easy and which are hard.
    """
    found: dict[str, list[ClaimResult]] = {claim.id: [] for claim in claims}
    for result in check_claims(claims, boards, runs, difficulty_by_backbone(difficulty), groups):
        found[result.claim.id].append(result)
    return tuple(
        ClaimView(
            claim.id,
            claim.sentence,
            claim.source,
            _test(claim, catalogue),
            claim.above,
            tuple(_result(result, catalogue) for result in found[claim.id]),
        )
        for claim in claims
    )


def _test(claim: Claim, catalogue: Catalogue) -> str:
    """How the sentence is tested, in words."""
    what = {"gap": "base minus new accuracy", "H": "H", "all": "accuracy"}.get(
        claim.measure, f"{claim.measure} accuracy"
    )
    over = {"all": "all datasets", "easy": "the easy datasets", "hard": "the hard datasets"}[claim.datasets]
    if claim.contrast == "difference-of-groups":
        over = "the hard minus the easy datasets"
    shots = "" if claim.shots is None else f", {claim.shots} shots"
    a, b = catalogue.method(claim.a).title, catalogue.method(claim.b).title
    return f"{a} − {b}: {what} over {over}, {claim.protocol}{shots}"


def _result(result: ClaimResult, catalogue: Catalogue) -> ClaimResultView:
    test = result.test
    return ClaimResultView(
        where="" if result.setting is None else setting_words(result.setting, catalogue),
        verdict=str(result.verdict),
        effect=test.mean if test else None,
        low=test.low if test else None,
        high=test.high if test else None,
        n=test.n if test else 0,
        groups=test.groups if test else 0,
        p=result.p,
        reason=result.reason,
    )


def setting_words(setting: Setting, catalogue: Catalogue) -> str:
    """A setting in a few words."""
    source = f" from {catalogue.dataset(setting.source).title}" if setting.source else ""
    return f"{setting.protocol}{source}, {setting.shots} shots, {setting.backbone}"


def reproduction_view(
    boards: Sequence[Leaderboard],
    runs: pd.DataFrame,
    published: pd.DataFrame,
    defaults: PublishedSettings | None,
    catalogue: Catalogue,
) -> ReproductionView:
    """Every published number that we have run, and the entries that none speaks of.

    Args:
        boards: made from the runs.
        runs: the store's `runs_frame()`.
        published: `bench.published.published_frame()`.
        defaults: published settings by method and protocol.
        catalogue: titles of methods and datasets.
    """
    rows = compare_with_published(boards, runs, published, defaults=defaults)
    matched = {row.entry for row in rows}
    ours = {entry.key: entry.method for board in boards for entry in board.entries}
    return ReproductionView(
        rows=tuple(_row(row, ours, catalogue) for row in rows),
        counts={str(verdict): count for verdict, count in count_verdicts(rows).items()},
        margin=MARGIN,
        unmatched=tuple(_titles({key: m for key, m in ours.items() if key not in matched}, catalogue)),
    )


def _titles(entries: Mapping[str, str], catalogue: Catalogue) -> Iterable[str]:
    return (_title(key, method, catalogue) for key, method in sorted(entries.items()))


def _title(key: str, method: str, catalogue: Catalogue) -> str:
    label = key.removeprefix(method).strip()
    return f"{catalogue.method(method).title} {label}".strip()


def _row(row: ReproductionRow, methods: Mapping[str, str], catalogue: Catalogue) -> ReproductionRowView:
    return ReproductionRowView(
        entry=_title(row.entry, methods[row.entry], catalogue),
        where=f"{row.protocol}, {row.shots} shots, {row.backbone}",
        dataset=catalogue.dataset(row.dataset).title,
        measure=row.split,
        published=row.published,
        ours=row.ours,
        difference=row.difference,
        low=row.low,
        high=row.high,
        n=row.n,
        verdict=str(row.verdict),
        seeds_needed=row.seeds_needed,
        sources=row.sources,
        note=row.note,
        run_ids=row.run_ids,
    )
