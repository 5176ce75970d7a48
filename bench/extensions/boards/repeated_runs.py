"""Runs of submissions that the board repeated, and their outcomes: one file for each submission."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.bounds import RunId
from bench.extensions.boards.errors import BoardError
from bench.results import write_atomically
from datasets_registry import foreign_files

REPRODUCED = ("identical", "rounding")
"""Outcomes of a repetition that show a run to be genuine."""
NOT_REPRODUCED = "not reproduced"
"""How `repeated_text` ends if a repeated run does not agree."""
_LARGEST = 64 * 2**20
"""Bytes of a file."""


class RepeatedRuns(BaseModel):
    """The content of `verified/<board>/<submission>.json`.

    Args:
        digest: of the submission; results of other content do not count.
        drawn_by: digest of the text that decided which runs were drawn.
        outcomes: `identical`, `rounding`, `different` or `invalid` by run id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    drawn_by: str
    outcomes: dict[RunId, str]


def repeated_folder(submissions: Path) -> Path:
    """The folder of the outcomes of a board, `verified/NAME` beside the folder NAME of its submissions."""
    place = submissions.resolve() if submissions.name in ("", "..") else submissions
    return place.parent / "verified" / place.name


def read_repeated(folder: Path, name: str, digest: str) -> dict[str, str]:
    """The outcomes of a submission by run id; empty without a file, or if the submission has changed since.

    Raises BoardError for a file that is damaged.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        return {}
    try:
        stored = RepeatedRuns.model_validate(foreign_files.read_json(path, _LARGEST))
    except (OSError, ValueError) as error:
        raise BoardError(
            f"{path} is not a list of recomputed runs; delete it and verify the submission again."
        ) from error
    return stored.outcomes if stored.digest == digest else {}


def write_repeated(folder: Path, name: str, digest: str, secret: str, outcomes: dict[str, str]) -> Path:
    """Write the outcomes of a submission and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    stored = RepeatedRuns(digest=digest, drawn_by=hashlib.sha256(secret.encode()).hexdigest(), outcomes=outcomes)
    write_atomically(path, stored.model_dump_json(indent=1).encode() + b"\n")
    return path


def repeated_text(outcomes: Sequence[str], runs: int) -> str:
    """How many runs were repeated here, and the result, as text; empty for none."""
    if not outcomes:
        return ""
    text = f"repeated here: {len(outcomes)} of {runs}"
    wrong = sum(outcome not in REPRODUCED for outcome in outcomes)
    if wrong:
        return f"{text}, {wrong} {NOT_REPRODUCED}"
    return f"{text}, bit-identical" if set(outcomes) == {"identical"} else f"{text}, within rounding"
