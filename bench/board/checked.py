"""Stores check results of submissions by content, so that unchanged submissions are not checked again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

import bench
from bench import submissions
from bench._util.atomic_write import write_atomically
from bench.errors import SubmissionError
from bench.submissions.check import Checks
from bench.submissions.data_checks import DataChecks
from bench.submissions.folder import open_submission
from bench.submissions.report import OwnChecks
from datasets_registry import custom_folders


@dataclass
class KeptChecks:
    """Checks whose results are stored in a folder.

    A result is used again for the same content under the same name, with the same release and checks, the same data
    folder, and the same custom datasets. `repeated` counts the submissions that were checked.
    """

    folder: Path
    data_root: Path | None
    repeated: int = 0
    _used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._checks = Checks(DataChecks(self.data_root))
        self._state = _state(self.data_root)

    def own(self, folder: Path) -> OwnChecks:
        """The checks of the submission in a folder, without comparisons to others."""
        try:
            digest = open_submission(folder).digest
        except SubmissionError:
            return self._checks.own(folder)
        key = hashlib.sha256(f"{folder.name} {digest} {self._state}".encode()).hexdigest()[:32]
        path = self.folder / f"{key}.json"
        self._used.add(path.name)
        if (kept := _read(path)) is not None:
            return kept
        self.repeated += 1
        found = self._checks.own(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, found.model_dump_json().encode(), durable=False)
        return found

    def all(self, folders: Sequence[Path]) -> list[OwnChecks]:
        """The checks of all submissions of a board. Stored results of other submissions are deleted."""
        found = [self.own(folder) for folder in folders]
        for path in self.folder.glob("*.json"):
            if path.name not in self._used:
                path.unlink()
        return found


def _read(path: Path) -> OwnChecks | None:
    """A stored result; None if there is none or the file is damaged."""
    try:
        return OwnChecks.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _state(data_root: Path | None) -> str:
    """A text that changes with the release, the code of the checks, the data folder, and the custom datasets."""
    folder = Path(submissions.__path__[0])
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
    patterns = ("*.toml", "*/bundle.json")
    described = [path for place in custom_folders() for pattern in patterns for path in place.glob(pattern)]
    datasets = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(described)]
    return json.dumps([bench.__version__, code, str(data_root and data_root.resolve()), datasets])
