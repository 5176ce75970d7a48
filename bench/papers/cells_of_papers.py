"""How many cells of the shipped papers have a printed number, as counted when they or the ledger last changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

from bench._util.words import counted


@dataclass(frozen=True)
class PrintedCells:
    """The cells of a paper's own method: one training on one dataset, with the numbers of all its splits.

    Args:
        cells: how many its tables run.
        printed: those of them with a printed number.
        averages: printed averages that these runs give.
        own: whether the package has the paper's own method; else the cells are of all its methods.
    """

    cells: int
    printed: int
    averages: int
    own: bool

    @property
    def text(self) -> str:
        """Such as `11 of 66 cells printed`."""
        averages = f" and {counted(self.averages, 'average')}" if self.averages else ""
        whose = "" if self.own else " (all methods)"
        return f"{self.printed} of {counted(self.cells, 'cell')}{averages} printed{whose}"


SHIPPED_CELLS = "cells_of_papers.json"
"""The printed cells of the shipped papers; `python -m tools.generate_docs` writes it."""


def shipped_cells() -> dict[str, PrintedCells]:
    """The printed cells of each shipped paper, as they were counted when its file or the ledger last changed."""
    text = (resources.files("bench.papers") / SHIPPED_CELLS).read_text(encoding="utf-8")
    return {name: PrintedCells(**values) for name, values in json.loads(text).items()}
