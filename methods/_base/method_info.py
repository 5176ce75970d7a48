"""The facts of a method as plain data, for listings, plans, checks and docs. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

from datasets_registry import EvalProtocol
from methods._base.backbone_sizes import BackboneSizes
from methods._base.parameter_formula import evaluate_formula
from methods._base.recipe import Recipe


class Family(StrEnum):
    """The kind of parameters that a method learns."""

    ZERO_SHOT = "zero-shot"
    TEXT_PROMPT = "text prompt"
    VISUAL_PROMPT = "visual prompt"
    MULTIMODAL_PROMPT = "multimodal prompt"
    FEATURE_ADAPTER = "feature adapter"
    CACHE = "cache"
    WEIGHT_ADAPTER = "weight adapter"
    CLASSIFIER = "classifier"
    ENSEMBLE = "ensemble"
    TEST_TIME = "test-time"


class Needs(StrEnum):
    """What a method reads from an image. Reading anything else raises UndeclaredNeedError.

    A method that learns from unlabelled test images declares `TEST_STREAM`; such methods have a separate leaderboard.
    If it cannot run without random views of a test image, it declares `TEST_VIEWS`, too.
    """

    FEATURES = "features"
    POOLED = "pooled"
    HIDDEN = "hidden"
    PIXELS = "pixels"
    OTHER_VIEW = "other_view"
    TEST_VIEWS = "test_views"
    TEST_STREAM = "test_stream"


class TowerUse(StrEnum):
    """How a method uses the inside of a tower, besides prompts; not every tower supports it."""

    IMAGE_BLOCKS = "image_blocks"
    """It changes parts of the image tower's blocks, such as weights and norms."""
    IMAGE_PROJECTION = "image_projection"
    """It fine-tunes the last projection of the image tower."""
    PROMPT_STATES = "prompt_states"
    """It reads learned tokens after the last block of the image tower."""
    TEXT_TOKENS = "text_tokens"
    """It inserts, replaces or reads tokens inside the text tower."""


class MethodConfig(BaseModel):
    """Base of all method configurations. Instances are frozen, and an unknown key is an error.

    The methods below are facts that depend on the settings; a subclass overrides them where they differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def config_error(self) -> str | None:
        """Why these settings cannot be run, and what to set instead; None if they can be."""
        return None

    def closed_vocabulary(self) -> bool:
        """Whether these settings tie an open-vocabulary method to its training classes (class-specific prompts)."""
        return False

    def epoch_selection_error(self) -> str | None:
        """Why no single epoch can be selected with these settings, and what to set instead; None if one can."""
        return None

    def frozen_blocks(self, backbone: BackboneSizes) -> int | None:  # noqa: ARG002
        """Number of leading frozen image blocks, for a method that reads `Batch.hidden` before the next block."""
        return None


def offered_values(config: type[MethodConfig], setting: str) -> tuple[Any, ...]:
    """The allowed values of a setting; empty if there is no such setting or it is not a choice."""
    found = config.model_fields.get(setting)
    return get_args(found.annotation) if found else ()


@dataclass(frozen=True)
class MethodInfo:
    """The facts of a method.

    Args:
        name: name in the registry, equal to the module's name.
        title: name in tables.
        summary: one sentence.
        citation: BibTeX entry.
        config: the configuration class; its defaults are the published setting.
        open_vocabulary: whether `classifier` works for classes without training images.
        needs: what it reads from an image; by default only the frozen tower's features.
        parameter_formula: number of trainable parameters, as text (`evaluate_formula`); it may also use `n_classes` and
            `shots`. The conformance kit compares it with the built module.
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
        stackable: whether its loss also works on a stack of runs, see `methods._base.stack`.
    """

    name: str
    title: str
    family: Family
    summary: str
    citation: str
    config: type[MethodConfig]
    open_vocabulary: bool
    needs: frozenset[Needs] = frozenset({Needs.FEATURES})
    parameter_formula: str = "0"
    recipes: Mapping[EvalProtocol, Recipe] = field(default_factory=dict)
    config_by_protocol: Mapping[EvalProtocol, Mapping[str, Any]] = field(default_factory=dict)
    vision_transformer: bool = False
    tower_use: frozenset[TowerUse] = frozenset()
    prompt_depths: Mapping[str, str] = field(default_factory=dict)
    reads_text: bool = True
    learns_text: bool = False
    class_text_teacher: bool = False
    starts_as_zero_shot: Mapping[str, Any] | None = None
    stackable: bool = False

    @property
    def needs_validation(self) -> bool:
        """Whether `calibrate` needs the few validation images, that is, `selection` can be `validation`."""
        return "validation" in offered_values(self.config, "selection")

    @property
    def reads_test_stream(self) -> bool:
        """Whether it learns from unlabelled test images."""
        return Needs.TEST_STREAM in self.needs

    @property
    def usual_protocol(self) -> EvalProtocol:
        """The protocol of its card and of the conformance kit: base-to-new if it can classify new classes."""
        if self.reads_test_stream:
            return EvalProtocol.TEST_TIME
        return EvalProtocol.BASE_TO_NEW if self.open_vocabulary else EvalProtocol.FEW_SHOT

    @property
    def oracle_settings(self) -> Mapping[str, Any]:
        """Settings that choose with test labels, for a method without a setting `selection`; else empty."""
        choices = [key for key in self.config.model_fields if "oracle" in offered_values(self.config, key)]
        return {key: "oracle" for key in choices if key != "selection"}

    def parameter_count(self, backbone: BackboneSizes, config: MethodConfig, *, n_classes: int, shots: int) -> int:
        """Trainable parameters of a run; the backbone's weights need not be loaded."""
        return int(evaluate_formula(self.parameter_formula, backbone, config, n_classes=n_classes, shots=shots))

    def default_config(self, protocol: EvalProtocol) -> MethodConfig:
        """The published settings for a protocol, or those that belong to the reused recipe."""
        return self.config(**self.config_by_protocol.get(self._printed(protocol), {}))

    def recipe_for(self, protocol: EvalProtocol) -> Recipe | None:
        """The published training settings for that protocol; None if there are none.

        Most papers give none for training on a source dataset. Then the recipe of base-to-new or few-shot is reused,
        and `source` states this.
        """
        printed = self._printed(protocol)
        recipe = self.recipes.get(printed)
        if recipe is None or printed is protocol:
            return recipe
        return recipe.model_copy(update={"source": f"{recipe.source}; printed for {printed}, reused for {protocol}"})

    def _printed(self, protocol: EvalProtocol) -> EvalProtocol:
        """The protocol whose published settings are used for this one."""
        if protocol.transfers and protocol not in self.recipes and protocol not in self.config_by_protocol:
            return next((p for p in (EvalProtocol.BASE_TO_NEW, EvalProtocol.FEW_SHOT) if p in self.recipes), protocol)
        return protocol

    def is_open(self, config: MethodConfig) -> bool:
        """Whether this configuration can classify classes without training images."""
        return self.open_vocabulary and not config.closed_vocabulary()
