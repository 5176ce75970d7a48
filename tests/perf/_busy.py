"""A training step beside other programs that keep every core busy."""

from __future__ import annotations

import torch
from _measure import Side, compared
from _steps import COOP16, pair
from _table import Goal, Row
from busy import busy_cores
from torch import Tensor


def busy_row(repeats: int) -> Row:
    """A step with two threads beside processes that keep every core busy, against the same step with one thread."""
    ours, _ = pair("coop", 50, 32, config=COOP16)

    def with_threads(number: int) -> Side:
        def run() -> list[Tensor]:
            torch.set_num_threads(number)
            return ours.run()

        return Side(run)

    before = torch.get_num_threads()
    with busy_cores():
        row = compared(
            "CoOp step, 50 classes, two threads beside busy processes",
            Goal(at_most=1.5),
            (with_threads(2), with_threads(1)),
            repeats,
            against="one thread there",
        )
    torch.set_num_threads(before)
    return row
