"""The page of a board, with its submissions, and `settings.json` beside it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench._util.words import counted
from bench.analysis import Entry, Leaderboard
from bench.extensions.boards.check import SubmissionReport, harmless
from bench.extensions.boards.data_checks import Level
from bench.extensions.boards.repeated_runs import NOT_REPRODUCED, repeated_text
from bench.results import write_output
from reports import (
    FIRST_ROWS,
    AddedPart,
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
_HEAD, _MOST_TITLE = 10_000, 100
"""Characters of the README in which the title is looked for, and of a title."""
UNMARKED = (
    "A row without “repeated here: n of m” has its numbers as submitted. Its scores follow from the submitted "
    "predictions, and nothing here has repeated a run of it. Times, devices, memory and gains of oracles are as the "
    "submitters state them in every row."
)
"""What a row without a mark is, next to the tables."""


def readme_title(submissions: Path) -> str:
    """The first heading of the README beside the folder of submissions; `Leaderboard` without one."""
    file = submissions.parent / "README.md"
    if not file.is_file():
        return "Leaderboard"
    with file.open(encoding="utf-8", errors="replace") as text:
        headings = [line.removeprefix("# ") for line in text.read(_HEAD).splitlines() if line.startswith("# ")]
    return harmless(headings[0].strip())[:_MOST_TITLE] if headings else "Leaderboard"


def write_board_page(reports: Sequence[SubmissionReport], title: str, page: PageRequest) -> None:
    """Write the page of a board, whose runs are in the folder of the request, and `settings.json` beside it."""
    view = write_page(replace(page, finish=lambda view: _marked(replace(view, title=title), reports)))
    settings = {
        f"{board_view.board.setting.backbone}, {board_view.heading}": {
            entry.key: entry_settings(entry) for entry in board_view.board.entries
        }
        for board_view in view.boards
    }
    content = {"format": "clip-etl-bench settings", "leaderboards": settings}
    write_output(page.out.with_name(SETTINGS_FILE), json.dumps(content, indent=1).encode(), force=page.force)


def _marked(view: SiteView, reports: Sequence[SubmissionReport]) -> SiteView:
    """The page with its submissions; rows show how many of their runs were repeated here."""
    outcomes = {
        run_id: report.repeated[run_id] for report in reports for run_id in report.added if run_id in report.repeated
    }
    owners = {run_id: report.facts.who for report in reports if report.facts for run_id in report.added}
    boards = tuple(
        replace(
            board_view,
            board=without_extra_gaps(board_view.board),
            marks=_marks(board_view.board.entries, outcomes, owners),
            unmarked=UNMARKED,
            settings_file=SETTINGS_FILE,
        )
        for board_view in view.boards
    )
    by_anchor = {board_view.anchor: board_view.board for board_view in boards}
    return replace(
        view,
        boards=boards,
        overviews=tuple(replace(overview, board=by_anchor[overview.anchor]) for overview in view.overviews),
        added=(submissions_part(reports),),
        public=True,
        newest_run=None,
    )


def _marks(
    entries: Iterable[Entry], outcomes: Mapping[str, str], owners: Mapping[str, str]
) -> dict[str, list[Sequence[str]]]:
    """The badges of each row: who submitted it, and how many of its runs were repeated."""
    entries = list(entries)
    texts = {
        entry.key: repeated_text(
            [outcomes[run_id] for run_id in entry.run_ids if run_id in outcomes], len(entry.run_ids)
        )
        for entry in entries
    }
    why = "Runs that the board drew at random and repeated from the images"
    badges: dict[str, list[Sequence[str]]] = {}
    for entry in entries:
        names = brief(", ".join(dict.fromkeys(owners[run_id] for run_id in entry.run_ids if run_id in owners)))
        badges[entry.key] = [("by", f"by {names}", "Who submitted its runs")] if names else []
        if text := texts[entry.key]:
            badges[entry.key].append(("differs" if text.endswith(NOT_REPRODUCED) else "repeated", text, why))
    return badges


def submissions_part(reports: Sequence[SubmissionReport]) -> AddedPart:
    """The accepted submissions with their notes, and the reasons for which others were refused."""
    accepted = [report for report in reports if report.accepted]
    note = (
        f"{counted(len(accepted), 'submission')} with {counted(sum(len(report.added) for report in accepted), 'run')}. "
        "All scores were recomputed from the submitted predictions. Only repeating a run shows that its predictions "
        "are genuine. The column Repeated here counts the runs that the board drew at random and repeated."
    )
    parts = [paragraph(note), _submissions(accepted)]
    noted: list[list[str]] = []
    for report in accepted:
        noted += [[report.name, text] for text in report.notes]
        if report.facts and report.facts.notes:
            noted.append([report.name, brief(f"note of the submitters: {report.facts.notes}")])
    if noted:
        parts.append(_texts("submissions-notes", "Note", noted))
    if refused := [[report.name, text] for report in reports for text in report.refusals]:
        parts += [paragraph("Refused submissions:"), _texts("submissions-refused", "Reason", refused)]
    return AddedPart("submissions", "Submissions", "about", parts)


def _submissions(accepted: Sequence[SubmissionReport]) -> Part:
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
    words = {Level.DATA: "images equal", Level.LISTS: "lists equal", Level.NOTHING: "not compared"}
    rows = []
    for report in accepted:
        facts, n_runs = report.facts, len(report.methods)
        assert facts is not None, "an accepted submission could be opened"
        compared = [f"{words[level]}: {n}" for level, n in report.data.items()]
        rows.append(
            [
                report.name,
                facts.who,
                brief(", ".join(sorted(set(report.methods.values())))),
                cell([len(report.added), n_runs]),
                compared[0].partition(":")[0] if len(compared) == 1 else ", ".join(compared),
                "published" if report.published == n_runs else f"{report.published} of {n_runs} published",
                repeated_text(list(report.repeated.values()), n_runs) or "none",
                facts.licence,
                facts.code or "not given",
                f"{facts.submitted:%Y-%m-%d %H:%M}",
            ]
        )
    return table(Table("submissions-table", columns, rows, first=FIRST_ROWS))


def _texts(anchor: str, title: str, rows: Sequence[Sequence[str]]) -> Part:
    columns = [Column("Submission", "text"), Column(title, "text", "", "why")]
    return table(Table(anchor, columns, rows, first=FIRST_ROWS))


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
