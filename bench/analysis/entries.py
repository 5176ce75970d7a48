"""Builds one entry from its runs: its name, missing cells and cost. Pure."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench._util.words import counted
from bench.analysis.leaderboard import MIXED, Entry, EntryCost, MissingCell
from bench.analysis.setting_runs import COSTS, EPOCH, LATER_COSTS, RECIPE, ScoredRun
from bench.spec import AXES, DEMO_RECIPE, PUBLISHED_RECIPES, external_parts

_NOT_MEANS = ("trainable_parameters", "added_memory_bytes")


def make_entry(
    identity: tuple[str, str, str],
    key: str,
    runs: Sequence[ScoredRun],
    used: Sequence[ScoredRun],
    datasets: Sequence[str],
    seeds: Sequence[int],
    splits: Sequence[str],
    *,
    learns_from_tests: bool = False,
) -> Entry:
    """The entry of one method, config and recipe on a board.

    Args:
        runs: the counted, failed and planned runs of the entry; `used` are those with scores.
        seeds: seeds of the board; runs that do not depend on the seed are expected once.
        splits: splits of the board.
        learns_from_tests: whether methods learn while they classify, so that evaluation counts as learning time.
    """
    method, config, recipe = identity
    scored = {(run.dataset, run.seed) for run in used}
    failed = {(run.dataset, run.seed): (run.error, run.run_id) for run in runs if run.error is not None}
    needed_seeds = seeds if any(run.seeded for run in runs) or not runs else sorted({run.seed for run in runs})[:1]
    missing = [
        MissingCell(key, dataset, seed, *failed.get((dataset, seed), ()))
        for dataset in datasets
        for seed in needed_seeds
        if (dataset, seed) not in scored
    ]
    used = sorted(used, key=lambda run: (run.dataset, run.seed))
    return Entry(
        key=key,
        method=method,
        label=key.removeprefix(method).strip().removeprefix("[").removesuffix("]"),
        config=json.loads(config),
        recipe=json.loads(recipe),
        recipe_name=next((run.recipe_name for run in runs), None),
        n=len(used),
        expected=len(datasets) * len(needed_seeds),
        coverage=len(used),
        planned=len(datasets) * len(needed_seeds),
        missing=tuple(missing),
        oracle=any(run.optimism for run in used),
        optimism=_optimism(used, splits),
        cost=_cost(list({run.run_id: run for run in used}.values()), learns_from_tests=learns_from_tests),
        run_ids=tuple(dict.fromkeys(run.run_id for run in used)),
        stale=_stale({run.run_id: run.stale for run in used}),
        uses=max(used, key=lambda run: run.age).uses if used else None,
        imported="" if external_parts(method) else _imported({run.run_id: run.imported for run in used}),
    )


def _optimism(runs: Sequence[ScoredRun], splits: Sequence[str]) -> dict[str, float]:
    """Mean optimism by split, for splits on which every run recorded it."""
    means = {split: _mean_known(run.optimism.get(split, math.nan) for run in runs) for split in splits if runs}
    return {split: value for split, value in means.items() if not math.isnan(value)}


def _stale(reasons: Mapping[str, str]) -> str:
    """The number of stale runs and the reasons, from the reasons by run id."""
    counts = Counter(reason for reason in reasons.values() if reason)
    return "; ".join(f"{count} of {counted(len(reasons), 'run')}: {reason}" for reason, count in counts.most_common())


def _imported(imported: Mapping[str, bool]) -> str:
    """The number of imported and not verified runs, as text; empty for none."""
    return f"{sum(imported.values())} of {counted(len(imported), 'run')}" if any(imported.values()) else ""


def _mean_known(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _cost(runs: Sequence[ScoredRun], *, learns_from_tests: bool) -> EntryCost | None:
    """The mean cost of a run; seconds and memory are not averaged over different classes of devices."""
    measured = [run for run in runs if all(name in run.cost for name in COSTS)]
    costs = [run.cost for run in measured]
    if not costs:
        return None
    devices = {run.device for run in measured}
    memory = [cost["added_memory_bytes"] for cost in costs if "added_memory_bytes" in cost]
    means = {
        name: _mean_known(cost[name] for cost in costs)
        for name in (*COSTS, *LATER_COSTS)
        if name not in _NOT_MEANS
        and all(name in cost for cost in costs)
        and (len(devices) == 1 or not name.endswith("seconds"))
    }
    return EntryCost(
        **means,
        parameters_low=int(min(cost["trainable_parameters"] for cost in costs)),
        parameters_high=int(max(cost["trainable_parameters"] for cost in costs)),
        added_memory_bytes=int(max(memory)) if len(memory) == len(costs) and len(devices) == 1 else None,
        device=devices.pop() if len(devices) == 1 else MIXED,
        learns_from_tests=learns_from_tests,
    )


ORACLE = "oracle"
"""Value of every method's selection setting that uses test labels."""
ENSEMBLE = "ensemble"
"""Value of every method's selection setting that averages all candidates."""
LONGEST_LABEL = 300
"""Most characters of the settings in a name; the rest is replaced by a digest."""
_DEFAULTS = {axis.setting: axis.usual for axis in AXES if axis.setting}
"""Values of settings that a run records only if they differ from these."""


def entry_keys(runs: Sequence[ScoredRun]) -> dict[tuple[str, str, str], str]:
    """A unique key for each method x config x recipe, with only the settings that differ between a method's entries.

    An oracle or ensemble setting, a selected epoch, changed settings, and a recipe that is not the published one are
    always included, except that a leaderboard of a demo does not repeat its recipe in each row.
    """
    changed: dict[str, set[str]] = {}
    for run in runs:
        changed.setdefault(run.method, set()).update(run.changed)
    names: dict[tuple[str, str, str], str | None] = {run.identity: run.recipe_name for run in runs}
    of_demo = set(names.values()) - {None} == {DEMO_RECIPE}
    labels: dict[tuple[str, str, str], str] = {}
    for method in sorted({identity[0] for identity in names}):
        siblings = sorted(identity for identity in names if identity[0] == method)
        flat = {identity: _flat(json.loads(identity[1])) for identity in siblings}
        recipes = {identity[2] for identity in siblings}
        if len(recipes) > 1:
            recipe_names = {identity[2]: names[identity] for identity in siblings}
            by_name = None not in recipe_names.values() and len(set(recipe_names.values())) == len(recipes)
            for identity in siblings:
                flat[identity] |= (
                    {RECIPE: str(names[identity])} if by_name else _flat(json.loads(identity[2]) or {}, "recipe.")
                )
        elif not of_demo and names[siblings[0]] not in (None, *PUBLISHED_RECIPES):
            flat = {identity: values | {RECIPE: str(names[identity])} for identity, values in flat.items()}
        keys = sorted({key for values in flat.values() for key in values})
        flat = {identity: _DEFAULTS | values for identity, values in flat.items()}
        settings = {key: {flat[identity].get(key, "unset") for identity in siblings} for key in keys}
        always = {key for key in keys if key in (EPOCH, RECIPE) or key.split(".")[0] in changed[method]}
        naming = [key for key in keys if len(settings[key]) > 1 or key in always or settings[key] & {ORACLE, ENSEMBLE}]
        effective = [key for key in naming if key not in ("recipe.name", "recipe.source")]
        if len({tuple(flat[identity].get(key) for key in effective) for identity in siblings}) == len(siblings):
            naming = effective
        for identity in siblings:
            text = ", ".join(f"{key}={flat[identity].get(key, 'unset')}" for key in naming)
            labels[identity] = f"{method} [{_shortened(text)}]" if naming else method
    return labels


def _shortened(text: str) -> str:
    """Text of at most `LONGEST_LABEL` characters; a digest of all of it stands for the rest, so it stays unique."""
    if len(text) <= LONGEST_LABEL:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{text[: LONGEST_LABEL - 11]}… {digest}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
