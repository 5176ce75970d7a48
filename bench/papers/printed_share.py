"""How much of what a paper's tables run has a printed number in the ledger."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.papers.cells_of_papers import PrintedCells
from bench.papers.conditions import RunConditions, conditions_of_spec, meets
from bench.papers.experiment_status import run_key
from bench.papers.paper_files import Paper, read_paper, shipped_papers
from bench.papers.published_numbers import ZERO_SHOT, members, place_of, published_frame, rows_of, system_of
from bench.results import known_methods


def shipped_cells_text() -> str:
    """The content of that file."""
    return json.dumps({name: vars(printed_cells(read_paper(name))) for name in shipped_papers()}, indent=1) + "\n"


def printed_cells(paper: Paper) -> PrintedCells:
    """The printed cells of the methods of this paper, or of all that it runs if the package has none of them."""
    runs: dict[tuple[str, str], RunConditions] = {}
    for name in paper.experiments:
        for outline in paper.outlines(name):
            for spec in outline.specs:
                for dataset in (spec.dataset, *spec.targets):
                    runs.setdefault((run_key(spec), dataset), conditions_of_spec(spec, dataset))
    papers = {method: known_methods().get(method).paper for method in {run.method for run in runs.values()}}
    own = {method for method, address in papers.items() if address and paper.header.address.endswith(address)}
    cells = [run for run in runs.values() if run.method in own or not own]
    numbers = _numbers({system_of(run.method) for run in cells})
    printed, averages = 0, set[int]()
    for run in cells:
        shots = 0 if run.method == ZERO_SHOT else run.shots
        key = (system_of(run.method), run.backbone, run.protocol, shots, run.dataset)
        met = [one for alike in numbers.get(key, {}).values() if meets(alike[0].row, run) for one in alike]
        printed += any(not one.row["over"] for one in met)
        averages |= {one.index for one in met if one.row["over"]}
    return PrintedCells(len(cells), printed, len(averages), bool(own))


_Key = tuple[str, str, str, int, str]
"""Method, backbone, protocol, shots and dataset."""


@dataclass(frozen=True)
class _Number:
    """A row of the ledger, and its index."""

    index: int
    row: Mapping[str, Any]


def _numbers(methods: set[str]) -> Mapping[_Key, Mapping[tuple[str, ...], Sequence[_Number]]]:
    """The accuracies of some methods by the cells that they can meet; numbers of equal conditions are one list."""
    frame = published_frame()
    frame = frame[(frame["metric"] == "accuracy") & frame["method"].map(system_of).isin(methods)]
    found: dict[_Key, dict[tuple[str, ...], list[_Number]]] = defaultdict(lambda: defaultdict(list))
    for index, row in enumerate(rows_of(frame)):
        if (place := place_of(row)) is not None:
            conditions = (row["recipe"], row["settings"], row["draw"])
            for protocol in place.protocols:
                for dataset in members(row):
                    key = (place.method, place.backbone, protocol, place.shots, dataset)
                    found[key][conditions].append(_Number(index, row))
    return found
