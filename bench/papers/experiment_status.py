"""The runs that a paper's experiments need, and those of them that are finished. Reads no data."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.spec import AXES, ExperimentSpec
from bench.sweep import Plan


@dataclass(frozen=True)
class ExperimentNeeds:
    """What some experiments need.

    Args:
        runs: how many, each counted once; `done` of them have a result.
        datasets, backbones: of the runs that are not done.
    """

    runs: int
    done: int
    datasets: tuple[str, ...]
    backbones: tuple[str, ...]


def finished_seeds(runs: Path) -> Mapping[str, set[int]]:
    """The seeds of the finished runs of a folder, by what identifies a run apart from its seed; none without it."""
    if not runs.is_dir():
        return {}
    from bench.record import RunStatus
    from bench.results import Shards

    seeds: dict[str, set[int]] = defaultdict(set)
    shards = Shards(runs)
    for run_id in shards.scan():
        record = shards.record(run_id)
        if record is not None and record.status is RunStatus.OK:
            seeds[_task_key(record.spec) + _settings_key(record.spec)].add(record.spec.seed)
    return seeds


def needs_of(outlines: Iterable[Plan], finished: Mapping[str, set[int]]) -> ExperimentNeeds:
    """What these sweeps need, beside the `finished_seeds`."""
    planned: dict[str, tuple[ExperimentSpec, set[int]]] = {}
    for outline in outlines:
        settings = dict[tuple[int, int], str]()
        for spec in outline.specs:
            place = (id(spec.config), id(spec.recipe))  # runs on several datasets share them
            if place not in settings:
                settings[place] = _settings_key(spec)
            seeds = [spec.seed] if spec.method == "zero_shot" else outline.request.seeds
            planned.setdefault(_task_key(spec) + settings[place], (spec, set()))[1].update(seeds)
    missing = {key: seeds - finished.get(key, set()) for key, (_, seeds) in planned.items()}
    open_specs = [planned[key][0] for key, seeds in missing.items() if seeds]
    runs = sum(len(seeds) for _, seeds in planned.values())
    return ExperimentNeeds(
        runs,
        runs - sum(map(len, missing.values())),
        tuple(dict.fromkeys(name for spec in open_specs for name in (spec.dataset, *spec.targets))),
        tuple(dict.fromkeys(spec.backbone for spec in open_specs)),
    )


_COMPARED = tuple(axis.name for axis in AXES if axis.name not in ("targets", "allow_fewer"))
"""Axes that identify a run; an outline does not know whether some class has fewer images than shots."""


def _task_key(spec: ExperimentSpec) -> str:
    values = [spec.method, spec.backbone, spec.dataset, spec.draw, spec.protocol, spec.shots, spec.precision]
    values += [*spec.targets, *(getattr(spec, name) for name in _COMPARED)]
    return "|".join(map(str, values))


def _settings_key(spec: ExperimentSpec) -> str:
    """The settings as JSON; the source of a recipe is a remark."""
    recipe = None if spec.recipe is None else {name: value for name, value in spec.recipe.items() if name != "source"}
    return json.dumps([spec.config, recipe], sort_keys=True, default=str)
