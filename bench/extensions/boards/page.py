"""The page of a board, with its submissions, and `board.json` beside it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bench.analysis import without_extra_gaps
from bench.boards import FILE, BoardSummary, CollectedBoard, RowSummary, SettingSummary, board_title, verified_text
from bench.results import write_output
from reports.page_data import SETTINGS_FILE, entry_settings
from reports.site.build import PageRequest, write_page
from reports.views import BoardView, SiteView


def write_board_page(board: CollectedBoard) -> tuple[Path, BoardSummary]:
    """Write the page, `settings.json` and `board.json` of a board; returns the page and the summary."""
    request = board.request
    page = PageRequest(
        request.work / "runs",
        request.out / "index.html",
        data_root=request.data_root,
        images=request.images,
        with_run_files=True,
        force=request.force,
        prepare=lambda runs: in_order(runs, list(board.runs.owner)),
        finish=lambda view: _marked(view, board),
    )
    view = write_page(page)
    summary = board.summary(summarise_settings(view.boards, dict(board.runs.owner)))
    settings = {
        f"{shown.board.setting.backbone}, {shown.heading}": {
            entry.key: entry_settings(entry) for entry in shown.board.entries
        }
        for shown in view.boards
    }
    content = {"format": "clip-etl-bench settings", "leaderboards": settings}
    write_output(request.out / SETTINGS_FILE, json.dumps(content, indent=1).encode(), force=request.force)
    write_output(request.out / FILE, summary.model_dump_json(indent=1).encode(), force=request.force)
    return page.out, summary


def in_order(runs: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The frame of runs with dates in the reverse order, so that the run that came first has the newest date.

    Of several runs that differ in what must be equal, analysis keeps those with the newest date. The dates that
    submissions state are replaced, since they decide nothing.
    """
    places = {run_id: place for place, run_id in enumerate(order)}
    age = pd.to_timedelta(runs["run_id"].map(places), unit="s")
    return runs.assign(created_at=pd.Timestamp(0) - age)


def _marked(view: SiteView, collected: CollectedBoard) -> SiteView:
    """The page with its submissions; rows show how many of their runs were recomputed."""
    boards, outcomes = [], collected.outcomes
    for board in view.boards:
        texts = {
            entry.key: verified_text([outcomes[run] for run in entry.run_ids if run in outcomes], len(entry.run_ids))
            for entry in board.board.entries
        }
        boards.append(replace(board, board=without_extra_gaps(board.board), verified=texts, only_differing=True))
    shown = {board.anchor: board.board for board in boards}
    return replace(
        view,
        title=board_title(collected.request.submissions),
        boards=tuple(boards),
        overviews=tuple(replace(overview, board=shown[overview.anchor]) for overview in view.overviews),
        submissions=collected.submissions,
        newest_run=None,
    )


def summarise_settings(boards: Iterable[BoardView], owner: dict[str, str]) -> tuple[SettingSummary, ...]:
    """The leaderboards of a page; `owner` names the submission of each run.

    A setting that the page shows twice, on shared runs and on all, counts as it is shown first.
    """
    found: dict[str, SettingSummary] = {}
    for board in boards:
        setting = _setting(board, owner)
        found.setdefault(setting.title, setting)
    return tuple(found.values())


def _setting(board: BoardView, owner: dict[str, str]) -> SettingSummary:
    measure = board.standings.measure
    rows = []
    for entry in board.board.entries:
        value = entry.average(measure, board.board.convention)
        rows.append(
            RowSummary(
                entry=entry.key,
                mean=value.mean if value else None,
                low=value.low if value else None,
                high=value.high if value else None,
                ranks=board.standings.ranks.get(entry.key, ""),
                coverage=entry.coverage,
                planned=entry.planned,
                verified=board.verified.get(entry.key, ""),
                submissions=tuple(sorted({owner[run_id] for run_id in entry.run_ids if run_id in owner})),
            )
        )
    return SettingSummary(
        title=f"{board.board.setting.backbone}, {board.heading}",
        measure=measure,
        rows=tuple(rows),
        separated=separated_pairs(board),
    )


def separated_pairs(board: BoardView) -> tuple[tuple[str, str], ...]:
    """The pairs of entries whose difference is significant, the better one first."""
    found = board.standings.pairs
    return tuple(sorted(pair for pair, difference in found.items() if difference.significant and difference.mean > 0))
