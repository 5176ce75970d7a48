"""The runs that a paper's experiments need: how many, how many are done, and what they will cost. Reads no data."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.papers.estimates import GPU, Machine, bytes_of, seconds_of
from bench.results import image_features_of, training_of
from bench.spec import AXES, ExperimentSpec
from bench.sweep import SweepOutline, alike_but_for_settings
from datasets_registry import BenchError


@dataclass(frozen=True)
class PlannedCell:
    """The runs of one method, with its settings, on one dataset, with these seeds.

    Args:
        spec: of the first seed, without a fingerprint.
        key: identifies the runs apart from their seed.
        seconds, bytes: estimated time and size of one run.
        shared: names of what it has in common with other runs of its seed, training and features of test images, each
            with the estimated seconds that it takes; the first of these runs needs them.
    """

    spec: ExperimentSpec
    key: str
    seeds: tuple[int, ...]
    seconds: float
    bytes: int
    shared: tuple[tuple[Hashable, float], ...] = ()


@dataclass(frozen=True)
class ExperimentNeeds:
    """What some experiments need.

    Args:
        runs: how many, each counted once; `done` of them have a result.
        trainings: how many trainings the runs have that are not done; some share one.
        hours, bytes: estimates for the runs that are not done.
        recorded: runs whose recorded time the estimate of hours is based on.
        datasets, backbones: of the runs that are not done.
    """

    runs: int
    done: int
    trainings: int
    hours: float
    bytes: int
    recorded: int
    datasets: tuple[str, ...]
    backbones: tuple[str, ...]


@dataclass(frozen=True)
class FinishedRuns:
    """The finished runs of a folder: seeds and mean seconds by key, and seconds by method and backbone.

    Args:
        ratios: by method and backbone, recorded seconds over estimated seconds of the same runs, and their number.
    """

    seeds: Mapping[str, frozenset[int]]
    ratios: Mapping[tuple[str, str], tuple[float, int]]


def planned_cells(outlines: Iterable[SweepOutline], machine: Machine = GPU) -> list[PlannedCell]:
    """The runs of an experiment's sweeps, grouped over seeds."""
    found, experiment = [], object()  # its runs share no training with those of another experiment
    for outline in outlines:
        settings = dict[tuple[int, int], str]()
        sweep = experiment, alike_but_for_settings(outline.request)
        for spec in outline.specs:
            seeds = (spec.seed,) if spec.method == "zero_shot" else tuple(outline.request.seeds)
            place = (id(spec.config), id(spec.recipe))  # runs on several datasets share them
            if place not in settings:
                settings[place] = _settings_key(spec)
            key = _task_key(spec) + settings[place]
            size = bytes_of(spec, branches=outline.request.keep_branches)
            seconds = seconds_of(spec, machine)
            shared: tuple[tuple[Hashable, float], ...] = ()
            if training := training_of(spec):
                trained = seconds_of(spec, machine, trained=True)
                shown = seconds_of(spec, machine, trained=True, shown=True)
                images = "images", image_features_of(spec)
                shared = ((*sweep, training), seconds - trained), ((*sweep, *images), trained - shown)
            found.append(PlannedCell(spec, key, seeds, seconds, size, shared))
    return found


_COMPARED = tuple(axis.name for axis in AXES if axis.name not in ("targets", "allow_fewer"))
"""Axes that identify a run; an outline does not know whether some class has fewer images than shots."""


def run_key(spec: ExperimentSpec) -> str:
    """What identifies a run apart from its seed and the fingerprint of its task."""
    return _task_key(spec) + _settings_key(spec)


def _task_key(spec: ExperimentSpec) -> str:
    values = [spec.method, spec.backbone, spec.dataset, spec.draw, spec.protocol, spec.shots, spec.precision]
    values += [*spec.targets, *(getattr(spec, name) for name in _COMPARED)]
    return "|".join(map(str, values))


def _settings_key(spec: ExperimentSpec) -> str:
    """The settings as JSON; the source of a recipe is a remark."""
    recipe = None if spec.recipe is None else {name: value for name, value in spec.recipe.items() if name != "source"}
    return json.dumps([spec.config, recipe], sort_keys=True, default=str)


def finished_runs(runs: Path, machine: Machine = GPU) -> FinishedRuns:
    """The finished runs of a folder; none if it does not exist. Times count on the kind of device of the estimate."""
    if not runs.is_dir():
        return FinishedRuns({}, {})
    from bench.record import RunStatus
    from bench.results import Shards

    seeds: dict[str, set[int]] = defaultdict(set)
    times: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    shards, kind = Shards(runs), "cuda" if machine is GPU else "cpu"
    for entry in shards.scan():
        record = shards.record(entry.run_id)
        if record is None or record.status is not RunStatus.OK:
            continue
        seeds[run_key(record.spec)].add(record.spec.seed)
        if record.cost is not None and record.provenance.device.startswith(kind):
            taken = record.cost.known_seconds - (record.cost.shared_eval_seconds or 0.0)  # as estimates do
            with suppress(BenchError):  # a dataset or backbone that is not known here
                estimated = seconds_of(record.spec, machine)
                times[record.spec.method, record.spec.backbone].append((taken, estimated))
    ratios = {
        key: (sum(taken for taken, _ in pairs) / sum(known for _, known in pairs), len(pairs))
        for key, pairs in times.items()
    }
    return FinishedRuns({key: frozenset(found) for key, found in seeds.items()}, ratios)


def needs_of(cells: Sequence[PlannedCell], finished: FinishedRuns) -> ExperimentNeeds:
    """What these runs need, each counted once."""
    seeds: dict[str, set[int]] = defaultdict(set)
    of_key: dict[str, PlannedCell] = {}
    for cell in cells:
        seeds[cell.key].update(cell.seeds)
        if cell.key not in of_key or cell.bytes > of_key[cell.key].bytes:
            of_key[cell.key] = cell
    runs = sum(map(len, seeds.values()))
    missing = {key: wanted - finished.seeds.get(key, frozenset()) for key, wanted in seeds.items()}
    left = {key: len(wanted) for key, wanted in missing.items()}
    seconds, recorded = 0.0, dict[tuple[str, str], int]()
    begun, trainings = set[tuple[Hashable, int]](), set[tuple[Hashable, int]]()
    for key, wanted in missing.items():
        cell = of_key[key]
        kind = cell.spec.method, cell.spec.backbone
        ratio, times = finished.ratios.get(kind, (1.0, 0))
        for seed in wanted:
            had = {name for name, _ in cell.shared if (name, seed) in begun}
            seconds += ratio * (cell.seconds - sum(part for name, part in cell.shared if name in had))
            begun.update((name, seed) for name, _ in cell.shared)
            if cell.spec.recipe is not None:
                trainings.add((cell.shared[0][0] if cell.shared else key, seed))
        if wanted:
            recorded[kind] = times
    open_cells = [of_key[key].spec for key, number in left.items() if number]
    names = [name for spec in open_cells for name in (spec.dataset, *spec.targets)]
    return ExperimentNeeds(
        runs,
        runs - sum(left.values()),
        len(trainings),
        seconds / 3600,
        sum(number * of_key[key].bytes for key, number in left.items()),
        sum(recorded.values()),
        tuple(dict.fromkeys(names)),
        tuple(dict.fromkeys(spec.backbone for spec in open_cells)),
    )
