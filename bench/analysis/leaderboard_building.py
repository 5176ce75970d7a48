"""Lists the settings that have a leaderboard, builds one of them, and finds the cells to compare on. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import pandas as pd

from bench.analysis.board_intervals import with_intervals
from bench.analysis.entries import entry_keys, make_entry
from bench.analysis.leaderboard import (
    BASELINE,
    OPEN,
    TRANSFER_PROTOCOLS,
    CommonCells,
    Entry,
    H,
    HConvention,
    Leaderboard,
    Setting,
)
from bench.analysis.scores_by_seed import seed_scores
from bench.analysis.setting_runs import Run, RunTable, belongs, learned_images, planned_run, select_runs
from bench.spec import LEARNED, ExperimentSpec
from datasets_registry import EvalProtocol

Gaps = Mapping[str, Mapping[str, set[int]]]
"""The seeds that each entry lacks on each dataset."""
_ALL_SUBSETS = 8
"""Largest number of seeds for which every subset is tried; beyond it, only the seeds that most entries have."""


@dataclass(frozen=True)
class _Grid:
    """Datasets, seeds, and the entries that have all of these cells."""

    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    keys: frozenset[str]

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of paired runs in the grid; among equals, more entries and then more datasets are better."""
        pairs = len(self.keys) * (len(self.keys) - 1) // 2
        return pairs * len(self.datasets) * len(self.seeds), len(self.keys), len(self.datasets)


def common_cells(board: Leaderboard) -> CommonCells | None:
    """The datasets and seeds to compare on; None for all of them.

    All are compared if at least half of the entries, and at least two, have them. One entry with more seeds or datasets
    than the others thus does not leave the others without a rank. Otherwise the grid with most pairs of runs is chosen
    among those that at least half of the entries have; if there is none, among those that most entries have. Oracles
    and entries without a score do not count.
    """
    entries = [entry for entry in board.entries if entry.n and not entry.oracle]
    half = max(2, (len(entries) + 1) // 2)
    if sum(entry.complete for entry in entries) >= half:
        return None
    gaps = _gaps(board)
    compared = {entry.key: gaps[entry.key] for entry in entries}
    for fewest in range(half, 1, -1):
        grids = list(_grids(board, compared, fewest))
        if grids:
            best = max(grids, key=lambda grid: grid.size)  # the first of equals
            seeds = set(best.seeds)
            inside = {key for key, lacks in gaps.items() if not any(lacks[name] & seeds for name in best.datasets)}
            kept = tuple(entry.key for entry in board.entries if entry.key in inside)
            left = tuple(entry.key for entry in board.entries if entry.key not in inside)
            return CommonCells(tuple(d for d in board.datasets if d in best.datasets), best.seeds, kept, left)
    return None


def _grids(board: Leaderboard, gaps: Gaps, fewest: int) -> Iterator[_Grid]:
    """For each choice of seeds, grids of the datasets that most entries have; at least `fewest` have all of a grid."""
    for seeds in _subsets(board, gaps):
        has = {d: frozenset(key for key, lacks in gaps.items() if not lacks[d] & set(seeds)) for d in board.datasets}
        source = board.setting.source
        order = sorted(board.datasets, key=lambda name: (name != source, -len(has[name])))
        datasets: tuple[str, ...] = ()
        keys = frozenset(gaps)
        for name in order:
            if len(keys & has[name]) < fewest:
                if name == source:
                    break  # every run of a transfer protocol needs its source
                continue
            datasets, keys = (*datasets, name), keys & has[name]
            if set(datasets) & set(board.averaged):
                yield _Grid(datasets, seeds, keys)


def _gaps(board: Leaderboard) -> Gaps:
    """The gaps of all entries; an entry that lacks its only run, which needs no seed, lacks all seeds."""
    gaps: dict[str, dict[str, set[int]]] = {entry.key: defaultdict(set) for entry in board.entries}
    for cell in board.missing:
        gaps[cell.entry][cell.dataset] |= {cell.seed} if cell.seed in board.seeds else set(board.seeds)
    return gaps


def _subsets(board: Leaderboard, gaps: Gaps) -> Iterator[tuple[int, ...]]:
    def lacking(seed: int) -> int:
        return sum(seed in seeds for lacks in gaps.values() for seeds in lacks.values())

    order = sorted(board.seeds, key=lambda seed: (lacking(seed), seed))
    for size in range(1, len(order) + 1):
        if len(order) <= _ALL_SUBSETS:
            yield from combinations(board.seeds, size)
        else:
            yield tuple(sorted(order[:size]))


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
    found = {
        Setting(backbone, protocol, shots, draw, precision, dataset if protocol in TRANSFER_PROTOCOLS else "", learned)
        for (backbone, protocol, precision, dataset), (shots, draw, learned) in zip(
            rows, learned_images(runs), strict=True
        )
    }

    def shared(setting: Setting) -> tuple[str, str, str, str]:
        return (setting.backbone, setting.protocol, setting.precision, setting.source)

    trained = {setting for setting in found if setting.shots > 0}
    covered = {shared(setting) for setting in trained}
    uncovered = {shared(setting) for setting in found} - covered
    alone = {min(setting for setting in found if shared(setting) == key) for key in uncovered}
    return sorted(trained | alone)


def build_leaderboard(
    runs: pd.DataFrame | RunTable,
    setting: Setting,
    *,
    convention: HConvention = HConvention.MEAN_OF_H,
    planned: Sequence[ExperimentSpec] = (),
    common: CommonCells | None = None,
) -> Leaderboard:
    """The leaderboard of one setting, with the intervals of `with_intervals` if `runs` has outcomes.

    Each method x config x recipe is one entry; nothing is averaged across entries. Runs of a dataset and seed with
    another task (test list or fingerprint) than the newest run are excluded and listed. A zero-shot run does not depend
    on the seed and counts for all seeds (n = 1).

    Args:
        runs: the store's `runs_frame()`; as a `RunTable`, several leaderboards read it once.
        planned: expected runs without a result; those of other settings are ignored.
        common: compare only on these datasets and seeds.
    """
    table = _table(runs)
    return _with_intervals(_plain(table, setting, convention, planned, common), table)


def _table(runs: pd.DataFrame | RunTable) -> RunTable:
    return runs if isinstance(runs, RunTable) else RunTable(runs)


def _with_intervals(board: Leaderboard, table: RunTable) -> Leaderboard:
    return with_intervals(board, seed_scores(board, table.frame)) if "correct" in table.frame else board


def _plain(
    table: RunTable,
    setting: Setting,
    convention: HConvention,
    planned: Sequence[ExperimentSpec],
    common: CommonCells | None = None,
) -> Leaderboard:
    """`build_leaderboard` without the noise of test images."""
    splits = ("base", "new") if setting.protocol == "base-to-new" else ("all",)
    collected = table.of(setting)
    here = {run.run_id for run in collected}
    to_come = [run for s in planned if belongs(s, setting) and s.run_id not in here for run in planned_run(s)]
    seeded = [run for run in (*collected, *to_come) if run.seeded]
    grid = seeded or [*collected, *to_come]
    datasets = tuple(sorted({run.dataset for run in grid}, key=lambda name: (name == setting.source, name)))
    seeds = tuple(sorted({run.seed for run in grid}))
    collected = [run for run in collected if run.dataset in datasets]
    to_come = [run for run in to_come if run.dataset in datasets]
    labels = entry_keys([*collected, *to_come])
    counted, excluded = select_runs(collected, setting, labels)
    counted += to_come
    if common is not None:
        datasets, seeds = common.datasets, common.seeds
        counted = [run for run in counted if run.dataset in datasets and (not run.seeded or run.seed in seeds)]

    by_identity: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in counted:
        by_identity[run.identity].append(run)
    entries = []
    for identity in sorted(labels):
        entries.append(
            make_entry(
                identity,
                labels[identity],
                by_identity[identity],
                datasets,
                seeds,
                splits,
                source=setting.source,
                learns_from_tests=setting.protocol == EvalProtocol.TEST_TIME,
            )
        )
    baseline = min(
        (entry for entry in entries if entry.method == BASELINE),
        key=lambda e: ("class_text" in e.config, -e.n, e.key),
        default=None,
    )
    if baseline is not None:
        entries = [_with_gains(entry, baseline) for entry in entries]
    opened = (OPEN,) if any(entry.average(OPEN, convention) for entry in entries) else ()
    measures = (*splits, *opened, H) if "new" in splits else splits
    ranked = _ordered(entries, measures[-1], convention)
    return Leaderboard(
        setting=setting,
        convention=convention,
        measures=measures,
        datasets=datasets,
        seeds=seeds,
        entries=ranked,
        baseline=baseline.key if baseline else None,
        excluded=tuple(excluded),
        missing=tuple(cell for entry in ranked for cell in entry.missing),
        common=common,
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
    table = _table(runs)
    whole = _plain(table, setting, convention, planned)
    common = common_cells(whole)
    if common is None:
        return _with_intervals(whole, table)
    part = _with_intervals(_plain(table, setting, convention, planned, common), table)
    full = {entry.key: entry for entry in whole.entries}
    entries = [replace(e, coverage=full[e.key].coverage, planned=full[e.key].planned) for e in part.entries]
    return replace(part, entries=tuple(entries), missing=whole.missing)


def build_leaderboards(
    runs: pd.DataFrame,
    *,
    protocol: str | None = None,
    shots: Sequence[int] | None = None,
    backbone: str | None = None,
    convention: HConvention = HConvention.MEAN_OF_H,
    planned: Sequence[ExperimentSpec] = (),
    compared: bool = False,
) -> list[Leaderboard]:
    """The leaderboards of all settings, or of those with this protocol, these shots and this backbone.

    With `compared`, `compared_leaderboard` builds them.
    """
    make, table = compared_leaderboard if compared else build_leaderboard, RunTable(runs)
    return [
        make(table, setting, convention=convention, planned=planned)
        for setting in board_settings(runs)
        if protocol in (None, setting.protocol)
        and (shots is None or setting.shots in shots)
        and backbone in (None, setting.backbone)
    ]


def _with_gains(entry: Entry, baseline: Entry) -> Entry:
    if entry.key == baseline.key:
        return entry
    cells = {}
    for dataset, cell in entry.cells.items():
        base = baseline.cells.get(dataset)
        known = base.scores if base else {}
        gains = {name: score.mean - known[name].mean for name, score in cell.scores.items() if name in known}
        cells[dataset] = replace(cell, gains=gains)
    return replace(entry, cells=cells)


def _ordered(entries: Sequence[Entry], measure: str, convention: HConvention) -> tuple[Entry, ...]:
    def order(entry: Entry) -> tuple[bool, bool, float, str]:
        average = entry.average(measure, convention)
        return (not entry.complete, entry.oracle, -average.mean if average else 1.0, entry.key)

    return tuple(sorted(entries, key=order))
