"""The tables and figures of papers as a list: what each needs, what is done, and what it will cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.api.missing_inputs import Places
from bench.api.options import DEFAULT_RUNS, SYNTHETIC_RUNS

if TYPE_CHECKING:
    from bench.papers import Paper


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

    def row(self, unit: str) -> dict[str, object]:
        """What the list shows; `unit` is that of the hours."""
        from bench.papers import hours_text

        return {
            "what": self.name,
            "title": self.title,
            "runs": self.runs,
            "done": self.done,
            unit: hours_text(self.hours),
            "disk": f"{self.bytes / 1e9:.2g} GB",
        }


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
    from bench.papers import read_paper, shipped_cells, shipped_papers

    found, cells = [read_paper(name) for name in shipped_papers()], shipped_cells()
    return [
        {
            "paper": one.name,
            "title": one.header.title,
            "address": one.header.address,
            "tables and figures": len(one.experiments),
            "printed numbers": cells[one.name].text,
        }
        for one in found
    ]


def folder_of_runs(runs: str | Path | None, on: str | None) -> Path:
    """The given folder of a paper's runs, or the default one: runs on synthetic data have their own."""
    default = DEFAULT_RUNS if on is None else SYNTHETIC_RUNS
    return Path(default if runs is None else runs).expanduser()


def list_experiments(
    paper: str, *, on: str | None = None, runs: str | Path | None = None, data_root: Path | None = None, **changes: Any
) -> PaperListing:
    """The tables and figures of a paper: runs needed and done, what is missing, estimated hours and disk.

    Reads no data and loads no weights.

    Args:
        paper: name of a shipped paper, or the path of a file.
        on: `synthetic` for the included suite and backbone in place of the paper's.
        runs: folder of the runs. Default: `runs`, or `runs-synthetic` on synthetic data.
        data_root: folder of the datasets.
        changes: `methods`, `datasets`, `seeds` or `backbones` in place of the paper's, as of `reproduce_paper`.

    Raises UnknownNameError for an unknown paper, and UsageError, which names the line, for a wrong file.
    """
    from bench.papers import (
        CPU,
        GPU,
        SYNTHETIC_STATEMENT,
        PaperPart,
        finished_runs,
        needs_of,
        planned_cells,
        read_paper,
    )

    found, machine = read_paper(paper), CPU if on else GPU
    plans = PaperPart.of(found, list(found.experiments), on=on, **changes).outlines
    finished = finished_runs(folder_of_runs(runs, on), machine)
    listed, every, places = [], [], Places(data_root)
    for name, experiment in found.experiments.items():
        cells = planned_cells(plans[name], machine)
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
        notes.append(f"Ledger: {_printed_text(found)}; a cell is one training on one dataset.")
    if needs.recorded:
        notes.append(
            f"Methods with finished runs here are scaled to the time of these ({counted(needs.recorded, 'run')})."
        )
    notes += ["What is missing here comes from:", *places.commands(total.missing)] if total.missing else []
    if on:
        notes.append(SYNTHETIC_STATEMENT)
    return PaperListing(found.header.title, found.header.address, tuple(listed), total, tuple(notes))


def _printed_text(paper: Paper) -> str:
    from bench.papers import shipped_cells

    if paper.file is None:
        return shipped_cells()[paper.name].text
    from bench.papers import printed_cells  # counts them, which takes seconds

    return printed_cells(paper).text
