"""`board.json`: the content of a board, small enough to compare two boards without their runs."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.board.runs import REPRODUCED
from bench.errors import BoardError
from reports.views import BoardView

FILE = "board.json"


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
    verified: str = ""


class RowSummary(_Part):
    """One row of a leaderboard.

    Args:
        mean: of the measure that orders the board, a fraction; None for a row without scores.
        half_width: of its 95 % interval; None if the variation between seeds is unknown.
        ranks: range of ranks, such as `2–4`; empty for a row that is not ranked.
    """

    entry: str
    mean: float | None = None
    half_width: float | None = None
    ranks: str = ""
    coverage: int = 0
    planned: int = 0
    verified: str = ""
    submissions: tuple[str, ...] = ()


class SettingSummary(_Part):
    """One leaderboard: its rows in order, and the pairs that differ significantly, the better one first."""

    title: str
    measure: str
    rows: tuple[RowSummary, ...]
    separated: tuple[tuple[str, str], ...]


class BoardSummary(_Part):
    """A whole board."""

    board_version: int = 1
    package_version: str
    submissions: tuple[SubmissionSummary, ...]
    settings: tuple[SettingSummary, ...]

    def submission(self, name: str) -> SubmissionSummary | None:
        """The submission of that name; None if there is none."""
        return next((item for item in self.submissions if item.name == name), None)


def read_summary(path: Path) -> BoardSummary:
    """The summary in a site's folder or a file; raises BoardError if it is not a summary."""
    file = path / FILE if path.is_dir() else path
    try:
        return BoardSummary.model_validate_json(file.read_bytes())
    except OSError as error:
        raise BoardError(
            f"{file} cannot be read ({error.strerror or error}); give a folder that `etl-bench board build` wrote."
        ) from error
    except ValidationError as error:
        raise BoardError(f"{file} is not a summary of a board; build it again with `etl-bench board build`.") from error


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
    for entry in board.entries:
        value = entry.values.get(measure)
        rows.append(
            RowSummary(
                entry=entry.key,
                mean=value.mean if value else None,
                half_width=value.half_width if value else None,
                ranks=board.standings.ranks.get(entry.key, ""),
                coverage=entry.coverage,
                planned=entry.planned,
                verified=entry.verified,
                submissions=tuple(sorted({owner[run_id] for run_id in entry.run_ids if run_id in owner})),
            )
        )
    return SettingSummary(
        title=f"{board.backbone}, {board.heading}",
        measure=measure,
        rows=tuple(rows),
        separated=separated_pairs(board),
    )


def separated_pairs(board: BoardView) -> tuple[tuple[str, str], ...]:
    """The pairs of entries whose difference is significant, the better one first."""
    found = board.standings.pairs
    return tuple(sorted(pair for pair, difference in found.items() if difference.significant and difference.mean > 0))


def verified_text(outcomes: Sequence[str], runs: int) -> str:
    """The number of recomputed runs and the result as text; empty if none was recomputed."""
    if not outcomes:
        return ""
    text = f"verified {len(outcomes)} of {runs}"
    wrong = sum(outcome not in REPRODUCED for outcome in outcomes)
    if wrong:
        return f"{text}, {wrong} not reproduced"
    return f"{text}, bit-identical" if set(outcomes) == {"identical"} else f"{text}, within rounding"
