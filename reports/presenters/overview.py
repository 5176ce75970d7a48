"""The first screen of one setting, from a leaderboard of runs or from a table of published numbers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from bench.analysis import (
    HARMONIC,
    OPEN,
    Entry,
    Grouping,
    H,
    Leaderboard,
    MeanTest,
    PairDifference,
    Standings,
    board_average,
    difficulty_groups,
    harmonic_mean,
    holm,
    page_groups,
    positions,
    rank_entries,
    seed_scores,
)
from bench.papers import Catalogue, short_titles
from bench.spec import ALL_SHOTS, DEMO_RECIPE, OPEN_BASE, OPEN_NEW
from reports.presenters.answer import ResultsHere, answer_view
from reports.presenters.trends import AXES, DIFFICULTY, LOG_AXES, MEASURES, SPLIT_OF, Measured, measured_datasets
from reports.views import (
    AxisView,
    CommonView,
    DemoSettingsView,
    MissingRunsView,
    OverviewView,
    PlacedDatasetView,
    RankedMethodView,
)

SYNTHETIC = "spectrum_"
"""Prefix of the names of synthetic datasets."""


def demo_settings(board: Leaderboard, runs: pd.DataFrame) -> DemoSettingsView | None:
    """The size of a demo; None if a method of the board trained with another recipe, or none trained.

    `runs` has a row for each run and split, with the number of test images `n`.
    """
    if {entry.recipe_name for entry in board.entries} - {None} != {DEMO_RECIPE}:
        return None
    ids = {run_id for entry in board.entries for run_id in entry.run_ids}
    again = runs["split"].isin([OPEN_BASE, OPEN_NEW])  # the images of base and new, among more names
    tested = runs[runs["run_id"].isin(ids) & ~again].drop_duplicates(["dataset", "split"])
    synthetic = all(name.startswith(SYNTHETIC) for name in board.datasets)
    shots = None if board.setting.shots == ALL_SHOTS else board.setting.shots
    return DemoSettingsView(shots, int(tested["n"].sum()), synthetic)


PLAIN_AXES = (
    AxisView("zero_shot_error", "Zero-shot error", log=False),
    AxisView("chance", "1 / number of classes", log=True),
)
Scores = Mapping[tuple[str, str], Mapping[str, tuple[float | None, ...]]]
"""Accuracies by (method, dataset) and class split, one per seed."""


def board_overview(
    board: Leaderboard,
    runs: pd.DataFrame,
    difficulty_frame: pd.DataFrame,
    catalogue: Catalogue,
    *,
    anchor: str = "answer",
    groups: Grouping = difficulty_groups,
    standings: Standings | None = None,
) -> OverviewView:
    """The first screen of a leaderboard made from `runs`.

    Args:
        runs, difficulty_frame: the store's `runs_frame(outcomes=True)` and `difficulty_frame()`.
        standings: `rank_entries(board, runs)`, if known.
    """
    standings = rank_entries(board, runs) if standings is None else standings
    measured = measured_datasets(difficulty_frame, board.setting.backbone)
    names = {entry.key: entry_name(entry, catalogue) for entry in board.entries}
    by_seed = seed_scores(board, runs)
    scores: dict[tuple[str, str], dict[str, tuple[float | None, ...]]] = {}
    run_ids: dict[tuple[str, str], tuple[str | None, ...]] = {}
    opened = {entry.key for entry in board.entries if entry.average(OPEN, board.convention)}
    for key, of_entry in by_seed.items():
        for dataset in board.averaged:
            if found := of_entry.get(dataset):
                seeds = board.seeds if any(score.seeded for score in found.values()) else [min(found)]
                scores[key, dataset] = {
                    split: tuple(found[seed].values[split] if seed in found else None for seed in seeds)
                    for split in (*board.splits, *(HARMONIC[OPEN] if key in opened else ()))
                }
                run_ids[key, dataset] = tuple(found[seed].run_id if seed in found else None for seed in seeds)
    methods = tuple(
        RankedMethodView(
            key=entry.key,
            name=names[entry.key],
            family=catalogue.method(entry.method).family,
            complete=entry.rankable,
            trained=None if entry.cost is None else entry.cost.steps > 0,
            parameters=None if entry.cost is None else entry.cost.parameters_high,
            seconds=None if entry.cost is None else entry.cost.learning_seconds,
        )
        for entry in board.entries
    )
    titles = short_titles([catalogue.dataset(name).title for name in board.datasets])
    datasets = tuple(
        PlacedDatasetView(
            name,
            title,
            n_classes=measured[name].n_classes,
            zero_shot={split: value for (what, split), value in measured[name].values.items() if what == ZERO_SHOT},
        )
        for name, title in zip(board.datasets, titles, strict=True)
        if name in board.averaged
    )

    def tests(measure: str, leader: str) -> ResultsHere:
        if measure == standings.measure:
            pairs = {other: found for (a, other), found in standings.pairs.items() if a == leader}
            known = {key: pair for key, pair in pairs.items() if pair.p is not None}
            left = [key for key, pair in known.items() if not pair.significant]
            return ResultsHere(_intervals(known), tuple(left))
        others = [entry.key for entry in board.entries if entry.rankable and entry.key != leader]
        found = {key: board_average(board, by_seed, leader, key, measure) for key in others}
        tested = {key: test for key, test in found.items() if test is not None and test.p is not None}
        adjusted = holm([test.p for test in tested.values() if test.p is not None])
        return ResultsHere(_intervals(tested), tuple(k for k, p in zip(tested, adjusted, strict=True) if p > 0.05))

    averages = {
        measure: {e.key: mean.mean for e in board.entries if (mean := e.average(measure, board.convention))}
        for measure in board.measures
    }
    difficulty = {measure: _difficulty(datasets, measured, SPLIT_OF[measure]) for measure in board.measures}
    view = overview(
        anchor=anchor,
        setting=board.setting.protocol if board.setting.source else board.setting.protocol_text,
        backbone=board.setting.backbone,
        n_runs=len({run_id for entry in board.entries for run_id in entry.run_ids}),
        seeds=board.seeds,
        baseline=board.baseline,
        methods=methods,
        datasets=datasets,
        measures=board.measures,
        scores=scores,
        averages=averages,
        difficulty=difficulty,
        tests=tests,
        groups=groups,
        h_convention=board.convention.value if H in board.measures else None,
        missing=_missing(board, names, catalogue),
        run_ids=run_ids,
        common=_common(board, names),
    )
    return replace(view, demo=demo_settings(board, runs))


def entry_name(entry: Entry, catalogue: Catalogue) -> str:
    """The title of the method, and the settings that distinguish the entry."""
    title = catalogue.method(entry.method).title
    return f"{title} ({entry.label})" if entry.label else title


ZERO_SHOT = "zero_shot_accuracy"


def overview(
    *,
    anchor: str,
    setting: str,
    backbone: str,
    n_runs: int,
    seeds: tuple[int, ...],
    baseline: str | None,
    methods: tuple[RankedMethodView, ...],
    datasets: tuple[PlacedDatasetView, ...],
    measures: tuple[str, ...],
    scores: Scores,
    averages: Mapping[str, Mapping[str, float]],
    difficulty: Mapping[str, Mapping[str, Mapping[str, float]]],
    tests: Callable[[str, str], ResultsHere],
    groups: Grouping,
    h_convention: str | None = None,
    missing: MissingRunsView | None = None,
    run_ids: Mapping[tuple[str, str], tuple[str | None, ...]] | None = None,
    common: CommonView | None = None,
) -> OverviewView:
    """The first screen of any table of accuracies.

    Args:
        averages: by measure and method, as on the leaderboard.
        difficulty: by measure, axis and dataset.
        tests: of a leader on these datasets, by measure and leader.
    """
    answers = {}
    named: tuple[tuple[str, ...], ...] = ((), (), ())
    for measure in measures:
        split = SPLIT_OF[measure]
        known, zero = difficulty[measure][DIFFICULTY], {d.name: d.zero_shot.get(split) for d in datasets}
        found = positions([known.get(d.name) for d in datasets], [zero[d.name] for d in datasets])
        places = {d.name: place for d, place in zip(datasets, found, strict=True) if place is not None}
        named = tuple(tuple(group) for group in page_groups(places, groups))
        means = {m: [_mean(scores, m.key, d, measure) for d in zero] for m in methods if m.complete}
        complete = [method for method, row in means.items() if None not in row]
        table = np.array([means[method] for method in complete], dtype=float).reshape(len(complete), len(datasets))
        answers[measure] = answer_view(
            measure, averages[measure], complete, table, datasets, baseline,
            difficulty[measure], places, named, tests,
        )  # fmt: skip
    used = {axis for by_axis in difficulty.values() for axis, values in by_axis.items() if values}
    axes: tuple[AxisView, ...] = AxisView(DIFFICULTY, "Transfer difficulty", log=True), *PLAIN_AXES
    axes += tuple(AxisView(name, MEASURES[name], name in LOG_AXES) for name in AXES[1:])
    easy, medium, hard = named
    return OverviewView(
        anchor=anchor,
        setting=setting,
        backbone=backbone,
        n_runs=n_runs,
        seeds=seeds,
        baseline=baseline,
        methods=methods,
        datasets=datasets,
        measures=measures,
        axes=tuple(axis for axis in axes if axis.name in used),
        scores=scores,
        answers=answers,
        groups=(easy, medium, hard),
        named_groups=groups is not difficulty_groups,
        h_convention=h_convention,
        missing=missing,
        runs=run_ids or {},
        common=common,
    )


def _mean(scores: Scores, method: str, dataset: str, measure: str) -> float | None:
    """Mean over seeds; a harmonic mean is computed for each seed first."""
    cell = scores.get((method, dataset), {})
    if measure in HARMONIC:
        one, other = HARMONIC[measure]
        pairs = zip(cell.get(one, ()), cell.get(other, ()), strict=True)
        values = [harmonic_mean(base, new) for base, new in pairs if base is not None and new is not None]
    else:
        values = [value for value in cell.get(measure, ()) if value is not None]
    return float(np.mean(values)) if values else None


def _intervals(tests: Mapping[str, MeanTest] | Mapping[str, PairDifference]) -> dict[str, tuple[float, float]]:
    return {k: (test.low, test.high) for k, test in tests.items() if test.low is not None and test.high is not None}


def _difficulty(
    datasets: Sequence[PlacedDatasetView], measured: Mapping[str, Measured], split: str
) -> dict[str, dict[str, float]]:
    """Values on every axis by dataset; on a logarithmic axis only positive ones."""
    found: dict[str, dict[str, float]] = {}
    for axis in AXES:
        values = {d.name: measured[d.name].values.get((axis, split)) for d in datasets}
        found[axis] = {name: x for name, x in values.items() if x is not None and (x > 0 or axis not in LOG_AXES)}
    found["zero_shot_error"] = {d.name: 1 - d.zero_shot[split] for d in datasets if split in d.zero_shot}
    found["chance"] = {d.name: 1 / d.n_classes[split] for d in datasets if d.n_classes.get(split)}
    return found


def _common(board: Leaderboard, names: Mapping[str, str]) -> CommonView | None:
    found = board.common
    if found is None:
        return None
    datasets = len(set(found.datasets) & set(board.averaged))
    without = tuple(names[key] for key in found.without)
    return CommonView(datasets, len(found.seeds), len(found.entries), without)


def _missing(board: Leaderboard, names: Mapping[str, str], catalogue: Catalogue) -> MissingRunsView | None:
    if not board.missing:
        return None
    texts = [
        f"{names[cell.entry]} on {catalogue.dataset(cell.dataset).title}"
        + (f" (seed {cell.seed})" if len(board.seeds) > 1 else "")
        for cell in board.missing
    ]
    failures = Counter(" ".join(cell.error.split()) for cell in board.missing if cell.error is not None)
    expected = sum(entry.planned for entry in board.entries)
    incomplete = len({cell.entry for cell in board.missing})
    return MissingRunsView(len(board.missing), expected, incomplete, tuple(texts[:2]), tuple(failures.most_common()))
