"""Official settings of the methods: what their repositories state by dataset, protocol and shots, beside ours.

`python -m tools.official_settings` reads them from the repositories. Loads no torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from datasets_registry import DatasetInfo, EvalProtocol
from methods._base.method_info import MethodTraits

SETTINGS_FILE = "official_settings.json"
ELEVEN_DATASETS = (
    "imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft", "sun397",
    "dtd", "eurosat", "ucf101",
)  # fmt: skip
"""The eleven datasets on which most papers report few-shot and base-to-new."""
SHOTS = (1, 2, 4, 8, 16)
DATA_SETTINGS = {"precision": "fp32", "interpolation": "bicubic", "test_view": "centre crop", "seeds": [1, 2, 3]}
"""What every run has, whatever the method: its default precision, its images, and its seeds."""


@dataclass(frozen=True)
class OfficialSetting:
    """One value that official code states.

    Args:
        setting: `recipe.FIELD`, `data.NAME`, or a setting of the method.
        protocols: where it holds.
        datasets: where it holds; empty: on all.
        shots: where it holds; empty: with all.
        value: the value in the terms of this project.
        stated: the value as it is written there.
        where: repository, commit, file and line.
        differs: why ours is another; empty if ours is the same.
    """

    setting: str
    protocols: tuple[str, ...]
    datasets: tuple[str, ...]
    shots: tuple[int, ...]
    value: Any
    stated: str
    where: str
    differs: str = ""

    def holds(self, protocol: str, dataset: str, shots: int) -> bool:
        """Whether it is the value in that case."""
        return (
            protocol in self.protocols
            and (not self.datasets or dataset in self.datasets)
            and (not self.shots or shots in self.shots)
        )


@dataclass(frozen=True)
class OfficialSettings:
    """What is known of a method's official settings.

    Args:
        stated: the values.
        unstated: settings that no source states, by protocol, each with what was searched.
        ours: settings of ours without a counterpart there, each with the reason.
    """

    stated: tuple[OfficialSetting, ...]
    unstated: Mapping[str, Mapping[str, str]]
    ours: Mapping[str, str]

    def of(self, protocol: str, dataset: str, shots: int) -> dict[str, OfficialSetting]:
        """The values in one case, by setting."""
        return {one.setting: one for one in self.stated if one.holds(protocol, dataset, shots)}


@cache
def _stored() -> Mapping[str, Any]:
    text = resources.files("methods").joinpath("_assets", SETTINGS_FILE).read_text(encoding="utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def methods_with_official_settings() -> list[str]:
    """The names of the methods whose official settings were read, sorted."""
    return sorted(_stored())


def official_settings(method: str) -> OfficialSettings | None:
    """The official settings of a method; None if they were not read."""
    found = _stored().get(method)
    if found is None:
        return None
    stated = tuple(
        OfficialSetting(setting, tuple(protocols), tuple(datasets), tuple(shots), *values)
        for setting, protocols, datasets, shots, *values in found["stated"]
    )
    return OfficialSettings(stated, found["unstated"], found["ours"])


def published_cases(facts: MethodTraits) -> Iterator[tuple[EvalProtocol, str, int]]:
    """The protocols, datasets and shots for which a method has published settings."""
    for protocol in protocols_of(facts):
        for dataset in ELEVEN_DATASETS[:1] if protocol.transfers else ELEVEN_DATASETS:
            for shots in SHOTS if protocol is EvalProtocol.FEW_SHOT else (0,) if _without_shots(facts) else (16,):
                yield protocol, dataset, shots


def _without_shots(facts: MethodTraits) -> bool:
    return facts.reads_test_stream


def protocols_of(facts: MethodTraits) -> list[EvalProtocol]:
    """The protocols for which a method has published settings; for one without training, the usual one."""
    found = [protocol for protocol in EvalProtocol if protocol in facts.recipes]
    if found:
        return found
    return [EvalProtocol.TEST_TIME if facts.reads_test_stream else EvalProtocol.FEW_SHOT]


def our_settings(facts: MethodTraits, protocol: EvalProtocol, dataset: DatasetInfo, shots: int) -> dict[str, Any]:
    """Our settings in one case, by setting, as JSON values.

    Fields of the recipe without effect there, such as the rate of a warm-up that does not exist, are left out.
    """
    found = {f"data.{name}": value for name, value in DATA_SETTINGS.items()}
    settings = dict(facts.settled(protocol).values)
    settings |= settings.pop("by_dataset", {}).get(dataset.name, {})
    settings |= {"template": "own"} if settings.get("template", "own") is None else {}
    found |= {name: _with_own_template(value, dataset.template) for name, value in settings.items()}
    if (recipe := facts.recipe_for(protocol)) is None:
        return found
    values = recipe.for_shots(shots).for_dataset(dataset.name).model_dump(mode="json")
    return found | {f"recipe.{name}": values[name] for name in _fields_with_effect(values)}


def _with_own_template(value: Any, template: str) -> Any:
    if isinstance(value, list):
        return [_with_own_template(one, template) for one in value]
    return template if value == "own" else value


def _fields_with_effect(recipe: Mapping[str, Any]) -> Iterator[str]:
    yield from ("optimizer", "lr", "weight_decay", "batch_size", "schedule", "augment", "warmup")
    yield next((name for name in ("steps", "steps_per_shot") if recipe[name]), "epochs")
    if recipe["batch_size"]:
        yield "drop_last"
    if recipe["optimizer"] == "sgd":
        yield "momentum"
    elif recipe["eps"] is not None:
        yield "eps"
    if recipe["schedule"] in ("cosine", "wave"):
        yield "min_lr"
    if recipe["warmup_steps"]:
        yield from ("warmup_steps", "warmup_lr")
    elif recipe["warmup"] != "none":
        yield from ("warmup_epochs", "warmup_lr")
    if recipe["augment"]:
        yield from ("crop_scale", "views")


def equal_values(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; numbers to nine digits."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal_values, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)
