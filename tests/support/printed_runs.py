"""Runs whose accuracies are the numbers of a printed table, as leaderboards without files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from simulated_boards import entry

from bench.analysis import HConvention, Leaderboard, ScoreArray, Setting
from bench.papers.published_numbers import PrintedNumber, named_recipes, numbers_of
from bench.results import known_methods, settled_recipe
from datasets_registry import EvalProtocol, get_dataset

SEEDS = (1, 2, 3)
NOISE = (-0.0005, 0.0, 0.0005)
"""Of the seeds; it has mean 0."""


@dataclass
class PrintedRuns:
    """The entries of a method with the recipe and settings of a number: accuracies by dataset and split."""

    method: str
    backbone: str
    protocol: str
    shots: int
    recipe: str
    settings: str
    values: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    printed: set[tuple[str, str]] = field(default_factory=set)

    def prints(self, dataset: str, split: str, over: str = "") -> bool:
        """Whether the accuracies of a cell, or of all datasets of an average, are numbers of the table."""
        splits = ("base", "new") if split == "H" else (split,)
        names = over.split(",") if over else [dataset] if dataset in self.values else list(self.values)
        return all((name, part) in self.printed for name in names for part in splits)

    def board(self, shift: float = 0.0, name: object = "") -> Leaderboard:
        """Its leaderboard; `shift` is added to every accuracy, and `name` begins the ids of its runs."""
        splits = ("base", "new") if self.protocol == "base-to-new" else ("all",)
        source = "imagenet" if self.protocol in ("cross-dataset", "domain-generalization") else ""
        seeds = SEEDS[:1] if self.method == "zero_shot" else SEEDS
        datasets = tuple(self.values)
        shape = 1, len(datasets), len(seeds)
        scores, run_ids = {split: np.zeros(shape) for split in splits}, np.full(shape, None, dtype=object)
        for column, (dataset, values) in enumerate(self.values.items()):
            for place, noise in enumerate(NOISE if len(seeds) > 1 else (0.0,)):
                run_ids[0, column, place] = f"{name}-{dataset}-{seeds[place]}"
                for split in splits:
                    scores[split][0, column, place] = values[split] + shift + noise
        named = named_recipes().get(self.recipe, {})
        published = known_methods().get(self.method).recipe_for(EvalProtocol(self.protocol)) if named else None
        recipe = {} if published is None else settled_recipe(published, self.shots, get_dataset("dtd"))
        stated = json.loads(self.settings or "{}")
        config = {key: value[0] if isinstance(value, list) else value for key, value in stated.items()}
        entry_of_method = entry(
            self.method,
            config,
            None if self.method == "zero_shot" else recipe | {"name": self.recipe, **named},
            None if self.method == "zero_shot" else ("custom" if named else "published"),
        )
        averaged = tuple(dataset for dataset in datasets if dataset != source)
        array = ScoreArray((self.method,), datasets, seeds, scores, averaged, (len(seeds) > 1,), run_ids)
        return Leaderboard(
            setting=Setting(self.backbone, self.protocol, self.shots, "coop", "fp32", source),
            convention=HConvention.MEAN_OF_H, measures=(*splits, "H") if "new" in splits else splits,
            entries=(entry_of_method,), array=array, baseline=None, excluded=(), missing=(), common=None,
        )  # fmt: skip


def printed_runs(numbers: pd.DataFrame, first: Callable[[Sequence[PrintedNumber]], PrintedNumber]) -> list[PrintedRuns]:
    """The runs that have these numbers: of several numbers of one cell, `first` chooses one.

    A split that is not printed gets some accuracy. A misprint is replaced by the value that was meant.
    """
    found: dict[tuple[object, ...], dict[tuple[str, str], list[PrintedNumber]]] = defaultdict(lambda: defaultdict(list))
    for number in numbers_of(numbers):
        if not number.cells or number.over or number.split == "H":
            continue
        method, protocol, backbone, shots, dataset, split = number.cells[0]
        key = method, backbone, protocol, shots, number.recipe or "published", number.settings or "{}"
        found[key][dataset, split].append(number)
    runs = []
    for key, cells in found.items():
        run = PrintedRuns(*key)
        wanted = {"base", "new"} if run.protocol == "base-to-new" else {"all"}
        for (dataset, split), of_cell in cells.items():
            number = first(of_cell)
            run.values[dataset][split] = number.value if number.likely is None else number.likely
        run.printed = {(dataset, split) for dataset, values in run.values.items() for split in values}
        for values in run.values.values():
            for split in wanted - set(values):
                values[split] = 0.7  # nothing is printed that it could be compared with
        runs.append(run)
    return runs
