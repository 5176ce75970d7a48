"""The tables and figures of papers as a list: what each needs, and what is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.api.missing_inputs import Places, add_missing_features
from bench.api.options import DEFAULT_RUNS, SYNTHETIC_RUNS
from bench.table import Table


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
) -> Table:
    """The tables and figures of a paper, and in the last row all of them, each run counted once.

    A row has the runs that are needed, those of them that are `done`, the `gpu_hours` of all its runs as the paper's
    file states them, and the datasets and weights that are `missing` on this machine.

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

    loaded_paper, places = read_paper(paper), Places(data_root)
    add_missing_features(loaded_paper, data_root)
    plans = PaperPart.of(loaded_paper, list(loaded_paper.experiments), on=on, **changes).outlines
    plans = {**plans, "all": [outline for outlines in plans.values() for outline in outlines]}
    titles = {name: experiment.title for name, experiment in loaded_paper.experiments.items()} | {
        "all": "each run once"
    }
    finished, hours = finished_seeds(folder_of_runs(runs, on)), {} if on else loaded_paper.header.gpu_hours
    rows: list[dict[str, Any]] = []
    for name, title in titles.items():
        needs = needs_of(plans[name], finished)
        missing = places.missing(needs.datasets, needs.backbones)
        rows.append({"name": name, "title": title, "runs": needs.runs, "done": needs.done})
        rows[-1] |= {"gpu_hours": hours.get(name), "missing": missing}
    *experiments, total = rows
    below = ["GPU hours are estimated for all runs as in the paper, on one such as an RTX 3090."] if hours else []
    below += ["What is missing here comes from:", *places.commands(total["missing"])] if total["missing"] else []
    below += [SYNTHETIC_STATEMENT] if on else []
    facts: dict[str, Any] = {"title": loaded_paper.header.title, "address": loaded_paper.header.address}
    facts |= {"experiments": experiments, "total": total, "notes": below}
    if unfinished := next((row["name"] for row in experiments if row["done"] < row["runs"]), ""):
        below = [*below, f"To run one, repeat the command with its name after the paper, such as {unfinished}."]
    return Table(
        rows,
        ["name", "title", "runs", "done", *(["gpu_hours"] if any(row["gpu_hours"] for row in rows) else [])],
        f"{loaded_paper.header.title} ({loaded_paper.header.address})",
        facts=lambda: facts,
        below=lambda: "\n".join(below),
    )
