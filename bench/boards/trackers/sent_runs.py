"""The results that a tracker has received, remembered in the runs folder, so that a repeated command sends the others.

Each tracker has one file of lines with a run id and the stamp of its shard. A line is appended in one step, so that a
kill leaves whole lines; a line that is not whole counts as missing, and the tracker is asked again.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.record import RunStatus
from bench.results import Shards
from bench.sweep import Kind, Target

FOLDER = "trackers"
"""Folder of these files, below the runs folder."""
_PLACE = {
    Kind.MLFLOW: ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"),
    Kind.WANDB: ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL", "WANDB_MODE", "WANDB_DIR"),
    Kind.TRACKIO: ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_DIR"),
}
"""Environment variables that say where a tracker stores runs."""
_LINE = re.compile(r"([0-9a-f]{16}) (\d+:\d+:\d+)")


@dataclass(frozen=True)
class SentRuns:
    """The results in `runs` that one tracker has received."""

    runs: Path
    target: Target

    @property
    def path(self) -> Path:
        """The file. Its name depends on the tracker, on the variables that say where it is, and on the work folder.

        The name is a digest, since an address may hold a password.
        """
        variables = [os.environ.get(name, "") for name in _PLACE[self.target.kind]]
        place = "\0".join([str(self.target), str(Path.cwd()), *variables])
        return self.runs / FOLDER / f"{self.target.kind}-{hashlib.sha256(place.encode()).hexdigest()[:16]}.txt"

    def read(self) -> dict[str, str]:
        """The stamps of the received results by run id; empty if nothing was sent."""
        try:
            text = self.path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return {}
        return {found[1]: found[2] for line in text.splitlines() if (found := _LINE.fullmatch(line))}

    def add(self, run_id: str, stamp: str) -> None:
        """Remember that a result was received. May raise OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(file, f"{run_id} {stamp}\n".encode())
        finally:
            os.close(file)


def unsent(runs: Path, targets: Iterable[Target], run_ids: Iterable[str]) -> list[str]:
    """Those of the runs that succeeded and whose present result some tracker has not received."""
    shards, received = Shards(runs), [SentRuns(runs, target).read() for target in targets]

    def is_missing(run_id: str) -> bool:
        stamp = shards.stamp(run_id)
        return stamp is not None and any(sent.get(run_id) != stamp for sent in received)

    return [run_id for run_id in run_ids if is_missing(run_id) and shards.status(run_id) is RunStatus.OK]
