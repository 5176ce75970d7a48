"""The runs of one leaderboard setting, from the store's frame; a transfer run becomes one run per target. Pure."""

import json
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.leaderboard import ExcludedRun, Setting
from bench.analysis.measures import ALL, BASELINE
from bench.analysis.score_array import Outcomes, ReadOutcomes
from bench.spec import ALL_SHOTS, AXES, CUSTOM_RECIPE, LEARNED, ExperimentSpec, learned_values
from datasets_registry import EvalProtocol, canonical_json

COSTS = (
    "trainable_parameters",
    "prepare_seconds",
    "train_seconds",
    "eval_seconds",
    "steps",
    "image_passes",
    "prompted_image_passes",
    "text_passes",
)
"""Cost columns of the frame that every run has."""
SHARED_COSTS = (
    "shared_prepare_seconds",
    "shared_train_seconds",
    "shared_eval_seconds",
    "shared_image_passes",
    "shared_text_passes",
)
"""Cost columns of shared features."""
LATER_COSTS = ("fits", "candidate_evaluations", "tuning_seconds", "added_memory_bytes", *SHARED_COSTS)
"""Cost columns that some runs lack: those of earlier releases, and where a cost is unknown."""
EPOCH, RECIPE = "epoch", "recipe"
TRANSFER_PROTOCOLS = ("cross-dataset", "domain-generalization")
"""Protocols that train on a source dataset; their targets are the other datasets of the board."""
# options of a run that distinguish entries, like settings of the method: name in entry keys -> column of the frame
_MORE_SETTINGS = {axis.setting: axis.name for axis in AXES if axis.setting}

_COLUMNS = (
    "run_id", "method", "protocol", "config", "recipe", "recipe_name", "dataset", "task_fingerprint", "support_digest",
    "draw", "shots", "seed", "status", "error_message", "split", "accuracy", "n", "n_classes", "optimism",
    "selected_on_test", "held_out_shot", "targets", "stale", "changed_settings", "imported", "device", "uses",
    "created_at", *COSTS, *LATER_COSTS, *_MORE_SETTINGS.values(),
)  # fmt: skip
"""The columns of the frame that a board reads."""

LearnedImages = tuple[int, str, tuple[str, ...]]
"""Shots, kind of draw, and the values of `LEARNED`: what distinguishes what runs learn from."""


@dataclass(frozen=True)
class ScoredRun:
    """The data of a run on one dataset that a leaderboard needs.

    Args:
        config: canonical JSON; class texts other than the template and the epoch selection are added as settings.
        recipe: canonical JSON; `null` without a recipe.
        error: why the run has no scores, or None.
        rows: by split, the place of its score among the rows of the frame.
        sizes: numbers of test images and classes by split.
        optimism: by split, the accuracy gained by selection with test labels; NaN if it was not recorded. Empty for
            runs that are not oracles.
        held_out: whether one shot of each class was held out for selection.
        targets: target datasets of a transfer run.
        stale: how the method's code changed since the run; empty if it did not, or if the frame has no such column.
        recipe_name: `custom` for a recipe that has the name of a published one and other values.
        changed: names of settings that differ from the published ones; empty if the frame does not say.
        imported: whether the run was imported and not verified.
        device: class of the device, such as `cpu` or the name of a GPU; empty if unknown.
        uses: what code of others states that it sees besides the labelled images; None if it states nothing.
    """

    run_id: str
    method: str
    config: str
    recipe: str
    recipe_name: str | None
    dataset: str
    fingerprint: str
    draw: str
    shots: int
    seed: int
    error: str | None
    rows: Mapping[str, int]
    sizes: Mapping[str, tuple[int, int]]
    cost: Mapping[str, float]
    created_at: Any
    optimism: Mapping[str, float] = field(default_factory=dict)
    held_out: bool = False
    targets: tuple[str, ...] = ()
    stale: str = ""
    changed: frozenset[str] = frozenset()
    imported: bool = False
    device: str = ""
    uses: tuple[str, ...] | None = None
    seeded: bool = True
    """Whether its result depends on its seed."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Method, config and recipe, which define an entry."""
        return (self.method, self.config, self.recipe)

    @property
    def key(self) -> tuple[str, str]:
        """Run id and dataset; a transfer run has several datasets."""
        return (self.run_id, self.dataset)

    @property
    def age(self) -> tuple[Any, str]:
        """Sort key from old to new; equal times are ordered by id."""
        return (self.created_at, self.run_id)


def depends_on_seed(method: str, protocol: str, shots: int) -> bool:
    """Whether a run depends on its seed, through the support images or the order of the test stream."""
    return shots > 0 or (protocol == EvalProtocol.TEST_TIME and method != BASELINE)


class RunTable:
    """The runs of the store's frame, each of which is read once for all settings.

    `read` reads their outcomes, of all runs at once when they are first asked for. Default: those of the frame, if it
    has them.
    """

    def __init__(self, frame: pd.DataFrame, read: ReadOutcomes | None = None) -> None:
        self.frame = frame
        self._read_outcomes = self._in_frame if read is None and "correct" in frame else read
        self.read: ReadOutcomes | None = None if self._read_outcomes is None else lambda _: self._outcomes
        self._read: dict[tuple[str, str, str], list[tuple[LearnedImages, ScoredRun]]] = {}

    def of(self, setting: Setting) -> list[ScoredRun]:
        """The runs of a setting ordered by id, including its zero-shot runs."""
        shared = (setting.backbone, setting.protocol, setting.precision)
        if shared not in self._read:
            self._read[shared] = self._runs(*shared)
        wanted_images = _images_of(setting)
        fitting = [run for images, run in self._read[shared] if images[0] == 0 or images == wanted_images]
        if not setting.source:
            return fitting
        of_source = [run for run in fitting if run.dataset == setting.source]
        return [part for run in of_source for part in _by_target(run)]

    @cached_property
    def accuracy(self) -> NDArray[np.float64]:
        """The accuracy of each row of the frame; NaN for a failed run."""
        return self.frame["accuracy"].to_numpy(dtype=float, na_value=math.nan)

    @cached_property
    def _outcomes(self) -> Mapping[tuple[str, str], Outcomes]:
        return {} if self._read_outcomes is None else self._read_outcomes(self.frame["run_id"].tolist())

    def _in_frame(self, _: Collection[str]) -> dict[tuple[str, str], Outcomes]:
        """The outcomes that the frame has."""
        rows = self.frame[self.frame["correct"].notna()]
        columns = (rows[name].tolist() for name in ("run_id", "split", "images", "correct"))
        groups = rows["groups"].tolist() if "groups" in rows else [None] * len(rows)
        return {
            (run_id, split): Outcomes(images, len(right), np.packbits(right), numbers)
            for run_id, split, images, right, numbers in zip(*columns, groups, strict=True)
        }

    def _runs(self, backbone: str, protocol: str, precision: str) -> list[tuple[LearnedImages, ScoredRun]]:
        """Runs ordered by id, and what each learned from."""
        frame = self.frame
        of = (frame["backbone"] == backbone) & (frame["protocol"] == protocol) & (frame["precision"] == precision)
        chosen = frame[of]
        columns = {name: _objects(chosen[name]) for name in _COLUMNS if name in chosen}
        images, columns["row"] = learned_images(chosen), np.flatnonzero(of).tolist()
        places: dict[str, list[int]] = defaultdict(list)
        for place, run_id in enumerate(columns["run_id"]):
            places[run_id].append(place)
        return [
            (images[at[0]], _run({name: column[at[0]] for name, column in columns.items()}, columns, at))
            for _, at in sorted(places.items())
        ]


def _objects(column: "pd.Series[Any]") -> Sequence[Any]:
    """The values of a column, None for missing ones; each text that occurs is converted once."""
    if not isinstance(column.dtype, pd.StringDtype):
        values: list[Any] = column.astype(object).where(column.notna(), None).tolist()
        return values
    codes, distinct = pd.factorize(column)
    texts = [*distinct, None]  # a missing text has the code -1
    return [texts[code] for code in codes.tolist()]


def planned_run(spec: ExperimentSpec) -> list[ScoredRun]:
    """A run without a result; for a transfer protocol one for each dataset that it evaluates."""
    row = spec.model_dump(mode="json") | {"config": canonical_json(spec.config)}
    run = ScoredRun(
        run_id=spec.run_id,
        method=spec.method,
        config=_config(row),
        recipe="null" if spec.recipe is None else canonical_json(spec.recipe),
        recipe_name=None if spec.recipe is None else str(spec.recipe.get("name")),
        dataset=spec.dataset,
        fingerprint=spec.task_fingerprint,
        draw=str(spec.draw),
        shots=spec.shots,
        seed=spec.seed,
        error=None,
        rows={},
        sizes={},
        cost={},
        created_at=None,
        held_out=spec.held_out_shot,
        targets=spec.targets,
        seeded=depends_on_seed(spec.method, spec.protocol, spec.shots),
    )
    return _by_target(run) if spec.protocol in TRANSFER_PROTOCOLS else [run]


def belongs(spec: ExperimentSpec, setting: Setting) -> bool:
    """Whether a planned run belongs to this setting; zero-shot runs belong to every number of shots."""
    shared = (setting.backbone, setting.protocol, setting.precision)
    images = setting_of_images(spec.shots, str(spec.draw), learned_values(vars(spec).get))
    return (
        (spec.backbone, str(spec.protocol), spec.precision) == shared
        and (spec.shots == 0 or images == _images_of(setting))
        and setting.source in ("", spec.dataset)
    )


def _images_of(setting: Setting) -> LearnedImages:
    return setting.shots, setting.draw, setting.learned


def _by_target(run: ScoredRun) -> list[ScoredRun]:
    """One run for each target dataset of a transfer run."""
    splits = run.rows or {ALL, *run.targets}
    return [
        replace(
            run,
            dataset=run.dataset if split == ALL else split,
            rows={ALL: run.rows[split]} if split in run.rows else {},
            sizes={ALL: run.sizes[split]} if split in run.sizes else {},
            optimism={ALL: run.optimism[split]} if split in run.optimism else {},
        )
        for split in sorted(splits)
    ]


def _run(first: Mapping[str, Any], columns: Mapping[str, Sequence[Any]], at: Sequence[int]) -> ScoredRun:
    """A run from its first row and the places of all its rows in the columns, one for each split."""
    changed = frozenset(filter(None, (first.get("changed_settings") or "").split(",")))
    failed = first["status"] != "ok"
    scored = {} if failed else {columns["split"][i]: i for i in at if columns["split"][i] is not None}
    error = ("no message" if first["error_message"] is None else first["error_message"]) if failed else None
    broken = [split for split, i in scored.items() if columns["accuracy"][i] is None]
    if broken:  # the remaining splits must not count as the whole run
        error, scored = f"its accuracy on {', '.join(sorted(broken))} is not a number", {}
    n, n_classes, row = columns["n"], columns["n_classes"], columns["row"]
    optimism, chosen = columns.get("optimism", ()), columns.get("selected_on_test", ())
    return ScoredRun(
        run_id=first["run_id"],
        method=first["method"],
        config=_config(first),
        recipe="null" if first["recipe"] is None else first["recipe"],
        recipe_name=CUSTOM_RECIPE if RECIPE in changed else first["recipe_name"],
        dataset=first["dataset"],
        fingerprint=_task_fingerprint(first),
        draw=first["draw"],
        shots=int(first["shots"]),
        seed=int(first["seed"]),
        error=error,
        rows={split: row[i] for split, i in scored.items()},
        sizes={split: (int(n[i]), int(n_classes[i])) for split, i in scored.items()},
        cost={name: float(first[name]) for name in (*COSTS, *LATER_COSTS) if first.get(name) is not None},
        created_at=first["created_at"],
        optimism={
            split: math.nan if not optimism or optimism[i] is None else float(optimism[i])
            for split, i in scored.items()
            if chosen and chosen[i] is not None
        },
        held_out=bool(first.get("held_out_shot")),
        targets=tuple(json.loads(first["targets"])) if first.get("targets") is not None else (),
        stale=first.get("stale") or "",
        changed=changed - {RECIPE},
        imported=bool(first.get("imported")),
        device=first.get("device") or "",
        uses=tuple(json.loads(first["uses"])) if first.get("uses") is not None else None,
        seeded=depends_on_seed(first["method"], first["protocol"], int(first["shots"])),
    )


def _config(row: Mapping[str, Any]) -> str:
    """The config that defines the entry, with class texts and the harness's selection as settings."""
    config: str = "{}" if row["config"] is None else row["config"]
    more = {name: row[column] for name, column in _MORE_SETTINGS.items() if row.get(column) is not None}
    if row.get("held_out_shot"):
        more[EPOCH if EPOCH in more else "selection"] = "hoso"
    return json.dumps(json.loads(config) | more, sort_keys=True) if more else config


def _task_fingerprint(row: Mapping[str, Any]) -> str:
    """The fingerprint that comparable runs of one dataset and seed share.

    The task fingerprint covers all targets. Transfer runs with other targets are still comparable on common targets, so
    for them this is the digest of the support images, if known.
    """
    if row["protocol"] in TRANSFER_PROTOCOLS and row.get("support_digest") is not None:
        return str(row["support_digest"])
    return str(row["task_fingerprint"])


def setting_of_images(shots: int, draw: str, learned: Sequence[str]) -> LearnedImages:
    """What a board states of the images. Runs on all training images share a board, whatever their class sizes.

    Example:
        >>> setting_of_images(16, "coop-sorted", ("noisy:0.2", "", ""))
        (16, 'coop', ('noisy:0.2', '', ''))
        >>> setting_of_images(21, "coop", ("all", "train:9", ""))
        (2147483647, 'coop', ('', 'train:9', ''))
    """
    takes_all = "all" in learned
    stated = tuple("" if value == "all" else value for value in learned)
    return ALL_SHOTS if takes_all else shots, kind_of_draw(draw), stated


def learned_images(runs: pd.DataFrame) -> list[LearnedImages]:
    """`setting_of_images` of every row."""
    drawn = runs.reindex(columns=["shots", "draw", *(axis.name for axis in LEARNED)])
    distinct = drawn.drop_duplicates().to_dict("records")
    kinds = [setting_of_images(int(row["shots"]), row["draw"], learned_values(row.get)) for row in distinct]
    numbers = drawn.groupby(list(drawn), dropna=False, sort=False).ngroup()
    return [kinds[number] for number in numbers.tolist()]


def kind_of_draw(draw: str) -> str:
    """The kind of a draw, regardless of the file order: `coop` for `coop-sorted`."""
    return draw.removesuffix("-sorted")


def select_runs(
    runs: Sequence[ScoredRun], setting: Setting, labels: Mapping[tuple[str, str, str], str]
) -> tuple[list[ScoredRun], list[ExcludedRun]]:
    """Keep the newest test lists per dataset, the newest task per dataset and seed, and one run of it per entry."""
    reasons: dict[tuple[str, str], str] = {}
    scored = sorted((run for run in runs if run.error is None), key=lambda run: run.age, reverse=True)

    newest_size: dict[tuple[str, str], tuple[int, int]] = {}
    for run in scored:
        for split, size in run.sizes.items():
            newest_size.setdefault((run.dataset, split), size)
    for run in scored:
        for split, size in run.sizes.items():
            newest = newest_size[run.dataset, split]
            if size != newest:
                reasons[run.key] = (
                    f"scored on {size[0]} test images of {size[1]} {split} classes; "
                    f"the newest runs have {newest[0]} of {newest[1]}"
                )

    newest_task: dict[tuple[str, int, int, bool], str] = {}
    for run in scored:
        if run.key not in reasons:
            newest_task.setdefault((run.dataset, run.shots, run.seed, run.held_out), run.fingerprint)
    for run in scored:
        newest_print = newest_task.get((run.dataset, run.shots, run.seed, run.held_out), run.fingerprint)
        if run.key not in reasons and run.fingerprint != newest_print and run.shots > 0:
            reasons[run.key] = "made on other images or class names than the newest runs"

    chosen: dict[tuple[tuple[str, str, str], str, int], str] = {}
    # the sort is stable: newest first within a draw
    for run in sorted(scored, key=lambda run: kind_of_draw(run.draw) != setting.draw):
        if run.key not in reasons:
            cell = (run.identity, run.dataset, run.seed if run.seeded else 0)
            if chosen.setdefault(cell, run.run_id) != run.run_id:
                reasons[run.key] = f"repeats run {chosen[cell]}"

    excluded = [
        ExcludedRun(run.run_id, labels[run.identity], run.dataset, run.seed, reasons[run.key])
        for run in runs
        if run.key in reasons
    ]
    return [run for run in runs if run.key not in reasons], excluded
