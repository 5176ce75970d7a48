"""`board.json`, the content of a board, and the changes between two boards."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench._util.words import counted
from bench.analysis import Estimate, score_text
from bench.extensions.boards.board_runs import LARGEST_BOARD_FILE, REPRODUCED
from bench.extensions.boards.errors import BoardError
from datasets_registry import foreign_files

FILE = "board.json"
NOT_REPRODUCED = "not reproduced"
"""How `repeated_text` ends if a repeated run does not agree."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class SubmissionSummary(_Part):
    """One submission: its digest, whether it is on the board, and the reasons for a refusal."""

    name: str
    digest: str
    who: str = ""
    accepted: bool
    runs: int = 0
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    repeated: str = ""


class RowSummary(_Part):
    """One row of a leaderboard.

    Args:
        mean: of the measure that orders the board, a fraction; None for a row without scores.
        low: lower end of its 95 % interval over seeds and test images; None if it is unknown, as is `high`.
        ranks: range of ranks, such as `2–4`; empty for a row that is not ranked.
    """

    entry: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    ranks: str = ""
    coverage: int = 0
    planned: int = 0
    repeated: str = ""
    submissions: tuple[str, ...] = ()


class SettingSummary(_Part):
    """One leaderboard: its rows in order, and the pairs that differ significantly, the better one first."""

    title: str
    measure: str
    rows: tuple[RowSummary, ...]
    separated: tuple[tuple[str, str], ...]


class BoardSummary(_Part):
    """A whole board. The first key marks its file as written by etl-bench."""

    format: str = "clip-etl-bench board"
    board_version: int = 1
    package_version: str
    submissions: tuple[SubmissionSummary, ...]
    settings: tuple[SettingSummary, ...]


def read_summary(path: Path) -> BoardSummary:
    """The summary in a site's folder or a file; raises BoardError if it is not a summary."""
    file = path / FILE if path.is_dir() else path
    try:
        return BoardSummary.model_validate(foreign_files.read_json(file, LARGEST_BOARD_FILE))
    except OSError as error:
        raise BoardError(
            f"{file} cannot be read ({error.strerror or error}); give a folder that `etl-bench board build` wrote."
        ) from error
    except ValueError as error:
        raise BoardError(f"{file} is not a summary of a board; build it again with `etl-bench board build`.") from error


def repeated_text(outcomes: Sequence[str], runs: int) -> str:
    """How many runs were repeated here, and the result, as text; empty for none."""
    if not outcomes:
        return ""
    text = f"repeated here: {len(outcomes)} of {runs}"
    wrong = sum(outcome not in REPRODUCED for outcome in outcomes)
    if wrong:
        return f"{text}, {wrong} {NOT_REPRODUCED}"
    return f"{text}, bit-identical" if set(outcomes) == {"identical"} else f"{text}, within rounding"


SHOWN = 30
"""Largest number of lines in a list; the others are counted."""
_UNSAFE = re.compile(r"[`\n\r|<>]")
NO_CHANGE = "This change does not affect the board."


def board_diff(old: BoardSummary, new: BoardSummary) -> str:
    """The differences of two boards as Markdown: submissions, then rows, ranks and separated pairs by leaderboard."""
    parts = [*_submissions(old, new)]
    before = {setting.title: setting for setting in old.settings}
    after = {setting.title: setting for setting in new.settings}
    for title, setting in after.items():
        lines = list(_setting_lines(before.get(title), setting))
        if lines:
            note = "" if title in before else " (new leaderboard)"
            parts += ["", f"### {code(title)}{note}", "", *lines]
    parts += [f"\nThe leaderboard {code(title)} is gone." for title in before if title not in after]
    return "\n".join(parts if parts else [NO_CHANGE]) + "\n"


def code(text: str) -> str:
    """Text as a code span of one line, harmless in Markdown and tables."""
    return f"`{_UNSAFE.sub('?', text) or '?'}`"


def _submissions(old: BoardSummary, new: BoardSummary) -> Iterator[str]:
    known = {item.name: item for item in old.submissions}
    for item in new.submissions:
        before = known.pop(item.name, None)
        if before is None or (before.digest, before.accepted) != (item.digest, item.accepted):
            what = "new" if before is None else "changed"
            verdict = "accepted" if item.accepted else "**refused**"
            yield f"- {what} submission {code(item.name)} by {code(item.who or '?')}: {verdict}, {_contents(item)}"
            for text in (*item.refusals, *item.notes)[:SHOWN]:
                yield f"  - {code(text)}"
        elif before.repeated != item.repeated:
            yield f"- submission {code(item.name)}: {code(item.repeated or 'nothing repeated here')}"
    for item in known.values():
        yield f"- removed submission {code(item.name)} with {_contents(item)}"


def _contents(item: SubmissionSummary) -> str:
    return counted(item.runs, "completed run") + (f", {item.repeated}" if item.repeated else "")


def _setting_lines(old: SettingSummary | None, new: SettingSummary) -> Iterator[str]:
    before = {row.entry: row for row in old.rows} if old else {}
    after = {row.entry: row for row in new.rows}
    table = [line for row in new.rows if (line := _row(before.get(row.entry), row)) is not None]
    table += [f"| {code(name)} | removed | | |" for name in before if name not in after]
    if table:
        yield f"| method | {new.measure} | rank | runs |"
        yield "|---|---|---|---|"
        yield from _limited(table, "| and {} more rows | | | |")
    known = set(old.separated) if old else set()
    now = set(new.separated)
    appeared = [
        f"- {code(a)} is now significantly better than {code(b)}" for a, b in new.separated if (a, b) not in known
    ]
    gone = [
        f"- {code(a)} is no longer significantly better than {code(b)}"
        for a, b in sorted(known - now)
        if a in after and b in after
    ]
    if appeared or gone:
        yield ""
        yield from _limited([*appeared, *gone], "- and {} more pairs")


def _row(old: RowSummary | None, new: RowSummary) -> str | None:
    """A line of the table; None if the row shows what it did before."""
    if old is not None and _cells(old) == _cells(new):
        return None
    name = f"**new** {code(new.entry)}" if old is None else code(new.entry)
    before = _cells(new if old is None else old)
    moved = [now if now == was else f"{was} → {now}" for was, now in zip(before, _cells(new), strict=True)]
    return f"| {' | '.join([name, *moved])} |"


def _cells(row: RowSummary) -> tuple[str, str, str]:
    return _mean(row), row.ranks or "–", f"{row.coverage}/{row.planned}"


def _mean(row: RowSummary) -> str:
    if row.mean is None:
        return "–"
    return score_text(Estimate(row.mean, 1, low=row.low, high=row.high))


def _limited(lines: list[str], more: str) -> Iterator[str]:
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield more.format(len(lines) - SHOWN)
