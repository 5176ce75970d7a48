"""Claims tested on the runs, and published numbers compared with ours, as views."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from bench.analysis import Grouping, Leaderboard, Outcomes, Setting, difficulty_groups
from bench.papers import (
    MARGIN,
    Catalogue,
    Claim,
    ClaimResult,
    PublishedSettings,
    check_claims,
    compare_with_published,
    count_verdicts,
    difficulty_by_backbone,
)
from reports._format import counted
from reports.presenters.values import view_of
from reports.views import ClaimResultView, ClaimView, ReproductionView


def claim_views(
    claims: Sequence[Claim],
    boards: Sequence[Leaderboard],
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    groups: Grouping = difficulty_groups,
    constant_weight: Outcomes = lambda _run_id: {},
) -> tuple[ClaimView, ...]:
    """Every claim with its results on boards computed from `runs`, in the order of the claims.

    `constant_weight` gives a run's outcomes with a constant ensemble weight, see `check_claims`.
    """
    found: dict[str, list[ClaimResult]] = {claim.id: [] for claim in claims}
    for result in check_claims(claims, boards, runs, difficulty_by_backbone(difficulty), groups, constant_weight):
        found[result.claim.id].append(result)
    return tuple(
        view_of(
            ClaimView,
            claim,
            test=_test(claim, catalogue),
            results=tuple(_result(result, catalogue) for result in found[claim.id]),
        )
        for claim in claims
    )


def _test(claim: Claim, catalogue: Catalogue) -> str:
    """How the claim is tested, in words."""
    named = {"gap": "base minus new accuracy", "H": "H", "all": "accuracy"}
    what = named.get(claim.measure, f"{claim.measure} accuracy")
    if claim.contrast == "regret":
        return f"Loss of “{claim.b}” − loss of “{claim.a}”: {what}, each dataset left out in turn, {claim.protocol}"
    over = {"all": "all datasets", "easy": "the easy datasets", "hard": "the hard datasets"}[claim.datasets]
    if claim.contrast == "difference-of-groups":
        over = "the hard minus the easy datasets"
    if claim.only:
        over = f"{', '.join(catalogue.dataset(name).title for name in claim.only)}"
    if claim.contrast == "constant-weight":
        method = catalogue.method(claim.a).title
        return f"{method} with its mean weight for all classes − {method}: {what} over {over}, {claim.protocol}"
    shots = "" if claim.shots is None else f", {counted(claim.shots, 'shot')}"
    a, b = catalogue.method(claim.a).title, catalogue.method(claim.b).title
    return f"{a} − {b}: {what} over {over}, {claim.protocol}{shots}"


def _result(result: ClaimResult, catalogue: Catalogue) -> ClaimResultView:
    where = "" if result.setting is None else _setting(result.setting, catalogue)
    effect = result.test.mean if result.test else None
    named = {"where": where, "verdict": str(result.verdict), "p": result.p, "reason": result.reason, "effect": effect}
    return view_of(ClaimResultView, result.test or result, **named)


def _setting(setting: Setting, catalogue: Catalogue) -> str:
    source = f" from {catalogue.dataset(setting.source).title}" if setting.source else ""
    return f"{setting.protocol}{source}, {setting.shots_text}, {setting.backbone}"


def reproduction_view(
    boards: Sequence[Leaderboard],
    runs: pd.DataFrame,
    published: pd.DataFrame,
    defaults: PublishedSettings | None,
    catalogue: Catalogue,
) -> ReproductionView:
    """Every published number that matches the runs, and the entries without published numbers.

    `published` is `bench.papers.published_frame()`; `defaults` are published settings by method and protocol.
    """
    rows = compare_with_published(boards, runs, published, defaults=defaults)
    matched = {row.entry for row in rows}
    ours = {entry.key: entry.method for board in boards for entry in board.entries}
    return ReproductionView(
        rows=tuple(
            replace(
                row,
                entry=_title(row.entry, row.method, catalogue),
                dataset=catalogue.dataset(row.dataset).title,
            )
            for row in rows
        ),
        counts={str(verdict): count for verdict, count in count_verdicts(rows).items()},
        margin=MARGIN,
        unmatched=tuple(_title(key, method, catalogue) for key, method in sorted(ours.items()) if key not in matched),
    )


def _title(key: str, method: str, catalogue: Catalogue) -> str:
    label = key.removeprefix(method).strip()
    return f"{catalogue.method(method).title} {label}".strip()
