"""The page of a results database, and the page of published numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, count

import pandas as pd

from bench.analysis import (
    Leaderboard,
    RunTable,
    Setting,
    board_settings,
    build_leaderboard,
    calibration,
    compared_leaderboard,
)
from bench.papers import (
    Catalogue,
    boards_of_tables,
    check_claims,
    compare_with_published,
    difficulty_by_backbone,
    numbers_by_table,
    numbers_of_boards,
)
from bench.spec import external_parts
from reports.presenters.boards import board_view, minute, provenance
from reports.presenters.content import PageContent
from reports.presenters.error_analysis import error_analysis_view
from reports.presenters.overview import board_overview, published_overview
from reports.views import BoardView, ErrorAnalysisView, OverviewView, PublishedBoardView, SiteView


@dataclass(frozen=True)
class PageBoards:
    """The leaderboards of a page.

    Args:
        shown: by anchor.
        whole: one for each setting, with all its datasets and seeds, without planned runs.
        scopes: for settings that are shown twice, by anchor: the other anchor, and whether this one has all datasets.
        own: anchors of the boards that leave out code and predictions of others, for settings that have such rows.
    """

    shown: dict[str, Leaderboard]
    whole: list[Leaderboard]
    scopes: dict[str, tuple[str, bool]]
    own: set[str]


def site_view(content: PageContent) -> SiteView:
    """The page of some runs."""
    content = content.restricted()
    runs, difficulty, catalogue = content.runs, content.difficulty, content.catalogue
    boards = page_boards(content)
    errors = ErrorAnalysisView()
    calibrated: calibration.CalibrationByRun = {}
    if content.stored is not None and content.pictures is not None:
        seeds = dict(zip(runs["run_id"], runs["seed"], strict=True))
        errors, calibrated = error_analysis_view(boards.shown, seeds, content.stored, content.pictures)
    once = runs.drop_duplicates("run_id")
    views = [board_view(board, content, anchor=anchor, calibrated=calibrated) for anchor, board in boards.shown.items()]
    claims = check_claims(
        content.claims,
        boards.whole,
        difficulty_by_backbone(difficulty),
    )
    reproduction = None
    if content.published is not None:
        backbones = {board.setting.backbone for board in boards.whole}
        measured = difficulty[difficulty["backbone"].isin(backbones)]
        reproduction = compare_with_published(boards.whole, content.published, difficulty=measured)
    matched = {row.entry for row in reproduction or () if row.measure == "accuracy"}
    entries = {(entry.key, entry.method) for board in boards.whole for entry in board.entries}
    return SiteView(
        title="Efficient transfer learning of CLIP",
        package_version=content.package_version,
        generated_at=minute(content.generated_at or datetime.now(UTC)),
        catalogue=catalogue,
        newest_run=minute(once["created_at"].max()) if len(once) else None,
        n_runs=len(once),
        boards=tuple(views),
        overviews=tuple(_overview(view, content, boards) for view in views),
        facts=() if content.made is None else provenance(content.made[content.made["run_id"].isin(once["run_id"])]),
        claims=tuple(claims),
        reproduction=None if reproduction is None else tuple(reproduction),
        unmatched=tuple(sorted((key, method) for key, method in entries if key not in matched)),
        error_analysis=errors,
        unfinished=tuple(content.unfinished),
    )


def page_boards(content: PageContent) -> PageBoards:
    """A leaderboard for each setting, and one without the code of others where it has both.

    Each is shown twice where methods are compared on the runs that they share.
    """
    boards = PageBoards({}, [], {}, set())
    read = None if content.stored is None else content.stored.outcomes
    is_ours = [external_parts(method) is None for method in content.runs["method"]]
    runs, of_our_code = RunTable(content.runs, read), RunTable(content.runs[is_ours], read)
    for setting in board_settings(content.runs):
        text = f"{setting.backbone} {setting.protocol} {setting.source} {setting.shots_text}"
        first = _add_board(boards, content, runs, setting, text)[0]
        board = boards.shown[first]
        is_whole = board.common is None and not content.unfinished
        convention = content.convention
        boards.whole.append(board if is_whole else build_leaderboard(runs, setting, convention=convention))
        n_others = sum(external_parts(entry.method) is not None for entry in board.entries)
        if 0 < n_others < len(board.entries):
            boards.own.update(_add_board(boards, content, of_our_code, setting, f"{text} own code", own=True))
    return boards


def _add_board(
    boards: PageBoards, content: PageContent, runs: RunTable, setting: Setting, text: str, *, own: bool = False
) -> list[str]:
    """Add the leaderboard of a setting, and that of all its datasets if it differs; returns their anchors."""
    planned = [spec for sweep in content.unfinished for spec in sweep.specs]
    if own:
        planned = [spec for spec in planned if external_parts(spec.method) is None]
    board = compared_leaderboard(runs, setting, convention=content.convention, planned=planned)
    anchors = [anchor_of(text, set(boards.shown))]
    boards.shown[anchors[0]] = board
    if board.common is not None:
        anchors.append(anchor_of(f"{text} all datasets", set(boards.shown)))
        whole = build_leaderboard(runs, setting, convention=content.convention, planned=planned)
        boards.shown[anchors[1]] = whole
        boards.scopes.update({anchors[0]: (anchors[1], False), anchors[1]: (anchors[0], True)})
    return anchors


def _overview(view: BoardView, content: PageContent, boards: PageBoards) -> OverviewView:
    other_scope, whole = boards.scopes.get(view.anchor, (None, False))
    overview = board_overview(
        view.board,
        content.runs,
        content.difficulty,
        content.catalogue,
        anchor=view.anchor,
        verdicts=view.verdicts,
    )
    return replace(overview, other_scope=other_scope, whole=whole, own=view.anchor in boards.own)


def anchor_of(text: str, taken: set[str]) -> str:
    """An id made from the text that is not in `taken`."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return next(anchor for anchor in chain([base], (f"{base}-{n}" for n in count(2))) if anchor not in taken)


def published_site(
    published: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    package_version: str,
    generated_at: datetime | None = None,
    protocol: str | None = None,
) -> SiteView:
    """The page of `bench.papers.published_frame()` and `published_difficulty()`; `protocol` restricts it to one."""
    numbers = numbers_of_boards(published, protocol)
    views: list[PublishedBoardView] = []
    for board in boards_of_tables(numbers, difficulty, catalogue):
        text = f"published {board.backbone} {board.protocol} {board.shots}"
        views.append(PublishedBoardView(anchor_of(text, {view.anchor for view in views}), board, catalogue))
    return SiteView(
        title="Published results of CLIP transfer methods",
        package_version=package_version,
        generated_at=minute(generated_at or datetime.now(UTC)),
        catalogue=catalogue,
        published_boards=tuple(views),
        overviews=tuple(published_overview(view) for view in views),
        sources=numbers_by_table(numbers),
    )
