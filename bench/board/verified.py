"""Recomputed runs of a board: the draw of runs and the outcomes of repetitions, in one file per submission.

A submitter cannot choose the runs: they are drawn by a hash of the submission's content and of a text that is known
only later, such as the commit that merged it.
"""

import hashlib
import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bench._util.atomic_write import write_atomically
from bench.bounds import RunId
from bench.errors import BoardError
from bench.submissions.report import OwnChecks

VERIFIED = "verified"
"""Folder beside that of the submissions."""
SHARE, FEWEST = 0.02, 3
"""Share of the runs of a submission that is drawn, and the fewest runs."""


class VerifiedRuns(BaseModel):
    """The content of `verified/<submission>.json`.

    Args:
        digest: of the submission; results of other content do not count.
        drawn_by: digest of the text that decided which runs were drawn.
        outcomes: `identical`, `rounding`, `different` or `invalid` by run id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    drawn_by: str
    outcomes: dict[RunId, str]


def draw_runs(own: OwnChecks, secret: str, count: int | None = None) -> list[str]:
    """Ids of runs to recompute, by a hash of the submission's content, the text `secret` and the run.

    `count` is their number; the default is two of a hundred runs and at least three.
    """
    if not secret:
        raise BoardError("The runs to recompute need a text that submitters do not know; give it with --secret.")
    number = count or max(FEWEST, math.ceil(SHARE * len(own.runs)))

    def order(run_id: str) -> str:
        return hashlib.sha256(f"{own.digest} {secret} {run_id}".encode()).hexdigest()

    return sorted((run.run_id for run in own.runs), key=order)[:number]


def read_verified(folder: Path, own: OwnChecks) -> dict[str, str]:
    """The outcomes by run id; empty without a file, or if the submission has changed since.

    Raises BoardError for a file that is damaged.
    """
    path = folder / f"{own.name}.json"
    if not path.is_file():
        return {}
    try:
        found = VerifiedRuns.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BoardError(
            f"{path} is not a list of recomputed runs; delete it and verify the submission again."
        ) from error
    if found.digest != own.digest:
        return {}
    known = {run.run_id for run in own.runs}
    return {run: outcome for run, outcome in found.outcomes.items() if run in known}


def write_verified(folder: Path, own: OwnChecks, secret: str, outcomes: dict[str, str]) -> Path:
    """Write the outcomes of a submission and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{own.name}.json"
    drawn_by = hashlib.sha256(secret.encode()).hexdigest()
    found = VerifiedRuns(digest=own.digest, drawn_by=drawn_by, outcomes=outcomes)
    write_atomically(path, found.model_dump_json(indent=1).encode() + b"\n")
    return path
