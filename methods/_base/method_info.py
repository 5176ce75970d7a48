"""The facts of a method as plain data, for listings, plans, checks and docs. Loads no torch."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any, ClassVar, Literal, NoReturn, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer

from datasets_registry import BenchError, EvalProtocol, RegistrationError, did_you_mean
from methods._base.recipe import Recipe, checked_table, own_values, without_fields

Family = Literal[
    "zero-shot",
    "text prompt",
    "visual prompt",
    "multimodal prompt",
    "feature adapter",
    "cache",
    "weight adapter",
    "classifier",
    "ensemble",
    "test-time",
    "other",
]
"""The kind of parameters that a method learns. `other`: code of others, of which this is not known."""

Needs = Literal[
    "features",
    "pooled",
    "hidden",
    "pixels",
    "other_view",
    "test_views",
    "test_stream",
    "unlabelled",
    "unlabelled_batches",
    "teacher",
]
"""What a method reads from an image. Reading anything else raises UndeclaredNeedError.

A method that learns from unlabelled test images declares `test_stream`; such methods have a separate leaderboard. If it
cannot run without random views of a test image, it declares `test_views`, too. A method that learns from the unlabelled
pool of a run (`--unlabelled`) declares `unlabelled`; it is compared with methods that see the same pool. If its
training batches are images of the pool and of the support set, all without labels, it declares `unlabelled_batches`. A
method that learns from a tuned model (`--teacher`) declares `teacher`.
"""

Extra = Literal["teacher", "unlabelled images", "outside texts", "test stream", "validation labels", "test labels"]
"""What a method sees besides the labelled images and the class names.

`teacher`: a larger or generative model. `unlabelled images`: unlabelled training or test images. `outside texts`: texts
about the classes that a language model or a person wrote for each class. `test stream`: the test images, while it
classifies them. `validation labels`: labels of images beyond the shots, to choose settings. `test labels`: labels of
the test images, so that its accuracy there is no estimate.
"""

TowerUse = Literal["image_blocks", "image_projection", "prompt_states", "text_blocks", "text_tokens"]
"""How a method uses the inside of a tower, besides prompts; not every tower supports it.

`image_blocks` and `text_blocks`: it changes parts of the tower's blocks, such as weights and norms. `image_projection`:
it fine-tunes the last projection of the image tower. `prompt_states`: it projects other tokens of the image tower than
the pooled one. `text_tokens`: it inserts, replaces or reads tokens inside the text tower.
"""


@dataclass(frozen=True)
class Sizes:
    """The sizes that decide how many values a method learns: those of a backbone's two towers and of the support set.

    Args:
        embed_dim: width of the joint space.
        text_width: width of the text tower; 0, as its blocks, for a tower without blocks of its own kind.
        text_blocks: number of blocks of the text tower.
        image_width: width of the image tower; 0, as its blocks, for a tower without blocks of its own kind.
        image_blocks: number of blocks of the image tower.
        image_parameters: number of weights of the image tower.
        n_classes: number of training classes; 0 for a backbone alone.
        shots: images per class; 0 for a backbone alone.
    """

    embed_dim: int
    text_width: int
    text_blocks: int
    image_width: int
    image_blocks: int
    image_parameters: int
    n_classes: int = 0
    shots: int = 0


SettingsT = TypeVar("SettingsT", bound="MethodConfig")


class MethodConfig(BaseModel):
    """Base of all method configurations. Instances are frozen, and an unknown key is an error.

    The methods below are facts that depend on the settings; a subclass overrides them where they differ.

    Attributes:
        later: settings that a run's spec leaves out while they have their default, so that older run ids stay valid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    later: ClassVar[frozenset[str]] = frozenset()
    by_dataset: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="other values of settings on some datasets, such as {dtd: {weight: 6.0}}"
    )

    @field_validator("by_dataset")
    @classmethod
    def _values_of_datasets(cls, table: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Each value as its field has it, also when it comes from JSON."""
        return checked_table(cls, table, {"by_dataset"})

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, serialize: Callable[[MethodConfig], dict[str, Any]]) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            key: value
            for key, value in serialize(self).items()
            if (key not in self.later or getattr(self, key) != fields[key].default) and (key != "by_dataset" or value)
        }

    def for_dataset(self: SettingsT, name: str, shots: int = 0) -> SettingsT:
        """The settings with the values of one dataset and, from a key such as `dtd@16`, those for that many shots.

        A spec stores the whole table: one method for all datasets.
        """
        return self.model_copy(update={"by_dataset": {}} | own_values(self.by_dataset, name, shots))

    def config_error(self) -> str | None:
        """Why these settings cannot be run, and what to set instead; None if they can be."""
        return None

    def unused_settings(self) -> dict[str, str]:
        """Settings whose value changes nothing beside the other settings, each with the reason and what to set."""
        return {}

    def closed_vocabulary(self) -> bool:
        """Whether these settings tie an open-vocabulary method to its training classes (class-specific prompts)."""
        return False

    def epoch_selection_error(self) -> str | None:
        """Why no single epoch can be selected with these settings, and what to set instead; None if one can."""
        return None

    def parameter_count(self, sizes: Sizes) -> int:  # noqa: ARG002
        """Number of values that a run learns, from the settings and `sizes` alone; 0 without training.

        Cards print the code of this function as the formula.
        """
        return 0

    def frozen_blocks(self, sizes: Sizes) -> int | None:  # noqa: ARG002
        """Number of leading frozen image blocks, for a method that reads `Batch.hidden` before the next block."""
        return None


@dataclass(frozen=True)
class CheckedSettings:
    """Valid settings of a method, with the facts that depend on them.

    Args:
        values: the settings by name as JSON values, as a run's spec records them.
        error: why they cannot be run, and what to set instead; None if they can be.
        epoch_selection_error: why no single epoch can be selected with them; None if one can.
        closed_vocabulary: whether they tie an open-vocabulary method to its training classes.
    """

    values: Mapping[str, Any]
    error: str | None = None
    epoch_selection_error: str | None = None
    closed_vocabulary: bool = False


@dataclass(frozen=True, kw_only=True)
class MethodTraits(ABC):
    """What plans, listings and checks know about a method: common to its `MethodInfo` and its stored `MethodFacts`.

    Args:
        name: name in the registry, equal to the module's name.
        title: name in tables.
        summary: one sentence.
        citation: BibTeX entry.
        open_vocabulary: whether `classifier` works for classes without training images.
        paper: an arXiv id, `openreview:ID`, `doi:ID`, or the address of a page of the proceedings; empty if there is
            none.
        code: owner and name of the official repository, or of the one whose settings are used; empty if there is none.
        uses: what the published method sees besides the labelled images (`Extra`), as far as the other facts do not
            say it.
        version: 1, and one more with each change after which runs give other predictions. A run of another version is
            stale. Methods of other packages need not change it: the digest of their files is compared.
        needs: what it reads from an image; by default only the frozen tower's features.
        recipes: published training settings by protocol; empty for training-free methods.
        config_by_protocol: published settings of a protocol that differ from the config's defaults.
        vision_transformer: whether the image tower must be a transformer.
        tower_use: how it uses the inside of the towers, besides prompts.
        prompt_depths: settings that give a number of prompted blocks, each with its tower, `text` or `image`.
        reads_text: whether the text tower is used at all.
        learns_text: whether the input or the weights of the text tower are learned.
        class_text_teacher: whether a method that learns texts also trains on class texts given in place of the
            template.
        starts_as_zero_shot: settings with which it equals a zero-shot classifier before training; None if none do.
    """

    name: str
    title: str
    family: Family
    summary: str
    citation: str
    open_vocabulary: bool
    paper: str = ""
    code: str = ""
    uses: tuple[str, ...] = ()
    version: int = 1
    needs: frozenset[Needs] = frozenset({"features"})
    recipes: Mapping[EvalProtocol, Recipe] = field(default_factory=dict)
    config_by_protocol: Mapping[EvalProtocol, Mapping[str, Any]] = field(default_factory=dict)
    vision_transformer: bool = False
    tower_use: frozenset[TowerUse] = frozenset()
    prompt_depths: Mapping[str, str] = field(default_factory=dict)
    reads_text: bool = True
    learns_text: bool = False
    class_text_teacher: bool = False
    starts_as_zero_shot: Mapping[str, Any] | None = None

    @property
    @abstractmethod
    def choices(self) -> Mapping[str, tuple[Any, ...]]:
        """The allowed values of each setting that is a choice."""

    @abstractmethod
    def settled(self, protocol: EvalProtocol, changes: Mapping[str, Any] | None = None) -> CheckedSettings:
        """The published settings for a protocol with changes. Raises pydantic's ValidationError for invalid ones."""

    @property
    def needs_validation(self) -> bool:
        """Whether `calibrate` needs the few validation images, that is, `selection` can be `validation`."""
        return "validation" in self.choices.get("selection", ())

    def selects_on_validation(self, settings: Mapping[str, Any]) -> bool:
        """Whether `calibrate` selects on the few validation images with these settings."""
        return self.needs_validation and settings.get("selection", "validation") == "validation"

    @property
    def reads_test_stream(self) -> bool:
        """Whether it learns from unlabelled test images."""
        return "test_stream" in self.needs

    @property
    def needs_pool(self) -> bool:
        """Whether it learns from the unlabelled pool of a run, without which it cannot run."""
        return "unlabelled" in self.needs or self.trains_on_pool

    @property
    def trains_on_pool(self) -> bool:
        """Whether its training batches are images of the pool and of the support set, all without labels."""
        return "unlabelled_batches" in self.needs

    @property
    def needs_teacher(self) -> bool:
        """Whether it learns from a tuned model that the run names, without which it cannot run."""
        return "teacher" in self.needs

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What it sees besides the labelled images with its published settings, in the order of `Extra`."""
        extras: set[str] = set(self.uses)
        extras |= {"test stream"} if self.reads_test_stream else set()
        extras |= {"unlabelled images"} if self.needs_pool else set()
        extras |= {"teacher"} if self.needs_teacher else set()
        published = self.settled(self.usual_protocol).values
        extras |= {"validation labels"} if published.get("selection") == "validation" else set()
        return tuple(extra for extra in get_args(Extra) if extra in extras)

    @property
    def year(self) -> int | None:
        """Year of its paper, from the citation."""
        match = _YEAR.search(self.citation)
        return int(match[1]) if match else None

    @property
    def venue(self) -> str:
        """Conference or journal of its paper, from the citation; `arXiv` for a preprint."""
        match = _VENUE.search(self.citation)
        return match[1] if match and "arXiv" not in match[1] else "arXiv" if self.paper else ""

    @property
    def usual_protocol(self) -> EvalProtocol:
        """The protocol of its card and of the conformance kit: base-to-new if it can classify new classes."""
        if self.reads_test_stream:
            return EvalProtocol.TEST_TIME
        return EvalProtocol.BASE_TO_NEW if self.open_vocabulary else EvalProtocol.FEW_SHOT

    @property
    def oracle_settings(self) -> Mapping[str, Any]:
        """Settings that choose with test labels, for a method without a setting `selection`; else empty."""
        return {key: "oracle" for key, values in self.choices.items() if "oracle" in values and key != "selection"}

    def recipe_for(self, protocol: EvalProtocol) -> Recipe | None:
        """The published training settings for that protocol; None if there are none.

        Most papers give none for training on a source dataset. Then the recipe of base-to-new or few-shot is reused,
        and `source` states this.
        """
        printed = self.printed_protocol(protocol)
        recipe = self.recipes.get(printed)
        if recipe is None or printed is protocol:
            return recipe
        return recipe.model_copy(update={"source": f"{recipe.source}; printed for {printed}, reused for {protocol}"})

    def printed_protocol(self, protocol: EvalProtocol) -> EvalProtocol:
        """The protocol whose published settings are used for this one."""
        if protocol.transfers and protocol not in self.recipes and protocol not in self.config_by_protocol:
            return next((p for p in (EvalProtocol.BASE_TO_NEW, EvalProtocol.FEW_SHOT) if p in self.recipes), protocol)
        return protocol


@dataclass(frozen=True, kw_only=True)
class MethodInfo(MethodTraits):
    """The facts that a method states about itself, as the class attribute `info`.

    Args:
        config: the configuration class; its defaults are the published setting.
    """

    config: type[MethodConfig]

    def __new__(cls, **given: Any) -> MethodInfo:
        """Raises RegistrationError for a field that does not exist, with what to write instead."""
        for name in given:
            if name not in {info_field.name for info_field in fields(cls)}:
                hint = REPLACED_FIELDS.get(name) or did_you_mean(name, [info_field.name for info_field in fields(cls)])
                raise RegistrationError(f"MethodInfo has no field {name!r}. {hint}".strip())
        for name, kind in (("uses", Extra), ("needs", Needs), ("tower_use", TowerUse)):
            for value in given.get(name, ()):
                if value not in (allowed := get_args(kind)):
                    raise RegistrationError(f"MethodInfo.{name} has {value!r}. Allowed: {', '.join(allowed)}.")
        return super().__new__(cls)

    @property
    def choices(self) -> Mapping[str, tuple[Any, ...]]:
        """The allowed values of each setting that is a choice."""
        settings = self.config.model_fields.items()
        return {
            key: get_args(setting.annotation) for key, setting in settings if get_origin(setting.annotation) is Literal
        }

    @property
    def parameter_formula(self) -> str:
        """The code of `config.parameter_count` for readers, such as `n_ctx * text_width`."""
        return formula_text(self.config)

    def default_config(self, protocol: EvalProtocol) -> MethodConfig:
        """The published settings for a protocol, or those that belong to the reused recipe."""
        return self.config(**self.config_by_protocol.get(self.printed_protocol(protocol), {}))

    def settled(self, protocol: EvalProtocol, changes: Mapping[str, Any] | None = None) -> CheckedSettings:
        """The published settings for a protocol with changes. Raises pydantic's ValidationError for invalid ones."""
        values = self.default_config(protocol).model_dump()
        changes = changes or {}
        table = without_fields(values.get("by_dataset", {}), changes)
        config = self.config.model_validate(values | {"by_dataset": table} | dict(changes))
        unused = [
            f"{key}={changes[key]} has no effect: {why}."
            for key, why in config.unused_settings().items()
            if key in changes
        ]
        return CheckedSettings(
            values=config.model_dump(mode="json"),
            error=config.config_error() or next(iter(unused), None),
            epoch_selection_error=config.epoch_selection_error(),
            closed_vocabulary=config.closed_vocabulary(),
        )

    def is_open(self, config: MethodConfig) -> bool:
        """Whether this configuration can classify classes without training images."""
        return self.open_vocabulary and not config.closed_vocabulary()


REPLACED_FIELDS = {
    "parameter_formula": "Write the formula as a function of the configuration class instead: "
    "`def parameter_count(self, sizes: Sizes) -> int: return ...`.",
}
"""Fields that `MethodInfo` no longer has, with what to write instead."""


def formula_text(config: type[MethodConfig]) -> str:
    """The code of `config.parameter_count` without `self` and `sizes`, its statements separated by semicolons.

    The code of a base class replaces the call of `super()`. If Python has no source of the function, as for code from a
    shell, the text is the function's name.
    """
    functions = [vars(cls)["parameter_count"] for cls in config.__mro__ if "parameter_count" in vars(cls)]
    try:
        return "; ".join(_statements(functions))
    except OSError:
        return str(functions[0].__qualname__)


def _statements(functions: Sequence[Any]) -> list[str]:
    """The statements of the first function, the last of them its value; the others are those that it overrides."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(functions[0]))).body
    assert isinstance(definition, ast.FunctionDef)
    code = definition.body[ast.get_docstring(definition) is not None :]
    lines = [re.sub(r"\b(self|sizes)\.", "", ast.unparse(part).removeprefix("return ")) for part in code]
    call = "super().parameter_count(sizes)"
    if not any(call in line for line in lines):
        return lines
    *before, value = _statements(functions[1:])
    return before + [line.replace(call, f"({value})") for line in lines]


PARITY_FILE = "parity.json"
_YEAR = re.compile(r"\byear\s*=\s*\{(\d{4})\}")
_VENUE = re.compile(r"\b(?:booktitle|journal)\s*=\s*\{([^}]+)\}")


@cache
def parity_record() -> Mapping[str, float]:
    """By method, the largest difference from the official logits, relative to the largest official logit."""
    text = resources.files("methods").joinpath("_assets", PARITY_FILE).read_text()
    record: dict[str, float] = json.loads(text)
    return record


@cache
def formula_tests() -> Mapping[str, str]:
    """By method, the test in `tests/methods/` that compares it with a direct implementation of its formula."""
    text = resources.files("methods").joinpath("_assets", "formula_tests.json").read_text()
    tests: dict[str, str] = json.loads(text)
    return tests


@cache
def official_runs() -> Mapping[str, str]:
    """By method, the official code that gave its predictions on the same images (docs on parity)."""
    text = resources.files("methods").joinpath("_assets", "official_runs.json").read_text()
    runs: dict[str, str] = json.loads(text)
    return runs


def refuse_host(wrapper: str, host: str, reason: str, fitting: Iterable[str]) -> NoReturn:
    """Raise BenchError for a wrapper around a host that does not fit."""
    raise BenchError(f"{wrapper} cannot wrap {host!r}, which {reason}; choose one of {', '.join(fitting)}.")
