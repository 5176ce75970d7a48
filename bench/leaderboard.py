"""Who did how well, on what evidence: runs in, one leaderboard per setting out. Pure; nothing is averaged silently."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bench.stats import Estimate, student_t

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "zero_shot"
H = "H"
TRANSFER = ("cross-dataset", "domain-generalization")
"""Protocols that train on a source; each of their targets is a dataset of the board."""
ALL = "all"


class HConvention(StrEnum):
    """How H enters the average row.

    `h_of_means`: H of the average base and the average new accuracy (CoOp, CoCoOp, MaPLe ...: 69.34, 74.22 -> 71.70).
    `mean_of_h`: the mean of the per-dataset H (APEX's trained rows). The two must not be compared with one another.
    """

    H_OF_MEANS = "h_of_means"
    MEAN_OF_H = "mean_of_h"


def harmonic_mean(base: float, new: float) -> float:
    """H = 2ab / (a + b), 0 where both are 0.

    Example:
        >>> round(harmonic_mean(69.34, 74.22), 2)
        71.7
    """
    return 0.0 if base + new == 0 else 2 * base * new / (base + new)


@dataclass(frozen=True, order=True)
class Setting:
    """What one leaderboard holds fixed; runs that differ in any of these are never on one board.

    `draw` is the kind of draw: `coop` holds `coop-sorted` as well, which is what it is called for ImageNet. `source` is
    the dataset trained on where the protocol scores others, else empty.
    """

    backbone: str
    protocol: str
    shots: int
    draw: str
    precision: str
    source: str = ""


@dataclass(frozen=True)
class Cell:
    """One entry on one dataset.

    Args:
        scores: by measure (`base`, `new`, `H`, or `all`), over seeds. H is the H of the seed means, as the field
            reports it; its interval comes from the spread of the per-seed H.
        n: seeds that are scored.
        expected: seeds that should be.
        run_ids: the runs behind the scores.
        gains: score minus the baseline's on the same dataset; empty for the baseline and where it is missing.
    """

    dataset: str
    scores: Mapping[str, Estimate]
    n: int
    expected: int
    run_ids: tuple[str, ...]
    gains: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MissingCell:
    """A dataset and seed that others on the board have and this entry lacks; `error` where its run failed."""

    entry: str
    dataset: str
    seed: int
    error: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class SetAside:
    """A run that exists but is not counted, and why."""

    run_id: str
    entry: str
    dataset: str
    seed: int
    reason: str


@dataclass(frozen=True)
class CostSummary:
    """What the entry's runs cost: means per run, except the two ends of the parameter count and the memory peak."""

    parameters_low: int
    parameters_high: int
    prepare_seconds: float
    train_seconds: float
    eval_seconds: float
    steps: float
    image_passes: float
    prompted_image_passes: float
    text_passes: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Entry:
    """A method with one exact config and recipe.

    Args:
        key: unique on the board, such as `coop` or `coop [n_ctx=4]`.
        label: what tells this entry from the method's other entries; empty where there is only one.
        averages: over datasets, by measure and, for H, by convention (`h_of_means`, `mean_of_h`). The interval is over
            seeds: each seed's average over datasets is one value. Incomplete entries have no interval.
        rank: position by the shown mean among complete entries, None for incomplete ones.
        complete: whether every dataset x seed of the board is scored.
    """

    key: str
    method: str
    label: str
    config: Mapping[str, Any]
    recipe: Mapping[str, Any] | None
    recipe_name: str | None
    cells: Mapping[str, Cell]
    averages: Mapping[str, Estimate]
    n: int
    expected: int
    missing: tuple[MissingCell, ...]
    cost: CostSummary | None
    run_ids: tuple[str, ...]
    rank: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every dataset x seed of the board is scored."""
        return self.n == self.expected

    def average(self, measure: str, convention: HConvention) -> Estimate | None:
        """The average over datasets of a measure, H by that convention."""
        return self.averages.get(convention.value if measure == H else measure)


@dataclass(frozen=True)
class Leaderboard:
    """All entries of one setting, complete ones first, ordered by the shown mean.

    The order is an order of means. Differences inside the intervals are not separable.

    Args:
        measures: `("base", "new", "H")` or `("all",)`; the last is what entries are ordered by.
        datasets: seen for any method at this setting; targets first and the source last where there is one.
        seeds: seen for any method at this setting.
        baseline: key of the zero-shot entry that gains refer to, None without one.
        set_aside: runs that exist but are not counted.
    """

    setting: Setting
    convention: HConvention
    measures: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    baseline: str | None
    set_aside: tuple[SetAside, ...]

    @property
    def averaged(self) -> tuple[str, ...]:
        """The datasets that averages are over: all but the source."""
        return tuple(dataset for dataset in self.datasets if dataset != self.setting.source)

    @property
    def complete(self) -> bool:
        """Whether every entry is complete."""
        return all(entry.complete for entry in self.entries)

    @property
    def missing(self) -> tuple[MissingCell, ...]:
        """Missing and failed cells of all entries."""
        return tuple(cell for entry in self.entries for cell in entry.missing)

    @property
    def failed(self) -> tuple[MissingCell, ...]:
        """Cells whose run failed."""
        return tuple(cell for cell in self.missing if cell.error is not None)

    def entry(self, key: str) -> Entry:
        """The entry of that key."""
        return next(entry for entry in self.entries if entry.key == key)

    def frame(self) -> pd.DataFrame:
        """One row per entry with means, intervals, coverage and cost; accuracies are fractions."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per entry with means, intervals, coverage and cost; accuracies are fractions."""
        return [self._row(entry) for entry in self.entries]

    def _row(self, entry: Entry) -> dict[str, Any]:
        row: dict[str, Any] = {"rank": entry.rank, "entry": entry.key, "method": entry.method, "label": entry.label}
        for measure in self.measures:
            estimate = entry.average(measure, self.convention)
            row[measure] = estimate.mean if estimate else None
            row[f"{measure}_half_width"] = estimate.half_width if estimate else None
        if H in self.measures:
            for convention in HConvention:
                estimate = entry.average(H, convention)
                row[convention.value] = estimate.mean if estimate else None
        if self.setting.source:
            row["by_dataset"] = {name: cell.scores[ALL].mean for name, cell in entry.cells.items()}
        row |= {"n": entry.n, "expected": entry.expected, "complete": entry.complete}
        row["trainable_parameters"] = entry.cost.parameters_high if entry.cost else None
        row["train_seconds"] = entry.cost.train_seconds if entry.cost else None
        row["run_ids"] = list(entry.run_ids)
        return row


@dataclass(frozen=True)
class _Run:
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
    scores: Mapping[str, float]
    sizes: Mapping[str, tuple[int, int]]
    cost: Mapping[str, float]
    created_at: Any
    targets: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.method, self.config, self.recipe)

    @property
    def place(self) -> tuple[str, str]:
        """The run on this dataset; a transfer run has several."""
        return (self.run_id, self.dataset)

    @property
    def age(self) -> tuple[Any, str]:
        return (self.created_at, self.run_id)


_COSTS = (
    "trainable_parameters",
    "prepare_seconds",
    "train_seconds",
    "eval_seconds",
    "steps",
    "image_passes",
    "prompted_image_passes",
    "text_passes",
    "peak_memory_bytes",
)


def settings(runs: pd.DataFrame) -> list[Setting]:
    """The settings that have a board, in order.

    Zero-shot runs (shots 0) join every board of their backbone, protocol and precision; they make a board of their own
    only where nothing else was run.
    """
    columns = ["backbone", "protocol", "shots", "draw", "precision", "dataset"]
    found = {
        Setting(
            str(backbone),
            str(protocol),
            int(shots),
            _kind(str(draw)),
            str(precision),
            str(dataset) if protocol in TRANSFER else "",
        )
        for backbone, protocol, shots, draw, precision, dataset in runs[columns].itertuples(index=False, name=None)
    }

    def place(setting: Setting) -> tuple[str, str, str, str]:
        return (setting.backbone, setting.protocol, setting.precision, setting.source)

    trained = {setting for setting in found if setting.shots > 0}
    covered = {place(setting) for setting in trained}
    alone = {
        min(other for other in found if place(other) == key) for key in {place(setting) for setting in found} - covered
    }
    return sorted(trained | alone)


def _kind(draw: str) -> str:
    return draw.removesuffix("-sorted")


def leaderboard(
    runs: pd.DataFrame, setting: Setting, *, convention: HConvention = HConvention.H_OF_MEANS
) -> Leaderboard:
    """The leaderboard of one setting.

    Each method x config x recipe is one entry; nothing is averaged across them. Runs of one dataset and seed that were
    made on another task (test list or fingerprint) than the newest are set aside by name. A run with shots 0 does not
    depend on the support set: it stands for all seeds (n = 1, no interval).

    Args:
        runs: the store's `runs_frame()`: one row per run and split.
        setting: one of `settings(runs)`.
        convention: how H enters the average row.
    """
    measures = ("base", "new", H) if setting.protocol == "base-to-new" else ("all",)
    splits = tuple(measure for measure in measures if measure != H)
    collected = _collect(runs, setting)
    trained = [run for run in collected if run.shots > 0]
    grid = trained or collected
    datasets = tuple(sorted({run.dataset for run in grid}, key=lambda name: (name == setting.source, name)))
    seeds = tuple(sorted({run.seed for run in grid}))
    collected = [run for run in collected if run.dataset in datasets]
    labels = _labels(collected)
    counted, set_aside = _one_task_each(collected, setting, labels)

    entries = [
        _entry(
            identity,
            labels[identity],
            [run for run in counted if run.identity == identity],
            datasets,
            seeds,
            splits,
            source=setting.source,
        )
        for identity in sorted(labels)
    ]
    baseline = min(
        (entry for entry in entries if entry.method == BASELINE),
        key=lambda e: ("class_text" in e.config, -e.n, e.key),
        default=None,
    )
    if baseline is not None:
        entries = [_with_gains(entry, baseline) for entry in entries]
    return Leaderboard(
        setting=setting,
        convention=convention,
        measures=measures,
        datasets=datasets,
        seeds=seeds,
        entries=_ranked(entries, measures[-1], convention),
        baseline=baseline.key if baseline else None,
        set_aside=tuple(set_aside),
    )


def _collect(runs: pd.DataFrame, setting: Setting) -> list[_Run]:
    chosen = runs[
        (runs["backbone"] == setting.backbone)
        & (runs["protocol"] == setting.protocol)
        & (runs["precision"] == setting.precision)
        & ((runs["shots"] == 0) | ((runs["shots"] == setting.shots) & (runs["draw"].map(_kind) == setting.draw)))
    ]
    if setting.source:
        chosen = chosen[chosen["dataset"] == setting.source]
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in chosen.to_dict("records"):
        rows[str(row["run_id"])].append({str(key): value for key, value in row.items()})
    collected = [_run(run_id, rows[run_id]) for run_id in sorted(rows)]
    return [part for run in collected for part in _by_target(run)] if setting.source else collected


def _by_target(run: _Run) -> list[_Run]:
    """One run for each dataset that a transfer run scored, or should have, so that each is a cell of its own."""
    splits = run.scores if run.error is None else {ALL, *run.targets}
    return [
        replace(
            run,
            dataset=run.dataset if split == ALL else split,
            scores={ALL: run.scores[split]} if split in run.scores else {},
            sizes={ALL: run.sizes[split]} if split in run.sizes else {},
        )
        for split in sorted(splits)
    ]


def _run(run_id: str, rows: Sequence[Mapping[str, Any]]) -> _Run:
    first = rows[0]
    failed = first["status"] != "ok"
    scored = [] if failed else [row for row in rows if _present(row["split"])]
    error = (str(first["error_message"]) if _present(first["error_message"]) else "no message") if failed else None
    broken = [str(row["split"]) for row in scored if not _present(row["accuracy"])]
    if broken:  # a mean over what is left would pass for the whole
        error, scored = f"its accuracy on {', '.join(sorted(broken))} is not a number", []
    return _Run(
        run_id=run_id,
        method=str(first["method"]),
        config=_config(first),
        recipe=first["recipe"] if _present(first["recipe"]) else "null",
        recipe_name=str(first["recipe_name"]) if _present(first["recipe_name"]) else None,
        dataset=str(first["dataset"]),
        fingerprint=_trained_on(first),
        draw=str(first["draw"]),
        shots=int(first["shots"]),
        seed=int(first["seed"]),
        error=error,
        scores={row["split"]: float(row["accuracy"]) for row in scored},
        sizes={row["split"]: (int(row["n"]), int(row["n_classes"])) for row in scored},
        cost={name: float(first[name]) for name in _COSTS if name in first and _present(first[name])},
        created_at=first["created_at"],
        targets=tuple(json.loads(first["targets"])) if _present(first.get("targets")) else (),
    )


def _config(row: Mapping[str, Any]) -> str:
    """The config as it tells entries apart; class texts other than the template count as a setting."""
    config: str = row["config"] if _present(row["config"]) else "{}"
    if not _present(row.get("class_text")):
        return config
    return json.dumps(json.loads(config) | {"class_text": row["class_text"]}, sort_keys=True)


def _trained_on(row: Mapping[str, Any]) -> str:
    """What two runs of one dataset and seed must agree in.

    The fingerprint of a task covers its targets; runs that trained on the same images agree about each target that both
    have, so for transfer runs it is the images themselves, where they are known.
    """
    if row["protocol"] in TRANSFER and _present(row.get("provenance")):
        digests = json.loads(row["provenance"]).get("support_digests")
        if digests:
            return hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return str(row["task_fingerprint"])


def _present(value: object) -> bool:
    import pandas as pd

    return not pd.isna(value)  # type: ignore[call-overload]  # None, NaN, NaT and NA are absent


def _one_task_each(
    runs: Sequence[_Run], setting: Setting, labels: Mapping[tuple[str, str, str], str]
) -> tuple[list[_Run], list[SetAside]]:
    """Keep, per dataset, the newest test lists; per dataset and seed the newest task; per entry one run of it."""
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
                reasons[run.place] = (
                    f"scored on {size[0]} test images of {size[1]} {split} classes; "
                    f"the newest runs have {newest[0]} of {newest[1]}"
                )

    newest_task: dict[tuple[str, int, int], str] = {}
    for run in scored:
        if run.place not in reasons:
            newest_task.setdefault((run.dataset, run.shots, run.seed), run.fingerprint)
    for run in scored:
        newest_print = newest_task.get((run.dataset, run.shots, run.seed), run.fingerprint)
        if run.place not in reasons and run.fingerprint != newest_print and run.shots > 0:
            reasons[run.place] = f"made on task {run.fingerprint[:8]}, the newest runs on {newest_print[:8]}"

    taken: dict[tuple[tuple[str, str, str], str, int], str] = {}
    for run in sorted(scored, key=lambda run: _kind(run.draw) != setting.draw):  # stable: newest first within a draw
        if run.place not in reasons:
            place = (run.identity, run.dataset, 0 if run.shots == 0 else run.seed)
            if taken.setdefault(place, run.run_id) != run.run_id:
                reasons[run.place] = f"repeats run {taken[place]}"

    set_aside = [
        SetAside(run.run_id, labels[run.identity], run.dataset, run.seed, reasons[run.place])
        for run in runs
        if run.place in reasons
    ]
    return [run for run in runs if run.place not in reasons], set_aside


def _entry(
    identity: tuple[str, str, str],
    key: str,
    runs: Sequence[_Run],
    datasets: Sequence[str],
    seeds: Sequence[int],
    splits: Sequence[str],
    *,
    source: str = "",
) -> Entry:
    method, config, recipe = identity
    wanted = seeds if any(run.shots > 0 for run in runs) or not runs else sorted({run.seed for run in runs})[:1]
    scored: dict[tuple[str, int], _Run] = {}
    errors: dict[tuple[str, int], _Run] = {}
    for run in runs:
        place = (run.dataset, run.seed)
        if run.error is not None:
            errors[place] = run
        elif all(split in run.scores for split in splits):
            scored[place] = run
    cells = {}
    for dataset in datasets:
        here = [run for (name, _), run in sorted(scored.items()) if name == dataset]
        if here:
            cells[dataset] = Cell(
                dataset, _scores(here, splits), len(here), len(wanted), tuple(run.run_id for run in here)
            )
    missing = []
    for dataset in datasets:
        for seed in wanted:
            if (dataset, seed) not in scored:
                error = errors.get((dataset, seed))
                missing.append(
                    MissingCell(key, dataset, seed, error.error if error else None, error.run_id if error else None)
                )
    counted = [scored[place] for place in sorted(scored)]
    return Entry(
        key=key,
        method=method,
        label=key.removeprefix(method).strip().removeprefix("[").removesuffix("]"),
        config=json.loads(config),
        recipe=json.loads(recipe),
        recipe_name=next((run.recipe_name for run in runs), None),
        cells=cells,
        averages=_averages(
            {dataset: cell for dataset, cell in cells.items() if dataset != source},
            scored,
            splits,
            complete=not missing,
            seeds=wanted,
        ),
        n=len(counted),
        expected=len(datasets) * len(wanted),
        missing=tuple(missing),
        cost=_cost(list({run.run_id: run for run in counted}.values())),
        run_ids=tuple(dict.fromkeys(run.run_id for run in counted)),
    )


def _scores(runs: Sequence[_Run], splits: Sequence[str]) -> dict[str, Estimate]:
    scores = {split: student_t([run.scores[split] for run in runs]) for split in splits}
    if "new" in splits:
        per_seed = [harmonic_mean(run.scores["base"], run.scores["new"]) for run in runs]
        scores[H] = student_t(per_seed, mean=harmonic_mean(scores["base"].mean, scores["new"].mean))
    return scores


def _averages(
    cells: Mapping[str, Cell],
    scored: Mapping[tuple[str, int], _Run],
    splits: Sequence[str],
    *,
    complete: bool,
    seeds: Sequence[int],
) -> dict[str, Estimate]:
    if not cells:
        return {}
    datasets = list(cells)
    centre = {split: _mean(cells[dataset].scores[split].mean for dataset in datasets) for split in splits}
    if "new" in splits:
        centre[HConvention.H_OF_MEANS] = harmonic_mean(centre["base"], centre["new"])
        centre[HConvention.MEAN_OF_H] = _mean(cells[dataset].scores[H].mean for dataset in datasets)
    if not complete:  # seeds over different datasets are no repetitions of one another
        return {str(name): Estimate(value, max(cell.n for cell in cells.values())) for name, value in centre.items()}
    per_seed: dict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        here = [scored[dataset, seed].scores for dataset in datasets]
        for split in splits:
            per_seed[split].append(_mean(scores[split] for scores in here))
        if "new" in splits:
            per_seed[HConvention.H_OF_MEANS].append(harmonic_mean(per_seed["base"][-1], per_seed["new"][-1]))
            per_seed[HConvention.MEAN_OF_H].append(_mean(harmonic_mean(s["base"], s["new"]) for s in here))
    return {str(name): student_t(per_seed[name], mean=value) for name, value in centre.items()}


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _cost(runs: Sequence[_Run]) -> CostSummary | None:
    costs = [run.cost for run in runs if all(name in run.cost for name in _COSTS)]
    if not costs:
        return None
    mean = {name: _mean(cost[name] for cost in costs) for name in _COSTS}
    return CostSummary(
        parameters_low=int(min(cost["trainable_parameters"] for cost in costs)),
        parameters_high=int(max(cost["trainable_parameters"] for cost in costs)),
        prepare_seconds=mean["prepare_seconds"],
        train_seconds=mean["train_seconds"],
        eval_seconds=mean["eval_seconds"],
        steps=mean["steps"],
        image_passes=mean["image_passes"],
        prompted_image_passes=mean["prompted_image_passes"],
        text_passes=mean["text_passes"],
        peak_memory_bytes=int(max(cost["peak_memory_bytes"] for cost in costs)),
    )


def _with_gains(entry: Entry, baseline: Entry) -> Entry:
    if entry.key == baseline.key:
        return entry
    cells = {}
    for dataset, cell in entry.cells.items():
        base = baseline.cells.get(dataset)
        gains = {name: score.mean - base.scores[name].mean for name, score in cell.scores.items()} if base else {}
        cells[dataset] = replace(cell, gains=gains)
    return replace(entry, cells=cells)


def _ranked(entries: Sequence[Entry], measure: str, convention: HConvention) -> tuple[Entry, ...]:
    def order(entry: Entry) -> tuple[bool, float, str]:
        average = entry.average(measure, convention)
        return (not entry.complete, -average.mean if average else 1.0, entry.key)

    ordered = sorted(entries, key=order)
    return tuple(
        replace(entry, rank=position if entry.complete else None) for position, entry in enumerate(ordered, start=1)
    )


ORACLE = "oracle"
"""Value of a setting that chooses with test labels, in every method that has one."""


def _labels(runs: Sequence[_Run]) -> dict[tuple[str, str, str], str]:
    """A unique key for each method x config x recipe, naming only what differs between entries of one method.

    A setting that chooses with test labels is named in any case.
    """
    names: dict[tuple[str, str, str], str | None] = {run.identity: run.recipe_name for run in runs}
    labels: dict[tuple[str, str, str], str] = {}
    for method in sorted({identity[0] for identity in names}):
        siblings = sorted(identity for identity in names if identity[0] == method)
        flat = {identity: _flat(json.loads(identity[1])) for identity in siblings}
        recipes = {identity[2] for identity in siblings}
        if len(recipes) > 1:
            named = {identity[2]: names[identity] for identity in siblings}
            by_name = None not in named.values() and len(set(named.values())) == len(recipes)
            for identity in siblings:
                flat[identity] |= (
                    {"recipe": str(names[identity])} if by_name else _flat(json.loads(identity[2]) or {}, "recipe.")
                )
        keys = sorted({key for values in flat.values() for key in values})
        if any("class_text" in values for values in flat.values()):
            flat = {identity: {"class_text": "template"} | values for identity, values in flat.items()}
        found = {key: {flat[identity].get(key, "unset") for identity in siblings} for key in keys}
        telling = [key for key in keys if len(found[key]) > 1 or ORACLE in found[key]]
        for identity in siblings:
            text = ", ".join(f"{key}={flat[identity].get(key, 'unset')}" for key in telling)
            labels[identity] = f"{method} [{text}]" if telling else method
    return labels


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
