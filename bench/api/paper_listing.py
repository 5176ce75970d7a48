"""The tables and figures of papers as a list: what each needs, what is done, and what it will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._util.words import counted
from bench.api.reproducing import experiment_outlines


@dataclass(frozen=True)
class ListedExperiment:
    """A table or figure of a paper, and what it needs.

    Args:
        runs, done: runs, and those of them that are finished.
        hours, bytes: estimated for the runs that are not done: GPU hours, or hours of two cores for synthetic runs.
        missing: datasets and weights that are not on this machine.
    """

    name: str
    title: str
    runs: int
    done: int
    hours: float
    bytes: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class PaperListing:
    """The experiments of a paper.

    Args:
        total: of all experiments together, each run counted once.
        notes: how the hours are estimated, and commands that fetch what is missing.
    """

    title: str
    address: str
    experiments: tuple[ListedExperiment, ...]
    total: ListedExperiment
    notes: tuple[str, ...]


def list_papers() -> list[dict[str, object]]:
    """The shipped papers: name, title, address, number of tables and figures, and cells with a printed number.

    A cell is one training of the paper's own method on one dataset.
    """
    from bench.papers import printed_cells, read_paper, shipped_papers

    found = [read_paper(name) for name in shipped_papers()]
    return [
        {
            "paper": one.name,
            "title": one.header.title,
            "address": one.header.address,
            "tables and figures": len(one.experiments),
            "printed numbers": printed_cells(one).text,
        }
        for one in found
    ]


def list_experiments(
    paper: str, *, on: str | None = None, runs: str | Path = "runs", data_root: Path | None = None, **changes: Any
) -> PaperListing:
    """The tables and figures of a paper: runs needed and done, what is missing, estimated hours and disk.

    Reads no data and loads no weights.

    Args:
        paper: name of a shipped paper, or the path of a file.
        on: `synthetic` for the included suite and backbone in place of the paper's.
        runs: folder of the runs.
        data_root: folder of the datasets.
        changes: `methods`, `datasets`, `seeds` or `backbones` in place of the paper's, as of `reproduce_paper`.

    Raises UnknownNameError for an unknown paper, and UsageError, which names the line, for a wrong file.
    """
    from bench.papers import (
        CPU,
        GPU,
        SYNTHETIC_STATEMENT,
        finished_runs,
        needs_of,
        planned_cells,
        printed_cells,
        read_paper,
    )

    found, machine = read_paper(paper), CPU if on else GPU
    finished = finished_runs(Path(runs).expanduser(), machine)
    listed, every, places = [], [], _Places(data_root)
    for name, experiment in found.experiments.items():
        cells = planned_cells(experiment_outlines(found, name, on, changes), machine)
        every += cells
        needs = needs_of(cells, finished)
        missing = places.missing(needs.datasets, needs.backbones)
        size = (needs.runs, needs.done, needs.hours, needs.bytes)
        listed.append(ListedExperiment(name, experiment.title, *size, missing))
    needs = needs_of(every, finished)
    missing = places.missing(needs.datasets, needs.backbones)
    total = ListedExperiment("all", "each run once", needs.runs, needs.done, needs.hours, needs.bytes, missing)
    notes = [machine.assumption]
    if not on:
        notes.append(
            f"Ledger: {printed_cells(found).text}; a cell is one training of the paper's own method on one dataset."
        )
    if needs.recorded:
        notes.append(
            f"Methods with finished runs here are scaled to the time of these ({counted(needs.recorded, 'run')})."
        )
    notes += [places.command(name) for name in total.missing]
    if on:
        notes.append(SYNTHETIC_STATEMENT)
    return PaperListing(found.header.title, found.header.address, tuple(listed), total, tuple(notes))


class _Places:
    """Which datasets and weights are on this machine, each looked up once."""

    def __init__(self, data_root: Path | None) -> None:
        self.data_root = data_root
        self._known: dict[str, bool] = {}

    def missing(self, datasets: Sequence[str], backbones: Sequence[str]) -> tuple[str, ...]:
        """The names of those that are not here."""
        found = [name for name in datasets if not self._here(name, self._has_data)]
        return (*found, *(name for name in backbones if not self._here(name, self._has_weights)))

    def command(self, name: str) -> str:
        """How to fetch a dataset or the weights of a backbone."""
        from datasets_registry import DATASETS, dataset_sources, get_dataset, way_to_get

        if name not in DATASETS.entries:
            command = f"etl-bench run -m zero_shot -d spectrum_basic -b {name}"
            return f"{name}: missing weights; `{command}` fetches them, as does the first run."
        root = self.data_root or "FOLDER"
        source = dataset_sources().get(name)
        options = () if source is None else source.fetch_options
        if options or way_to_get(get_dataset(name)) == "fetch":
            command = " ".join(("etl-bench datasets fetch", name, *options, f"--data-root {root}"))
            return f"{name}: missing; `{command}` fetches it."
        return f"{name}: missing; `etl-bench datasets check {name} --data-root {root}` says how to get it."

    def _here(self, name: str, look: Any) -> bool:
        if name not in self._known:
            self._known[name] = look(name)
        return self._known[name]

    def _has_data(self, name: str) -> bool:
        from datasets_registry import get_dataset, is_dataset_present

        info = get_dataset(name)
        return info.synthetic or is_dataset_present(info, self.data_root)

    @staticmethod
    def _has_weights(slug: str) -> bool:
        from methods import has_weights, parse_backbone

        return has_weights(parse_backbone(slug))
