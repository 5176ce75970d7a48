"""Lists the settings that have a leaderboard, builds one of them, and finds the cells to compare on. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.entries import entry_keys, make_entry
from bench.analysis.leaderboard import CommonCells, Leaderboard, Setting
from bench.analysis.measures import ALL, BASELINE, HARMONIC, OPEN, H, HConvention
from bench.analysis.score_array import ReadOutcomes, ScoreArray
from bench.analysis.setting_runs import (
    TRANSFER_PROTOCOLS,
    RunTable,
    ScoredRun,
    belongs,
    learned_images,
    planned_run,
    select_runs,
)
from bench.spec import LEARNED, ExperimentSpec
from datasets_registry import EvalProtocol

_ALL_SUBSETS = 8
"""Largest number of seeds for which every subset is tried; beyond it, only the seeds that most entries have."""


class _Grid(NamedTuple):
    """Datasets and seeds, as places in the array, and whether each entry has all of these cells."""

    datasets: tuple[int, ...]
    seeds: tuple[int, ...]
    entries: NDArray[np.bool_]

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of paired runs in the grid; among equals, more entries and then more datasets are better."""
        n = int(self.entries.sum())
        return n * (n - 1) // 2 * len(self.datasets) * len(self.seeds), n, len(self.datasets)


def common_cells(board: Leaderboard) -> CommonCells | None:
    """The datasets and seeds to compare on; None for all of them.

    All are compared if at least half of the entries, and at least two, have them. One entry with more seeds or datasets
    than the others thus does not leave the others without a rank. Otherwise the grid with most pairs of runs is chosen
    among those that at least half of the entries have; if there is none, among those that most entries have. Oracles
    and entries without a score do not count.
    """
    counted = np.array([bool(entry.n) and not entry.oracle for entry in board.entries])
    half = max(2, (int(counted.sum()) + 1) // 2)
    if sum(entry.complete for entry, counts in zip(board.entries, counted, strict=True) if counts) >= half:
        return None
    has_run = ~np.isnan(board.array.values[board.splits[0]])
    for fewest in range(half, 1, -1):
        grids = list(_grids(board, has_run[counted], fewest))
        if grids:
            best = max(grids, key=lambda grid: grid.size)  # the first of equals
            inside = np.asarray(has_run[:, best.datasets][:, :, best.seeds].all(axis=(1, 2)))
            keys = list(zip(board.array.keys, inside.tolist(), strict=True))
            return CommonCells(
                datasets=tuple(board.datasets[column] for column in sorted(best.datasets)),
                seeds=tuple(board.seeds[place] for place in best.seeds),
                entries=tuple(key for key, has_all in keys if has_all),
                without=tuple(key for key, has_all in keys if not has_all),
            )
    return None


def _grids(board: Leaderboard, has_run: NDArray[np.bool_], fewest: int) -> Iterator[_Grid]:
    """For each choice of seeds, grids of the datasets that most entries have; at least `fewest` have all of a grid.

    `has_run` is `(entries, datasets, seeds)`, whether a run is there.
    """
    places = range(len(board.seeds))
    by_runs = sorted(places, key=lambda place: -int(has_run[:, :, place].sum()))
    if len(places) <= _ALL_SUBSETS:
        subsets = [subset for size in places for subset in combinations(places, size + 1)]
    else:
        subsets = [tuple(sorted(by_runs[: size + 1])) for size in places]
    source = [name == board.setting.source for name in board.datasets]
    for seeds in subsets:
        has = np.asarray(has_run[:, :, seeds].all(axis=2))
        entries = np.ones(len(has_run), dtype=bool)
        datasets: tuple[int, ...] = ()
        for column in sorted(range(len(source)), key=lambda at: (not source[at], -int(has[:, at].sum()))):
            with_dataset = np.logical_and(entries, has[:, column])
            if with_dataset.sum() >= fewest:
                datasets, entries = (*datasets, column), with_dataset
                if not all(source[at] for at in datasets):
                    yield _Grid(datasets, seeds, entries)
            elif source[column]:
                break  # every run of a transfer protocol needs its source


_SETTING_COLUMNS = (
    "backbone", "protocol", "precision", "dataset", "shots", "draw", *(axis.name for axis in LEARNED),
)  # fmt: skip


def board_settings(runs: pd.DataFrame) -> list[Setting]:
    """The settings that have a leaderboard, in order.

    Zero-shot runs (shots 0) join every leaderboard of their backbone, protocol and precision. They have a separate
    leaderboard only if nothing else was run.
    """
    runs = runs[[name for name in _SETTING_COLUMNS if name in runs]].drop_duplicates()
    rows = runs[["backbone", "protocol", "precision", "dataset"]].itertuples(index=False, name=None)
    settings = {
        Setting(backbone, protocol, shots, draw, precision, dataset if protocol in TRANSFER_PROTOCOLS else "", learned)
        for (backbone, protocol, precision, dataset), (shots, draw, learned) in zip(
            rows, learned_images(runs), strict=True
        )
    }

    def shared(setting: Setting) -> tuple[str, str, str, str]:
        return (setting.backbone, setting.protocol, setting.precision, setting.source)

    trained = {setting for setting in settings if setting.shots > 0}
    covered = {shared(setting) for setting in trained}
    uncovered = {shared(setting) for setting in settings} - covered
    alone = {min(setting for setting in settings if shared(setting) == key) for key in uncovered}
    return sorted(trained | alone)


def build_leaderboard(
    runs: pd.DataFrame | RunTable,
    setting: Setting,
    *,
    convention: HConvention = HConvention.MEAN_OF_H,
    planned: Sequence[ExperimentSpec] = (),
    common: CommonCells | None = None,
) -> Leaderboard:
    """The leaderboard of one setting; its intervals are over test images as well if `runs` has outcomes.

    Each method x config x recipe is one entry; nothing is averaged across entries. Runs of a dataset and seed with
    another task (test list or fingerprint) than the newest run are excluded and listed. A zero-shot run does not depend
    on the seed and counts for all seeds (n = 1).

    Args:
        runs: the store's `runs_frame()`; as a `RunTable`, several leaderboards read it once.
        planned: expected runs without a result; those of other settings are ignored.
        common: compare only on these datasets and seeds.
    """
    table = runs if isinstance(runs, RunTable) else RunTable(runs)
    splits = ("base", "new") if setting.protocol == "base-to-new" else ("all",)
    collected = table.of(setting)
    collected_ids = {run.run_id for run in collected}
    to_come = [run for s in planned if belongs(s, setting) and s.run_id not in collected_ids for run in planned_run(s)]
    seeded = [run for run in (*collected, *to_come) if run.seeded]
    grid = seeded or [*collected, *to_come]
    datasets = tuple(sorted({run.dataset for run in grid}, key=lambda name: (name == setting.source, name)))
    seeds = tuple(sorted({run.seed for run in grid}))
    collected = [run for run in collected if run.dataset in datasets]
    to_come = [run for run in to_come if run.dataset in datasets]
    keys = entry_keys([*collected, *to_come])
    counted, excluded = select_runs(collected, setting, keys)
    counted += to_come
    if common is not None:
        datasets, seeds = common.datasets, common.seeds
        counted = [run for run in counted if run.dataset in datasets and (not run.seeded or run.seed in seeds)]

    by_key: dict[str, list[ScoredRun]] = {keys[identity]: [] for identity in sorted(keys)}
    for run in counted:
        by_key[keys[run.identity]].append(run)
    used = {
        key: [run for run in of_entry if run.error is None and set(splits) <= run.rows.keys()]
        for key, of_entry in by_key.items()
    }
    entries = {
        keys[identity]: make_entry(
            identity,
            keys[identity],
            by_key[keys[identity]],
            used[keys[identity]],
            datasets,
            seeds,
            splits,
            learns_from_tests=setting.protocol == EvalProtocol.TEST_TIME,
        )
        for identity in sorted(keys)
    }
    seeded_keys = {key: any(run.seeded for run in of_entry) or not of_entry for key, of_entry in by_key.items()}
    array = _array(table, setting, used, seeded_keys, datasets, seeds, splits)
    opened = [key for key in entries if array.mean_over_datasets(key, OPEN, convention) is not None]
    measures = (*splits, *((OPEN,) if opened else ()), H) if "new" in splits else splits

    def order(key: str) -> tuple[bool, bool, float, str]:
        mean = array.mean_over_datasets(key, measures[-1], convention)
        return not entries[key].complete, entries[key].oracle, 1.0 if mean is None else -mean, key

    ranked = tuple(entries[key] for key in sorted(entries, key=order))
    baseline = min(
        (entry for entry in ranked if entry.method == BASELINE),
        key=lambda entry: ("class_text" in entry.config, -entry.n, entry.key),
        default=None,
    )
    return Leaderboard(
        setting=setting,
        convention=convention,
        measures=measures,
        entries=ranked,
        array=array.ordered([entry.key for entry in ranked]),
        baseline=baseline.key if baseline else None,
        excluded=tuple(excluded),
        missing=tuple(cell for entry in ranked for cell in entry.missing),
        common=common,
    )


def _array(
    table: RunTable,
    setting: Setting,
    used: Mapping[str, Sequence[ScoredRun]],
    seeded: Mapping[str, bool],
    datasets: tuple[str, ...],
    seeds: tuple[int, ...],
    splits: Sequence[str],
) -> ScoreArray:
    """The scores of the runs that are used, by the key of their entry."""
    shape = (len(used), len(datasets), len(seeds))
    values = {split: np.full(shape, np.nan) for split in (*splits, *HARMONIC[OPEN])}
    run_ids = np.full(shape, None, dtype=object)
    for row, (key, runs) in enumerate(used.items()):
        for run in runs:
            place = (
                row,
                datasets.index(run.dataset),
                seeds.index(run.seed) if seeded[key] and run.seeded else slice(None),
            )
            run_ids[place] = run.run_id
            for split, of_split in values.items():
                if split in run.rows:
                    of_split[place] = table.accuracy[run.rows[split]]
    targets = [name for name in datasets if setting.source and name != setting.source]
    return ScoreArray(
        keys=tuple(used),
        datasets=datasets,
        seeds=seeds,
        values={split: scores for split, scores in values.items() if split in splits or np.isfinite(scores).any()},
        averaged=tuple(name for name in datasets if name != setting.source),
        seeded=tuple(seeded.values()),
        run_ids=run_ids,
        stored={(name, ALL): name for name in targets},
        read=table.read,
    )


def compared_leaderboard(
    runs: pd.DataFrame | RunTable,
    setting: Setting,
    *,
    convention: HConvention = HConvention.MEAN_OF_H,
    planned: Sequence[ExperimentSpec] = (),
) -> Leaderboard:
    """The leaderboard of one setting, on the cells that `common_cells` chooses.

    Coverage and missing runs of the entries always cover all datasets and seeds.
    """
    table = runs if isinstance(runs, RunTable) else RunTable(runs)
    whole = build_leaderboard(table, setting, convention=convention, planned=planned)
    common = common_cells(whole)
    if common is None:
        return whole
    part = build_leaderboard(table, setting, convention=convention, planned=planned, common=common)
    full = {entry.key: entry for entry in whole.entries}
    entries = [replace(e, coverage=full[e.key].coverage, planned=full[e.key].planned) for e in part.entries]
    return replace(part, entries=tuple(entries), missing=whole.missing)


def build_leaderboards(
    runs: pd.DataFrame,
    read: ReadOutcomes | None = None,
    *,
    protocol: str | None = None,
    shots: Sequence[int] | None = None,
    backbone: str | None = None,
    convention: HConvention = HConvention.MEAN_OF_H,
    planned: Sequence[ExperimentSpec] = (),
    compared: bool = False,
) -> list[Leaderboard]:
    """The leaderboards of all settings, or of those with this protocol, these shots and this backbone.

    With `compared`, `compared_leaderboard` builds them. `read` as of `RunTable`.
    """
    for column, value in (("protocol", protocol), ("backbone", backbone)):
        runs = runs if value is None else runs[runs[column] == value]
    make, table = compared_leaderboard if compared else build_leaderboard, RunTable(runs, read)
    settings = [setting for setting in board_settings(runs) if shots is None or setting.shots in shots]
    return [make(table, setting, convention=convention, planned=planned) for setting in settings]
