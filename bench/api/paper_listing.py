"""The tables and figures of papers as a list: what each needs, and what is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.api.missing_inputs import Places, add_missing_features
from bench.api.options import DEFAULT_RUNS, SYNTHETIC_RUNS
from bench.table import Table


@dataclass(frozen=True)
class ListedExperiment:
    """A table or figure of a paper, and what it needs.

    Args:
        runs, done: runs, and those of them that are finished.
        gpu_hours: of all its runs as in the paper, as the paper's file states them; None if it does not.
        missing: datasets and weights that are not on this machine.
    """

    name: str
    title: str
    runs: int
    done: int
    gpu_hours: float | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class PaperListing:
    """The experiments of a paper.

    Args:
        total: of all experiments together, each run counted once.
        notes: what the hours are, and commands that fetch what is missing.
    """

    title: str
    address: str
    experiments: tuple[ListedExperiment, ...]
    total: ListedExperiment
    notes: tuple[str, ...]

    def table(self) -> Table:
        """One row per experiment, and one for all together."""
        rows = [vars(one) for one in (*self.experiments, self.total)]
        hours = ["gpu_hours"] if any(row["gpu_hours"] for row in rows) else []
        left = next((one.name for one in self.experiments if one.done < one.runs), "")
        next_step = f"To run one, repeat the command with its name after the paper, such as {left}." if left else ""
        below = "\n".join(filter(None, [*self.notes, next_step]))
        columns = ["name", "title", "runs", "done", *hours]
        title = f"{self.title} ({self.address})"
        return Table(rows, columns, title, facts=lambda: self, below=lambda: below)


def list_papers() -> Table:
    """The shipped papers: name, title, address, and number of tables and figures."""
    from bench.papers import read_paper, shipped_papers

    papers = [read_paper(paper) for paper in shipped_papers()]
    names = ("paper", "title", "address", "tables and figures")
    values = [(paper.name, paper.header.title, paper.header.address, len(paper.experiments)) for paper in papers]
    return Table([dict(zip(names, of_paper, strict=True)) for of_paper in values])


def folder_of_runs(runs: str | Path | None, on: str | None) -> Path:
    """The given folder of a paper's runs, or the default one: runs on synthetic data have their own."""
    default = DEFAULT_RUNS if on is None else SYNTHETIC_RUNS
    return Path(default if runs is None else runs).expanduser()


def list_experiments(
    paper: str, *, on: str | None = None, runs: str | Path | None = None, data_root: Path | None = None, **changes: Any
) -> PaperListing:
    """The tables and figures of a paper: runs needed and done, GPU hours, and what is missing.

    Reads no data and loads no weights, but for imported features, which it adds.

    Args:
        paper: name of a shipped paper, or the path of a file.
        on: `synthetic` for the included suite and backbone in place of the paper's.
        runs: folder of the runs. Default: `runs`, or `runs-synthetic` on synthetic data.
        data_root: folder of the datasets.
        changes: `methods`, `datasets`, `seeds` or `backbones` in place of the paper's, as of `reproduce_paper`.

    Raises UnknownNameError for an unknown paper, and UsageError for missing features and, with the line, a wrong file.
    """
    from bench.papers import SYNTHETIC_STATEMENT, PaperPart, finished_seeds, needs_of, read_paper

    found, places = read_paper(paper), Places(data_root)
    add_missing_features(found, data_root)
    plans = PaperPart.of(found, list(found.experiments), on=on, **changes).outlines
    plans = {**plans, "all": [outline for outlines in plans.values() for outline in outlines]}
    titles = {name: experiment.title for name, experiment in found.experiments.items()} | {"all": "each run once"}
    finished, hours = finished_seeds(folder_of_runs(runs, on)), {} if on else found.header.gpu_hours
    listed = []
    for name, title in titles.items():
        needs = needs_of(plans[name], finished)
        missing = places.missing(needs.datasets, needs.backbones)
        listed.append(ListedExperiment(name, title, needs.runs, needs.done, hours.get(name), missing))
    *experiments, total = listed
    notes = ["GPU hours are estimated for all runs as in the paper, on one such as an RTX 3090."] if hours else []
    notes += ["What is missing here comes from:", *places.commands(total.missing)] if total.missing else []
    notes += [SYNTHETIC_STATEMENT] if on else []
    return PaperListing(found.header.title, found.header.address, tuple(experiments), total, tuple(notes))
