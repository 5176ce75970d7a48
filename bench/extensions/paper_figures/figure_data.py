"""Data of the figures: base-to-new boards of one backbone, dataset difficulty, and stored ensemble features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bench.analysis import (
    Cell,
    Entry,
    Estimate,
    Leaderboard,
    board_settings,
    build_leaderboard,
    dataset_difficulty,
    difficulty_groups,
    student_t,
)
from bench.extensions.paper_figures.figure import FigurePoint
from bench.papers import Catalogue
from bench.record import Predictions
from bench.spec import ALL_SHOTS

if TYPE_CHECKING:
    import pandas as pd

STORE_BRANCHES = "--keep-branches --rerun all"
"""Options of the command that adds runs with both branches of the ensemble."""
PROTOCOL = "base-to-new"
FIGURE_SHOTS = (1, 2, 4, 8, 16)
"""The paper's few-shot axis."""
PANELS = {"base": "Base classes", "new": "New classes", "H": "Harmonic mean H"}

LoadPredictions = Callable[[str], Sequence[Predictions]]
"""Predictions of a run, with the stored features of its ensemble, by run id."""


@dataclass(frozen=True)
class FigureData:
    """The data of all figures.

    Args:
        boards: boards of one protocol and plain draws by shots; with several draws, the one with the most runs.
        scores: accuracy by run id and split.
        measures: difficulty by (dataset, split, measure).
        curves: accuracy by run id, epoch and split, where it was recorded during training.
    """

    backbone: str
    boards: Mapping[int, Leaderboard]
    scores: Mapping[str, Mapping[str, float]]
    measures: Mapping[tuple[str, str, str], float]
    catalogue: Catalogue
    load_predictions: LoadPredictions
    curves: Mapping[str, Mapping[int, Mapping[str, float]]] = field(default_factory=dict)

    @cached_property
    def main(self) -> Leaderboard | None:
        """The board with 16 shots, or else with the most."""
        return self.boards.get(16) or (self.boards[max(self.boards)] if self.boards else None)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the main board from easy to hard, unmeasured ones last."""
        names = self.main.datasets if self.main else ()
        return tuple(sorted(names, key=lambda name: (self.rtd(name) is None, self.rtd(name) or 0.0, name)))

    @property
    def groups(self) -> tuple[list[str], list[str]]:
        """Easy and hard datasets; the outer thirds, at most three each, as in the paper."""
        known = {name: value for name in self.datasets if (value := self.rtd(name)) is not None}
        return difficulty_groups(sorted(known), known)

    def rtd(self, dataset: str) -> float | None:
        """Relative transfer difficulty over all classes."""
        return self.measures.get((dataset, "all", dataset_difficulty.RTD))

    def title(self, dataset: str) -> str:
        """A dataset's title."""
        return self.catalogue.dataset(dataset).title

    def method(self, name: str) -> str:
        """A method's title."""
        return self.catalogue.method(name).title

    def entry(self, board: Leaderboard | None, method: str) -> Entry | None:
        """A method's entry; with several configs, the one with the most cells, and the default on ties."""
        entries = board.entries if board else ()
        found = [entry for entry in entries if entry.method == method and entry.cells and not entry.oracle]
        return min(found, key=lambda entry: (-entry.n, bool(entry.label), entry.key), default=None)

    def cell(self, board: Leaderboard | None, method: str, dataset: str) -> Cell | None:
        """A method's scores on a dataset."""
        entry = self.entry(board, method)
        return entry.cells.get(dataset) if entry else None

    def command(
        self, methods: Sequence[str], datasets: Sequence[str], shots: Sequence[int] | None = None, options: str = ""
    ) -> str:
        """The command that runs some methods on some datasets with this backbone."""
        seeds = ",".join(map(str, self.main.seeds)) if self.main and len(self.main.seeds) > 1 else "1,2,3"
        wanted = ",".join(map(str, shots or (self.main.setting.shots if self.main else 16,)))
        quoted = [f"'{name}'" if set(name) & set("[]*? ") else name for name in datasets]
        text = (
            f"etl-bench run -m {','.join(methods)} -d {','.join(quoted) or 'all'} -b {self.backbone} "
            f"--protocol {PROTOCOL} --shots {wanted} --seeds {seeds}"
        )
        return f"{text} {options}".strip()


def gather_figure_data(
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    load_predictions: LoadPredictions,
    curves: pd.DataFrame | None = None,
    protocol: str = PROTOCOL,
) -> FigureData:
    """The data of the backbone with most runs of a protocol, from frames of the store."""
    here = runs[runs["protocol"] == protocol]
    counts = Counter(map(str, here.drop_duplicates("run_id")["backbone"]))
    backbone = max(sorted(counts), key=lambda name: counts[name], default="")
    boards: dict[int, Leaderboard] = {}
    for setting in board_settings(here):
        if setting.backbone == backbone and setting.shots != ALL_SHOTS and setting.plain:
            board = build_leaderboard(here, setting)
            size = sum(entry.n for entry in board.entries)
            if setting.shots not in boards or size > sum(entry.n for entry in boards[setting.shots].entries):
                boards[setting.shots] = board
    measured = difficulty[difficulty["backbone"] == backbone].dropna(subset=["value"])
    rows = measured[["dataset", "split", "measure", "value"]].itertuples(index=False)
    measures = {(str(d), str(split), str(m)): float(value) for d, split, m, value in rows}
    scores: dict[str, dict[str, float]] = {}
    scored = here.dropna(subset=["accuracy"])[["run_id", "split", "accuracy"]]
    for run, split, accuracy in scored.itertuples(index=False):
        scores.setdefault(str(run), {})[str(split)] = float(accuracy)
    along: dict[str, dict[int, dict[str, float]]] = {}
    recorded = () if curves is None else curves[["run_id", "epoch", "split", "accuracy"]].itertuples(index=False)
    for run, epoch, split, accuracy in recorded:
        along.setdefault(str(run), {}).setdefault(int(epoch), {})[str(split)] = float(accuracy)
    return FigureData(backbone, boards, scores, measures, catalogue, load_predictions, along)


def estimate_point(
    panel: str, series: str, x: float | str, estimate: Estimate, run_ids: tuple[str, ...] = (), *, scale: float = 100.0
) -> FigurePoint:
    """An estimate as a point; fractions become percent."""
    low, high = (None if end is None else scale * end for end in (estimate.low, estimate.high))
    covers = str(estimate.covers or "")
    return FigurePoint(panel, series, x, scale * estimate.mean, low, high, estimate.n, run_ids, covers)


def over_seeds(by_dataset: Sequence[Sequence[float]]) -> Estimate:
    """Mean over datasets within each seed, then over seeds; no interval if seeds are missing."""
    if len({len(values) for values in by_dataset}) == 1:
        return student_t([sum(seed) / len(seed) for seed in zip(*by_dataset, strict=True)])
    means = [sum(values) / len(values) for values in by_dataset]
    return Estimate(sum(means) / len(means), max(map(len, by_dataset)))
