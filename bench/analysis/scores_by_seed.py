"""Scores of a board's entries by run, with the test images that each run classifies correctly. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.analysis.leaderboard import ALL, HARMONIC, Entry, Leaderboard
from bench.analysis.metrics.scores import harmonic_mean
from bench.analysis.setting_runs import depends_on_seed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class SeedScore:
    """One run on one dataset. Two of them are equal only if they are the same object.

    Args:
        values: accuracies by split, and H and `open` if they were computed.
        seeded: whether the run depends on its seed; a zero-shot run does not.
        correct: by split, a digest of the test images, and whether each is classified correctly, `(n,)`. None for a
            split without predictions. None as a whole if the frame of the runs has no outcomes.
        groups: by split, a number for each image, `(n,)`; images of one group, such as a patient's, have the same. A
            split without groups, or with one group only, is left out.
    """

    run_id: str
    values: Mapping[str, float]
    seeded: bool
    correct: Mapping[str, tuple[str, NDArray[np.bool_]] | None] | None
    groups: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    def __contains__(self, measure: str) -> bool:
        return measure == "gap" or measure in self.values

    def __getitem__(self, measure: str) -> float:
        return self.values["base"] - self.values["new"] if measure == "gap" else self.values[measure]


Scores = Mapping[str, Mapping[int, SeedScore]]
"""Scores of one entry by dataset and seed."""


def seed_scores(board: Leaderboard, runs: pd.DataFrame) -> dict[str, Scores]:
    """Scores of the counted runs of every entry by dataset and seed.

    `runs` is the store's `runs_frame(outcomes=True)`; without outcomes, the noise of the test images is unknown. A run
    without shots does not depend on the seed; it is listed under every seed of the board.
    """
    cells = (cell for entry in board.entries for cell in entry.cells.values())
    runs = runs[runs["run_id"].isin({run_id for cell in cells for run_id in cell.run_ids})]
    known: dict[str, dict[str, tuple[float, tuple[str, NDArray[np.bool_]] | None]]] = defaultdict(dict)
    groups: dict[str, dict[str, NDArray[np.int32]]] = defaultdict(dict)
    with_outcomes = "correct" in runs
    ids, splits, accuracies = (runs[name].tolist() for name in ("run_id", "split", "accuracy"))
    found_images = zip(runs["images"].tolist(), runs["correct"].tolist(), strict=True) if with_outcomes else None
    for run_id, split, accuracy, (images, correct) in zip(
        ids, splits, accuracies, found_images or repeat((None, None)), strict=False
    ):
        if isinstance(split, str):
            known[run_id][split] = float(accuracy), (images, correct) if isinstance(images, str) else None
    if "groups" in runs:
        for run_id, split, numbers in zip(ids, splits, runs["groups"].tolist(), strict=True):
            if numbers is not None and numbers.min() < numbers.max():  # one group has no spread between groups
                groups[run_id][split] = numbers
    seed_of = _seeds(runs)

    def score(run_id: str, dataset: str) -> SeedScore:
        found = known[run_id]
        of_images = groups.get(run_id, {})
        if board.setting.source:
            stored = board.stored_split(ALL, dataset)
            found = {ALL: found[stored]}
            of_images = {ALL: of_images[stored]} if stored in of_images else {}
        values = {split: accuracy for split, (accuracy, _) in found.items()}
        for measure, (one, other) in HARMONIC.items():
            if one in values and other in values:
                values[measure] = harmonic_mean(values[one], values[other])
        right = {split: correct for split, (_, correct) in found.items()} if with_outcomes else None
        return SeedScore(run_id, values, seed_of[run_id] is not None, right, of_images)

    return {
        entry.key: {
            dataset: {
                seed: score(run_id, dataset) for seed, run_id in _by_seed(entry, dataset, seed_of, board.seeds).items()
            }
            for dataset in entry.cells
        }
        for entry in board.entries
    }


def _seeds(runs: pd.DataFrame) -> dict[str, int | None]:
    """The seed of each run; None if the run does not depend on it."""
    columns = (runs[name].tolist() for name in ("run_id", "method", "protocol", "shots", "seed"))
    return {
        run_id: int(seed) if depends_on_seed(method, protocol, shots) else None
        for run_id, method, protocol, shots, seed in zip(*columns, strict=True)
    }


def _by_seed(entry: Entry, dataset: str, seed_of: Mapping[str, int | None], seeds: Sequence[int]) -> dict[int, str]:
    """The entry's run of each seed; a run that does not depend on the seed counts for every seed."""
    found: dict[int, str] = {}
    for run_id in entry.cells[dataset].run_ids:
        seed = seed_of[run_id]
        found |= dict.fromkeys(seeds if seed is None else [seed], run_id)
    return found
