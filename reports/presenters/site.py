"""The page of a results database, as a view."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis import (
    Grouping,
    HConvention,
    Leaderboard,
    Outcomes,
    build_leaderboard,
    compared_leaderboard,
    difficulty_groups,
    settings,
)
from bench.papers import Catalogue, Claim, ExampleImage, PublishedSettings
from bench.results import Shards, constant_weight_outcomes
from reports.presenters.boards import board_view, minute, provenance
from reports.presenters.claims import claim_views, reproduction_view
from reports.presenters.error_analysis import Pictures, error_analysis_view
from reports.presenters.overview import board_overview
from reports.views import ErrorAnalysisView, SiteView, UnfinishedView

if TYPE_CHECKING:
    from bench.results import Store


def site_view(
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    package_version: str,
    generated_at: datetime | None = None,
    protocol: str | None = None,
    convention: HConvention = HConvention.MEAN_OF_H,
    examples: Callable[[str], tuple[ExampleImage, ...]] = lambda _: (),
    claims: Sequence[Claim] = (),
    published: pd.DataFrame | None = None,
    defaults: PublishedSettings | None = None,
    stored: Store | None = None,
    pictures: Pictures | None = None,
    folder: str | None = None,
    groups: Grouping = difficulty_groups,
    made: pd.DataFrame | None = None,
    curves: pd.DataFrame | None = None,
    unfinished: Sequence[UnfinishedView] = (),
) -> SiteView:
    """The page of a results database; sections without their data are left out.

    Args:
        runs, difficulty, made, curves: the store's `runs_frame(outcomes=True)`, `difficulty_frame()`,
            `provenance_frame()` and `curves_frame()`.
        generated_at: default now.
        protocol: restricts the page to one protocol.
        examples: example images of a dataset by its name.
        published: `bench.papers.published_frame()`, to compare with.
        defaults: published settings by method and protocol, to find runs with other settings.
        stored, pictures: predictions of the runs, and class names and thumbnails of their datasets, for the error
            analysis and calibration.
        folder: of the predictions of complete runs, relative to the page; None for a page without them.
        unfinished: sweeps whose missing runs are expected.
        groups: splits datasets into easy and hard ones.
    """
    if protocol is not None:
        runs = runs[runs["protocol"] == protocol]
    catalogue = catalogue.telling_apart(runs["dataset"]).with_short_titles(runs["dataset"])
    boards: dict[str, Leaderboard] = {}
    whole: list[Leaderboard] = []
    scopes: dict[str, tuple[str | None, bool]] = {}
    planned = [spec for sweep in unfinished for spec in sweep.specs]
    for setting in settings(runs):
        what = f"{setting.backbone} {setting.protocol} {setting.source} {setting.shots_text}"
        board = compared_leaderboard(runs, setting, convention=convention, planned=planned)
        anchor = anchor_of(what, set(boards))
        boards[anchor] = board
        same = board.common is None and not planned
        whole.append(board if same else build_leaderboard(runs, setting, convention=convention))
        if board.common is not None:
            other = anchor_of(f"{what} all datasets", set(boards))
            boards[other] = build_leaderboard(runs, setting, convention=convention, planned=planned)
            scopes |= {anchor: (other, False), other: (anchor, True)}
    errors, metrics = ErrorAnalysisView(), None
    if stored is not None and pictures is not None:
        seeds = dict(zip(runs["run_id"], runs["seed"], strict=True))
        errors, metrics = error_analysis_view(boards, seeds, stored, pictures, catalogue, folder=folder)
    options: dict[str, Any] = {"examples": examples, "metrics": metrics, "groups": groups, "curves": curves}
    once = runs.drop_duplicates("run_id")
    views = {
        anchor: board_view(board, runs, difficulty, catalogue, anchor=anchor, **options)
        for anchor, board in boards.items()
    }
    overviews = []
    for anchor, board in boards.items():
        standings = views[anchor].standings
        found = board_overview(board, runs, difficulty, catalogue, anchor=anchor, groups=groups, standings=standings)
        other_scope, is_whole = scopes.get(anchor, (None, False))
        overviews.append(replace(found, other_scope=other_scope, whole=is_whole))
    return SiteView(
        title="Efficient transfer learning of CLIP",
        package_version=package_version,
        generated_at=minute(generated_at or datetime.now(UTC)),
        newest_run=minute(once["created_at"].max()) if len(once) else None,
        n_runs=len(once),
        n_failed=int((once["status"] != "ok").sum()),
        boards=tuple(views.values()),
        overviews=tuple(overviews),
        facts=() if made is None else provenance(made[made["run_id"].isin(once["run_id"])]),
        claims=claim_views(claims, whole, runs, difficulty, catalogue, groups, _constant_weight(stored)),
        reproduction=None if published is None else reproduction_view(whole, runs, published, defaults, catalogue),
        error_analysis=errors,
        unfinished=tuple(unfinished),
    )


def _constant_weight(stored: Store | None) -> Outcomes:
    return (lambda _run_id: {}) if stored is None else partial(constant_weight_outcomes, Shards(stored.runs))


def anchor_of(text: str, taken: set[str]) -> str:
    """An id made from the text that is not in `taken`."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return next(anchor for anchor in chain([base], (f"{base}-{n}" for n in count(2))) if anchor not in taken)
