"""What a method is: its facts (MethodInfo), what it may touch (Batch) and the two interfaces it can implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet, EvalProtocol
from methods._backbones.backbone import Backbone
from methods._base.recipe import Recipe
from methods._base.selection import Tuning


class Family(StrEnum):
    """What kind of thing a method learns."""

    ZERO_SHOT = "zero-shot"
    TEXT_PROMPT = "text prompt"
    VISUAL_PROMPT = "visual prompt"
    MULTIMODAL_PROMPT = "multimodal prompt"
    FEATURE_ADAPTER = "feature adapter"
    CACHE = "cache"
    WEIGHT_ADAPTER = "weight adapter"
    CLASSIFIER = "classifier"
    ENSEMBLE = "ensemble"


class Needs(StrEnum):
    """What a method reads of an image. Touching anything else raises."""

    FEATURES = "features"
    POOLED = "pooled"
    HIDDEN = "hidden"
    PIXELS = "pixels"
    OTHER_VIEW = "other_view"


class ClosedVocabularyError(BenchError, ValueError):
    """A method whose parameters are tied to its training classes was asked about other classes."""


class UndeclaredNeedError(BenchError, RuntimeError):
    """A method touched something of a batch that its `needs` does not declare."""


class MethodConfig(BaseModel):
    """Base of all method configurations: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


ConfigT = TypeVar("ConfigT", bound=MethodConfig)


class Batch:
    """Images of one step, with only what the method declared it needs. Everything is computed on first use.

    Args:
        labels: class indices `(batch,)`, or None at evaluation: test labels are out of a method's reach.
        features: gives the frozen tower's features `(batch, dim)`, unnormalised, of these very views.
        pooled: gives what the frozen tower projects to those features, `(batch, width)`; None where nobody can ask.
        pixels: gives the preprocessed images `(batch, 3, h, w)` of these very views.
        other_view: gives the frozen tower's features of another view of the same images; None outside training.
        hidden: gives the frozen tower's tokens before a block, `(batch, tokens, width)`; None where nobody can ask.
        needs: what the method declared.
    """

    def __init__(
        self,
        labels: Int[Tensor, " batch"] | None,
        *,
        features: Callable[[], Tensor],
        pixels: Callable[[], Tensor],
        pooled: Callable[[], Tensor] | None = None,
        other_view: Callable[[], Tensor] | None = None,
        hidden: Callable[[int], Tensor] | None = None,
        needs: frozenset[Needs],
    ) -> None:
        self._labels = labels
        self._sources: dict[Needs, Callable[[], Tensor]] = {Needs.FEATURES: features, Needs.PIXELS: pixels}
        if pooled is not None:
            self._sources[Needs.POOLED] = pooled
        if other_view is not None:
            self._sources[Needs.OTHER_VIEW] = other_view
        self._hidden = hidden
        self._needs = needs
        self._values: dict[Needs | int, Tensor] = {}

    def _declared(self, need: Needs) -> None:
        if need not in self._needs:
            allowed = ", ".join(sorted(self._needs)) or "nothing"
            raise UndeclaredNeedError(
                f"Batch.{need} was read, but the method declares needs: {allowed}. Add it to info.needs."
            )

    def _get(self, need: Needs) -> Tensor:
        self._declared(need)
        if need not in self._sources:
            raise UndeclaredNeedError(f"Batch.{need} was read where images have none, such as at evaluation.")
        if need not in self._values:
            self._values[need] = self._sources[need]()
        return self._values[need]

    def load(self, need: Needs) -> Batch:
        """Compute one of the things declared now rather than on first use, and give the batch itself."""
        self._get(need)
        return self

    @property
    def labels(self) -> Int[Tensor, " batch"]:
        """Class indices within the support classes. Raises UndeclaredNeedError at evaluation."""
        if self._labels is None:
            raise UndeclaredNeedError("Batch.labels was read at evaluation; test labels are out of a method's reach.")
        return self._labels

    @property
    def features(self) -> Float[Tensor, "batch dim"]:
        """Features of the frozen tower for these views, unnormalised."""
        return self._get(Needs.FEATURES)

    @property
    def pooled(self) -> Float[Tensor, "batch width"]:
        """What the frozen tower's last layer projects to `features`, for these views."""
        return self._get(Needs.POOLED)

    def hidden(self, first: int) -> Float[Tensor, "batch tokens width"]:
        """Tokens of these views in front of block `first` (from 0) of the frozen tower; 0 gives the embedded image."""
        self._declared(Needs.HIDDEN)
        if first not in self._values:
            if self._hidden is None:
                raise UndeclaredNeedError("Batch.hidden was read where images have none.")
            self._values[first] = self._hidden(first)
        return self._values[first]

    @property
    def pixels(self) -> Float[Tensor, "batch 3 h w"]:
        """Preprocessed pixels of these views."""
        return self._get(Needs.PIXELS)

    @property
    def other_view(self) -> Float[Tensor, "batch dim"]:
        """Features of the frozen tower for another view of the same images, unnormalised; in training only."""
        return self._get(Needs.OTHER_VIEW)


Classifier = Callable[[Batch], Tensor]
"""Batch -> logits `(batch, n_cls)`."""


@dataclass(frozen=True)
class SupportView:
    """What `prepare` gets to see: the support classes, the labels, and the frozen features of the centre views.

    Args:
        classes: the training classes.
        labels: `(n,)`.
        shots: images per class asked for.
        features: gives `(n, dim)`, unnormalised, computed on first use.
        views: `views(k, crop_scale)` gives the features of k augmented views of each image, `(k, n, dim)`.
    """

    classes: ClassSet
    labels: Int[Tensor, " n"]
    shots: int
    features: Callable[[], Tensor]
    views: Callable[[int, tuple[float, float]], Tensor]


@dataclass(frozen=True)
class MethodInfo:
    """The facts of a method; listings, legends, checks and docs are made from it.

    Args:
        name: registry id, equal to the module's name.
        title: as it is written in tables.
        family: what kind of thing is learned.
        summary: one sentence.
        citation: BibTeX entry.
        config: the configuration class; its defaults are the published setting.
        needs: the least of an image that it reads.
        open_vocabulary: whether `classifier` works for classes it was not trained on.
        recipes: published training settings by protocol; empty for training-free methods.
        parameter_count: formula `(backbone, config, n_classes) -> trainable parameters`, asserted by a test.
        parameters_per_shot: what each shot per class adds to that count, in the same arguments (learned caches).
        vision_transformer: whether the image tower must be a transformer.
        closed_when: which configs give up the open vocabulary (class-specific prompts), if some do.
        config_by_protocol: published settings of a protocol that differ from the config's defaults.
        oracle_settings: settings that make the scorer choose with test labels, for methods without a setting
            `selection=oracle`; always a labelled oracle, in place of one over epochs.
        needs_validation: whether `calibrate` has to be called with the few validation images.
        learns_text: whether it runs the text tower on anything but plain class texts.
        text_teacher: whether class texts given in place of the template guide what it learns, although it learns texts.
        frozen_blocks: `(backbone, config)` -> leading image blocks that it leaves as they are, where it reads
            `Batch.hidden` of the next; None where it does not.
        zero_shot_start: settings with which it is, before any step, exactly a zero-shot classifier; None: none are.
        refuses: why a config makes no sense in this method, None where it does; for the plan to refuse it.
        bars_epochs: why, with a config, no single epoch can stand for the training, and what to set; None where it can.
    """

    name: str
    title: str
    family: Family
    summary: str
    citation: str
    config: type[MethodConfig]
    needs: frozenset[Needs]
    open_vocabulary: bool
    parameter_count: Callable[[Backbone, Any, int], int]
    parameters_per_shot: Callable[[Backbone, Any, int], int] = lambda backbone, config, n_classes: 0  # noqa: ARG005
    recipes: Mapping[EvalProtocol, Recipe] = field(default_factory=dict)
    vision_transformer: bool = False
    closed_when: Callable[[Any], bool] | None = None
    config_by_protocol: Mapping[EvalProtocol, Mapping[str, Any]] = field(default_factory=dict)
    oracle_settings: Mapping[str, Any] = field(default_factory=dict)
    needs_validation: bool = False
    learns_text: bool = False
    text_teacher: bool = False
    frozen_blocks: Callable[[Backbone, Any], int] | None = None
    zero_shot_start: Mapping[str, Any] | None = None
    refuses: Callable[[Any], str | None] = lambda config: None  # noqa: ARG005
    bars_epochs: Callable[[Any], str | None] = lambda config: None  # noqa: ARG005

    def parameters(self, backbone: Backbone, config: Any, n_classes: int, shots: int) -> int:
        """Trainable parameters of a run."""
        per_shot = self.parameters_per_shot(backbone, config, n_classes)
        return self.parameter_count(backbone, config, n_classes) + shots * per_shot

    def default_config(self, protocol: EvalProtocol) -> MethodConfig:
        """The published setting for that protocol, or the one that goes with the reused recipe."""
        return self.config(**self.config_by_protocol.get(self._printed(protocol), {}))

    def recipe_for(self, protocol: EvalProtocol) -> Recipe | None:
        """The published training settings for that protocol, None where there are none.

        Most papers print none for training on a source dataset; then those of base-to-new, or of few-shot, are reused
        and the source says so.
        """
        printed = self._printed(protocol)
        recipe = self.recipes.get(printed)
        if recipe is None or printed is protocol:
            return recipe
        return recipe.model_copy(update={"source": f"{recipe.source}; printed for {printed}, reused for {protocol}"})

    def _printed(self, protocol: EvalProtocol) -> EvalProtocol:
        """The protocol whose published settings hold for this one."""
        if protocol.transfers and protocol not in self.recipes and protocol not in self.config_by_protocol:
            return next((p for p in (EvalProtocol.BASE_TO_NEW, EvalProtocol.FEW_SHOT) if p in self.recipes), protocol)
        return protocol

    def is_open(self, config: MethodConfig) -> bool:
        """Whether this configuration can classify classes it was not trained on."""
        return self.open_vocabulary and not (self.closed_when is not None and self.closed_when(config))


class Method(ABC, Generic[ConfigT]):
    """One way of turning a frozen backbone, a few images and class names into a classifier.

    Args:
        backbone: frozen; shared with other runs, so it must be left bit for bit as it was.
        config: validated settings.
        generator: the only source of randomness, on the CPU.
    """

    info: ClassVar[MethodInfo]

    def __init__(self, backbone: Backbone, config: ConfigT, generator: torch.Generator) -> None:
        self.backbone = backbone
        self.config = config
        self.generator = generator
        self.tuning = Tuning()

    def prepare(self, support: SupportView) -> None:
        """See the support set once, without gradients: class texts, caches, closed forms. Default: keep its classes."""
        self.support_classes = support.classes

    def learned_parameters(self) -> int:
        """Number of values fitted to the support set; closed forms count 0."""
        return 0

    @abstractmethod
    def classifier(self, classes: ClassSet) -> Classifier:
        """Do the text side once for these classes. Raises ClosedVocabularyError if it cannot."""

    def calibrate(self, validation: SupportView) -> None:
        """Choose what is left open with the min(shots, 4) validation images; called last, if `needs_validation`."""

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:  # noqa: ARG002
        """Candidates among which the scorer may pick with test labels, for settings that are a labelled oracle.

        Empty for every honest setting, which is then scored through `classifier`.
        """
        return {}


class TrainableMethod(Method[ConfigT]):
    """A method that learns by minibatch gradient steps on its own parameters."""

    trainable: nn.Module
    """All that is learned, counted, optimised and saved; never a backbone parameter. Exists after `prepare`."""

    def learned_parameters(self) -> int:
        """Parameters of `trainable`."""
        return count_parameters(self.trainable)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Training loss of one batch; cross-entropy of `logits` unless a method has another."""
        return F.cross_entropy(self.train_classifier()(batch), batch.labels)

    def stages(self) -> tuple[float, ...]:
        """Trainings that follow one another, each with its own optimiser and schedule: their shares of the recipe.

        They need not add up to 1. Default: one stage, the whole recipe.
        """
        return (1.0,)

    def begin_stage(self, stage: int) -> None:
        """Called in front of each stage (0-based), before its `parameter_groups` are asked for.

        A training that goes on where it was cut off begins its stage again, and gets its tensors back behind that.
        """

    def weight_line(self) -> Iterable[nn.Parameter]:
        """Parameters to move on the straight line between initial and trained weights (WiSE-FT). Default: all.

        None in a method that has such an average as a setting of its own.
        """
        return self.trainable.parameters()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups of the stage; a group's `lr_scale` multiplies the scheduled rate. Default: everything."""
        return [{"params": list(self.trainable.parameters())}]

    def backward(self, batch: Batch) -> Tensor:
        """Leave the step's gradients on `trainable` and return the loss; for methods that operate on gradients."""
        loss = self.loss(batch)
        torch.autograd.backward(loss)
        return loss

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        """Called behind each epoch (0-based, over all stages), for averages over epochs and the like."""

    def training_state(self) -> dict[str, Tensor]:
        """What changes in training besides `trainable` and `generator`, so that a training cut off can go on."""
        return {}

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `training_state`; called on a freshly prepared method."""

    def finalise(self) -> None:
        """Called behind the last epoch, before evaluation.

        Where the epoch is chosen, it is called for each that is considered, with `trainable` put back to its end.
        """

    def train_classifier(self) -> Classifier:
        """The classifier that training differentiates; rebuilt every step. Default: the one used in evaluation."""
        return self.classifier(self.support_classes)


def require_known_classes(method: str, trained: ClassSet, asked: ClassSet) -> None:
    """Raise ClosedVocabularyError unless `asked` are exactly the classes trained on."""
    if trained.names != asked.names:
        raise ClosedVocabularyError(
            f"{method} learns parameters tied to its {len(trained)} training classes and cannot classify "
            f"{len(asked)} other ones; use --protocol few-shot, or a setting that is shared by all classes."
        )


def cosine_logits(
    image_features: Float[Tensor, "batch dim"], text_features: Float[Tensor, "n_cls dim"], scale: float | Tensor
) -> Float[Tensor, "batch n_cls"]:
    """CLIP's logits: `scale * cos(image, text)`; both sides are normalised here."""
    return scale * F.normalize(image_features, dim=-1) @ F.normalize(text_features, dim=-1).T


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values of a module."""
    return sum(p.numel() for p in module.parameters())
