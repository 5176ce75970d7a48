"""Official settings of the methods: what their repositories state by dataset, protocol and shots, beside ours.

`python -m tools.official_settings` reads them from the repositories; `tests/tools/test_compared_settings.py` compares.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from datasets_registry import ClassSet, DatasetInfo, EvalProtocol, get_dataset
from methods import Method, MethodInfo, get_method
from methods._parts.two_tower_methods import TwoTowerMethod
from methods._text.templates import TEMPLATE_LISTS
from methods.lweib import WORDS, LwEIB
from methods.plot_pp import PLOTPP, initial_words
from methods.promptsrc import PromptSRC
from methods.tcp import TCP, prompt_template
from methods.zero_shot import ZeroShot

SETTINGS_FILE = Path(__file__).with_name("official_settings.json")
ELEVEN_DATASETS = (
    "imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft", "sun397",
    "dtd", "eurosat", "ucf101",
)  # fmt: skip
"""The eleven datasets on which most papers report few-shot and base-to-new."""
SHOTS = (1, 2, 4, 8, 16)
DATA_SETTINGS = {"precision": "fp32", "interpolation": "bicubic", "test_view": "centre crop", "seeds": [1, 2, 3]}
"""What every run has, whatever the method: its default precision, its images, and its seeds."""


NOT_STATED, ABSENT = "not stated", "none"
"""In place of a value: no source states it, or the official code has no such setting."""


@dataclass(frozen=True)
class OfficialSetting:
    """One value that official code states, or a setting whose value it does not state.

    Args:
        setting: `recipe.FIELD`, `data.NAME`, `words.NAME`, or a setting of the method.
        protocols: where it holds.
        datasets: where it holds; empty: on all.
        shots: where it holds; empty: with all.
        value: the value in the terms of this project; None without a source.
        stated: the value as it is written there, or `NOT_STATED` or `ABSENT`.
        where: repository, commit, file and line; empty without a source.
        reason: why ours is another, what was searched, or why there is no such setting; empty if ours is the same.
        ours: our value when the reason was written; None without a reason.
    """

    setting: str
    protocols: tuple[str, ...]
    datasets: tuple[str, ...]
    shots: tuple[int, ...]
    value: Any
    stated: str
    where: str
    reason: str = ""
    ours: Any = None

    def holds(self, protocol: str, dataset: str, shots: int) -> bool:
        """Whether it is the value in that case."""
        return (
            protocol in self.protocols
            and (not self.datasets or dataset in self.datasets)
            and (not self.shots or shots in self.shots)
        )

    def explains(self, ours: Any) -> bool:
        """Whether our value is the official one, or the one for which the reason was written."""
        if not self.reason:
            return equal_values(ours, self.value)
        differs = not self.where or not equal_values(ours, self.value)
        return differs and equal_values(ours, self.ours)


@cache
def _stored() -> Mapping[str, Any]:
    stored: Mapping[str, Any] = json.loads(SETTINGS_FILE.read_text(encoding="utf-8"))
    return stored


def methods_with_official_settings() -> list[str]:
    """The names of the methods whose official settings were read, sorted."""
    return sorted(_stored())


def official_settings(method: str) -> list[OfficialSetting]:
    """The official settings of a method; none if they were not read."""
    return [
        OfficialSetting(setting, tuple(protocols), tuple(datasets), tuple(shots), *values)
        for setting, protocols, datasets, shots, *values in _stored().get(method, ())
    ]


def settings_in_case(
    settings: Iterable[OfficialSetting], protocol: str, dataset: str, shots: int
) -> dict[str, OfficialSetting]:
    """Those that hold in one case, by setting."""
    return {one.setting: one for one in settings if one.holds(protocol, dataset, shots)}


def published_cases(info: MethodInfo) -> Iterator[tuple[EvalProtocol, str, int]]:
    """The protocols, datasets and shots for which a method has published settings."""
    for protocol in _protocols_of(info):
        for dataset in ELEVEN_DATASETS[:1] if protocol.transfers else ELEVEN_DATASETS:
            for shots in SHOTS if protocol is EvalProtocol.FEW_SHOT else (0,) if info.reads_test_stream else (16,):
                yield protocol, dataset, shots


def _protocols_of(info: MethodInfo) -> list[EvalProtocol]:
    """The protocols for which a method has published settings; for one without training or others, the usual one."""
    found = [protocol for protocol in EvalProtocol if protocol in (info.recipes or info.config_by_protocol)]
    return found or [EvalProtocol.TEST_TIME if info.reads_test_stream else EvalProtocol.FEW_SHOT]


def our_settings(name: str, protocol: EvalProtocol, dataset: DatasetInfo, shots: int) -> dict[str, Any]:
    """The settings of a method in one case, by setting, as JSON values, read from its class.

    Fields of the recipe without effect there, such as the rate of a warm-up that does not exist, are left out.
    """
    method = get_method(name)
    config = method.info.default_config(protocol).for_dataset(dataset.name, shots)
    settings = {key: to_jsonable_python(value) for key, value in config if key != "by_dataset"}
    settings |= {"template": "own"} if settings.get("template", "own") is None else {}
    found = {f"data.{key}": value for key, value in DATA_SETTINGS.items()}
    found |= {f"words.{key}": to_jsonable_python(value) for key, value in _words(method, dataset).items()}
    found |= {key: _written_out(value, dataset.template) for key, value in settings.items()}
    if (recipe := method.info.recipe_for(protocol)) is None:
        return found
    values = recipe.for_shots(shots).for_dataset(dataset.name).model_dump(mode="json")
    return found | {f"recipe.{key}": values[key] for key in _fields_with_effect(values)}


def _words(method: type[Method[Any]], dataset: DatasetInfo) -> dict[str, Any]:
    """Texts that no setting gives: frozen and learned class texts, words that prompts start from, and named lists."""
    classes, found = ClassSet((), dataset.template, dataset=dataset.name), {}
    if issubclass(method, TwoTowerMethod) and method.wording is not None:
        found["frozen"] = method.class_template(classes)
    if issubclass(method, PromptSRC):
        found["frozen"] = method.teacher_templates
    if issubclass(method, TCP):
        found["learned"] = prompt_template(classes)
    if issubclass(method, PLOTPP):
        found["start"] = initial_words(classes)
    if issubclass(method, LwEIB):
        found["start"] = WORDS
    return found | (dict(TEMPLATE_LISTS) if method is ZeroShot else {})


def _written_out(value: Any, template: str) -> Any:
    """A setting with the words of its templates in place of their names."""
    if isinstance(value, list):
        named = [TEMPLATE_LISTS.get(one, (one,)) if isinstance(one, str) else (one,) for one in value]
        return [_written_out(one, template) for several in named for one in several]
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


@dataclass(frozen=True)
class ComparedSetting:
    """One official value beside ours.

    Args:
        setting: `recipe.FIELD`, `data.NAME`, `words.NAME`, or a setting of the method.
        holds: protocols, datasets and shots where it holds; empty: everywhere.
        official: the value as it is written there, or `NOT_STATED` or `ABSENT`.
        ours: our value there.
        where: repository, commit, file and line; empty without a source.
        remark: why ours is another, what was searched, or why there is no such setting.
    """

    setting: str
    holds: str
    official: str
    ours: str
    where: str
    remark: str


def compared_settings(method: str) -> list[ComparedSetting]:
    """Every official setting of a method beside ours, in the order of our settings; empty if none were read.

    Equal values are one row, with the first place of each.
    """
    ours = {
        case: our_settings(method, case[0], get_dataset(case[1]), case[2])
        for case in published_cases(get_method(method).info)
    }
    same: dict[tuple[str, str, str], list[OfficialSetting]] = defaultdict(list)
    for one in official_settings(method):
        same[one.setting, json.dumps([one.value, one.ours]), one.reason].append(one)
    order = list(dict.fromkeys(name for values in ours.values() for name in values))
    return sorted((_compared(rows, ours) for rows in same.values()), key=lambda one: order.index(one.setting))


_Case = tuple[EvalProtocol, str, int]


def _compared(rows: Sequence[OfficialSetting], ours: Mapping[_Case, Mapping[str, Any]]) -> ComparedSetting:
    setting = rows[0].setting
    held = [case for case, values in ours.items() if setting in values and any(one.holds(*case) for one in rows)]
    files = dict.fromkeys(one.where for one in rows)
    where = rows[0].where + (f", and {len(files) - 1} more" if len(files) > 1 else "")
    everywhere = [case for case, values in ours.items() if setting in values]
    texts = _texts(ours[case][setting] for case in held)
    return ComparedSetting(setting, held_text(held, everywhere), rows[0].stated, texts, where, rows[0].reason)


def held_text(held: Collection[_Case], everywhere: Collection[_Case]) -> str:
    """Protocols, shots and datasets in words; empty if it is everywhere.

    Example:
        >>> few = [(EvalProtocol.FEW_SHOT, dataset, 1) for dataset in ("dtd", "eurosat")]
        >>> held_text(few[:1], few), held_text(few, few)
        ('few-shot (dtd)', '')
    """
    if len(held) == len(everywhere):
        return ""
    parts = []
    for protocol in dict.fromkeys(case[0] for case in held):
        within = [case[1:] for case in everywhere if case[0] is protocol]
        names, numbers = list(dict.fromkeys(name for name, _ in within)), {shots for _, shots in within}
        by_shots: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for name in names:
            if shots := tuple(case[2] for case in held if case[0] is protocol and case[1] == name):
                by_shots[shots].append(name)
        described = []
        for shots, datasets in by_shots.items():
            left = [name for name in names if name not in datasets]
            what = f"all but {', '.join(left)}" if len(left) < len(datasets) else ", ".join(datasets)
            words = f"at {', '.join(map(str, shots))} shot{'s' if shots != (1,) else ''}"
            described.append(" ".join([what] * bool(left) + [words] * (len(shots) < len(numbers))))
        detail = "; ".join(filter(None, described))
        parts.append(f"{protocol} ({detail})" if detail else str(protocol))
    return ", ".join(parts)


def _texts(values: Iterable[Any]) -> str:
    return " or ".join(dict.fromkeys(map(_value_text, values)))


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


@dataclass(frozen=True)
class CountedSettings:
    """Numbers of cells: a setting of a method with one protocol, dataset and number of shots.

    Args:
        stated: a source states the official value.
        equal: ours is the same.
        explained: ours is another, for a listed reason.
        unexplained: ours is another.
        unstated: no source states the value.
        missing: nothing is recorded.
        without: the official code has no such setting; not counted among the others.
    """

    stated: int = 0
    equal: int = 0
    explained: int = 0
    unexplained: int = 0
    unstated: int = 0
    missing: int = 0
    without: int = 0

    def __add__(self, other: CountedSettings) -> CountedSettings:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return CountedSettings(*(one + another for one, another in pairs))


def counted_settings(method: str) -> CountedSettings:
    """How many of a method's settings a source states, and how many are ours."""
    return sum(counted_by_setting(method).values(), CountedSettings())


def counted_by_setting(method: str) -> dict[str, CountedSettings]:
    """The same for each setting."""
    official = official_settings(method)
    counts: dict[str, CountedSettings] = defaultdict(CountedSettings)
    for protocol, dataset, shots in published_cases(get_method(method).info):
        ours = our_settings(method, protocol, get_dataset(dataset), shots)
        entries = settings_in_case(official, protocol, dataset, shots)
        for setting, value in ours.items():
            counts[setting] += _counted(entries.get(setting), value)
    return dict(counts)


def _counted(one: OfficialSetting | None, ours: Any) -> CountedSettings:
    if one is None:
        return CountedSettings(missing=1)
    if not one.where:
        return CountedSettings(unstated=one.stated == NOT_STATED, without=one.stated == ABSENT)
    explained = one.explains(ours)
    return CountedSettings(
        stated=1,
        equal=explained and not one.reason,
        explained=explained and bool(one.reason),
        unexplained=not explained,
    )


def equal_values(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; numbers to nine digits."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal_values, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)
