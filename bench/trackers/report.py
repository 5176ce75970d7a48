"""The result of sending a run to a tracker, which the sending process writes as JSON."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self


class Result(StrEnum):
    """The result of sending a run."""

    SENT = "sent"
    KNOWN = "known"
    """The tracker has this result."""
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """The result of sending a run to a tracker; `message` says why it was not sent."""

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
