"""The trackers that can receive runs, named `mlflow:URI`, `wandb:PROJECT` or `trackio:PROJECT`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import Self

from bench.errors import TrackerError, UsageError

PROJECT = "clip-etl-bench"
"""Project of Weights & Biases and trackio, and experiment of MLflow, where no other is named."""


class Kind(StrEnum):
    """A tracker, by the name of its package."""

    MLFLOW = "mlflow"
    WANDB = "wandb"
    TRACKIO = "trackio"


@dataclass(frozen=True)
class Target:
    """A tracker and the place in it.

    Args:
        place: tracking URI of MLflow, `[ENTITY/]PROJECT` of Weights & Biases, project of trackio; empty for the
            tracker's own default.
    """

    kind: Kind
    place: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The target that a text names, such as `mlflow:sqlite:///mlflow.db`; raises UsageError.

        Example:
            >>> Target.parse("mlflow:http://localhost:5000")
            Target(kind=<Kind.MLFLOW: 'mlflow'>, place='http://localhost:5000')
        """
        name, _, place = text.partition(":")
        if found := re.search(r"://[^/]*:[^/]*@", place):
            raise UsageError(
                f"The tracker {name}:{place[: found.start()]}://... holds a password, which the sweep file would keep. "
                "Set MLFLOW_TRACKING_URI, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, instead."
            )
        try:
            return cls(Kind(name), place)
        except ValueError:
            raise UsageError(
                f"The tracker {text!r} is unknown. Allowed: mlflow[:URI], wandb[:PROJECT], trackio[:PROJECT]."
            ) from None

    def __str__(self) -> str:
        """The text that names it."""
        return f"{self.kind}:{self.place}" if self.place else str(self.kind)


def check_installed(targets: Sequence[Target]) -> None:
    """Raise TrackerError if the package of a tracker is not installed here."""
    for target in targets:
        found = find_spec(target.kind)
        if found is None or found.origin is None:  # a folder such as that of wandb's offline runs is not the package
            raise TrackerError(
                f"The tracker {target} needs the package {target.kind}, which is not installed; "
                f"run `pip install 'clip-etl-bench[{target.kind}]'`."
            )
