"""What became of a run that was handed over to a tracker; the process that sends runs writes it as JSON."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self


class Result(StrEnum):
    """What became of a run."""

    SENT = "sent"
    KNOWN = "known"
    """The tracker has this result."""
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """What became of a run at a tracker, and why if it was not sent."""

    run_id: str
    target: str
    result: Result
    message: str = ""

    def dump(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, line: str) -> Self:
        """The inverse of `dump`."""
        values = json.loads(line)
        return cls(**values | {"result": Result(values["result"])})
