"""The page of a board, with its submissions, and `board.json` and `settings.json` beside it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pandas as pd

from bench._util.words import counted
from bench.analysis import Entry, Leaderboard
from bench.extensions.boards.build import CollectedBoard
from bench.extensions.boards.comparison import SubmissionReport
from bench.extensions.boards.submissions.check import OwnChecks
from bench.extensions.boards.submissions.data_checks import Level
from bench.extensions.boards.summary import FILE, NOT_REPRODUCED, BoardSummary, RowSummary, SettingSummary
from bench.results import write_output
from reports import (
    FIRST_ROWS,
    AddedPart,
    BoardView,
    Column,
    PageRequest,
    Part,
    SiteView,
    Table,
    brief,
    cell,
    entry_settings,
    paragraph,
    table,
    write_page,
)

SETTINGS_FILE = "settings.json"
"""File beside the page with all settings of its methods."""
UNMARKED = (
    "A row without “repeated here: n of m” has its numbers as submitted. Its scores follow from the submitted "
    "predictions, and nothing here has repeated a run of it. Times, devices, memory and gains of oracles are as the "
    "submitters state them in every row."
)
"""What a row without a mark is, next to the tables."""


def write_board_page(board: CollectedBoard, title: str, page: PageRequest) -> BoardSummary:
    """Write the page of a board, and `settings.json` and `board.json` beside it; returns the content of the latter."""
    view = write_page(
        replace(
            page,
            prepare=lambda runs: _in_order(runs, list(board.runs.owner)),
            finish=lambda view: _marked(replace(view, title=title), board),
        )
    )
    found: dict[str, SettingSummary] = {}
    settings: dict[str, dict[str, Any]] = {}
    for shown in view.boards:
        setting = _setting(shown, board)
        found.setdefault(setting.title, setting)  # one that is shown twice counts as it is shown first
        settings[setting.title] = {entry.key: entry_settings(entry) for entry in shown.board.entries}
    summary = board.summary(tuple(found.values()))
    content = {"format": "clip-etl-bench settings", "leaderboards": settings}
    write_output(page.out.with_name(SETTINGS_FILE), json.dumps(content, indent=1).encode(), force=page.force)
    write_output(page.out.with_name(FILE), summary.model_dump_json(indent=1).encode(), force=page.force)
    return summary


def _in_order(runs: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The frame of runs with dates in the reverse order, so that the run that came first has the newest date.

    Of several runs that differ in what must be equal, analysis keeps those with the newest date. The dates that
    submissions state are replaced, since they decide nothing.
    """
    places = {run_id: place for place, run_id in enumerate(order)}
    age = pd.to_timedelta(runs["run_id"].map(places), unit="s")
    return runs.assign(created_at=pd.Timestamp(0) - age)


def _marked(view: SiteView, collected: CollectedBoard) -> SiteView:
    """The page with its submissions; rows show how many of their runs were repeated here."""
    boards = tuple(
        replace(
            one,
            board=without_extra_gaps(one.board),
            marks=_marks(one.board.entries, collected),
            unmarked=UNMARKED,
            settings_file=SETTINGS_FILE,
        )
        for one in view.boards
    )
    shown = {one.anchor: one.board for one in boards}
    return replace(
        view,
        boards=boards,
        overviews=tuple(replace(overview, board=shown[overview.anchor]) for overview in view.overviews),
        added=(submissions_part(collected),) if collected.reports else (),
        public=bool(collected.reports),
        newest_run=None,
    )


def _marks(entries: Iterable[Entry], collected: CollectedBoard) -> dict[str, Sequence[str]]:
    """The badge of each row with repeated runs."""
    texts = {entry.key: collected.repeated(entry.run_ids) for entry in entries}
    why = "Runs that the board drew at random and repeated from the images"
    return {
        key: ("differs" if text.endswith(NOT_REPRODUCED) else "repeated", text, why)
        for key, text in texts.items()
        if text
    }


def submissions_part(collected: CollectedBoard) -> AddedPart:
    """The accepted submissions with their notes, and the reasons for which others were refused."""
    accepted = [report for report in collected.reports if report.accepted]
    n_runs = sum(_counted(report, collected) for report in accepted)
    note = (
        f"{counted(len(accepted), 'submission')} with {counted(n_runs, 'run')}. All scores were recomputed from the "
        "submitted predictions. Only repeating a run shows that its predictions are genuine. The column Repeated here "
        "counts the runs that the board drew at random and repeated."
    )
    parts = [paragraph(note), _submissions(accepted, collected)]
    if noted := [[report.name, text] for report in accepted for text in (*report.notes, *_remarks(report))]:
        parts.append(_texts("submissions-notes", "Note", noted))
    if refused := [[report.name, text] for report in collected.reports for text in report.refusals]:
        parts += [paragraph("Refused submissions:"), _texts("submissions-refused", "Reason", refused)]
    return AddedPart("submissions", "Submissions", "about", parts)


def _submissions(accepted: Sequence[SubmissionReport], collected: CollectedBoard) -> Part:
    columns = [Column("Submission", "text"), Column("By", "text"), Column("Methods", "text", "", "why")]
    columns += [
        Column("Runs", "of", "Runs on the board, of the submitted runs; the others belong to earlier submissions"),
        Column("Data", "badge", "Training images, test images and labels, compared with those of the declared draw"),
        Column("Settings", "badge", "Runs with the published settings of their method"),
        Column("Repeated here", "text"),
        Column("Licence", "text"),
        Column("Code", "text", "", "why"),
        Column("Submitted", "text", "UTC, as the submitters state it; it decides nothing"),
    ]
    rows = []
    for report in accepted:
        own, facts = report.own, report.own.facts
        assert facts is not None, "an accepted submission could be opened"
        n_runs = len(own.runs)
        rows.append(
            [
                report.name,
                facts.who,
                brief(", ".join(sorted({run.method for run in own.runs}))),
                cell([_counted(report, collected), n_runs]),
                _data(own),
                "published" if own.published == n_runs else f"{own.published} of {n_runs} published",
                collected.repeated_of(report) or "none",
                facts.licence,
                facts.code or "not given",
                f"{facts.submitted:%Y-%m-%d %H:%M}",
            ]
        )
    return table(Table("submissions-table", columns, rows, first=FIRST_ROWS))


def _counted(report: SubmissionReport, collected: CollectedBoard) -> int:
    """The number of its runs that are on the board; the others are runs of earlier submissions."""
    return sum(collected.runs.owner.get(run.run_id) == report.name for run in report.own.runs)


def _data(own: OwnChecks) -> str:
    """How far the data of its runs were compared."""
    words = {Level.DATA: "images equal", Level.LISTS: "lists equal", Level.NOTHING: "not compared"}
    found = {words[level]: n for level, n in own.data.items() if n}
    return next(iter(found)) if len(found) == 1 else ", ".join(f"{text}: {n}" for text, n in found.items())


def _remarks(report: SubmissionReport) -> tuple[str, ...]:
    facts = report.own.facts
    return (brief(f"note of the submitters: {facts.notes}"),) if facts and facts.notes else ()


def _texts(anchor: str, title: str, rows: Sequence[Sequence[str]]) -> Part:
    columns = [Column("Submission", "text"), Column(title, "text", "", "why")]
    return table(Table(anchor, columns, rows, first=FIRST_ROWS))


def _setting(board: BoardView, collected: CollectedBoard) -> SettingSummary:
    measure, owner = board.verdict.measure, collected.runs.owner
    rows = []
    for entry in board.board.entries:
        value = entry.average(measure, board.board.convention)
        rows.append(
            RowSummary(
                entry=entry.key,
                mean=value.mean if value else None,
                low=value.low if value else None,
                high=value.high if value else None,
                ranks=board.verdict.ranks.get(entry.key, ""),
                coverage=entry.coverage,
                planned=entry.planned,
                repeated=collected.repeated(entry.run_ids),
                submissions=tuple(sorted({owner[run_id] for run_id in entry.run_ids if run_id in owner})),
            )
        )
    pairs = permutations(board.verdict.ranked, 2)
    found = {pair: board.verdict.on_these(*pair) for pair in pairs}
    separated = [pair for pair, test in found.items() if test is not None and test.clear and test.mean > 0]
    return SettingSummary(
        title=f"{board.board.setting.backbone}, {board.heading}",
        measure=measure,
        rows=tuple(rows),
        separated=tuple(sorted(separated)),
    )


def without_extra_gaps(board: Leaderboard) -> Leaderboard:
    """The board of several owners: what one entry has beyond the cells that are compared is no gap of the others.

    Failed runs and missing cells that are compared stay. A board that compares all cells is unchanged.
    """
    if board.common is None:
        return board
    compared = {cell for entry in board.entries for cell in entry.missing}
    missing = tuple(cell for cell in board.missing if cell.error is not None or cell in compared)
    gaps = Counter(cell.entry for cell in missing)
    entries = tuple(replace(entry, planned=entry.coverage + gaps[entry.key]) for entry in board.entries)
    return replace(board, entries=entries, missing=missing)
