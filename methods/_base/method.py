"""The two interfaces that a method can implement, and functions that most methods use."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet
from methods._backbones.backbone import Backbone
from methods._base.batch import Batch, Classifier, SupportView, support_without_images
from methods._base.method_info import MethodConfig, MethodInfo
from methods._base.selection import TuningCost
from methods._base.training import cross_entropy, dot_rows

ConfigT = TypeVar("ConfigT", bound=MethodConfig)


class ClosedVocabularyError(BenchError, ValueError):
    """A method whose parameters are tied to its training classes was given other classes."""


class Method(ABC, Generic[ConfigT]):
    """Turns a frozen backbone, a few images and class names into a classifier.

    Args:
        backbone: frozen and shared with other runs, so it must not change.
        generator: on the CPU; the only source of randomness.
    """

    info: ClassVar[MethodInfo]

    def __init__(self, backbone: Backbone, config: ConfigT, generator: torch.Generator) -> None:
        self.backbone = backbone
        self.config = config
        self.generator = generator
        self.tuning = TuningCost()

    def prepare(self, support: SupportView) -> None:
        """Use the support set once, without gradients: class texts, caches, closed forms. Default: keep the classes."""
        self.support_classes = support.classes

    def check_classes(self, classes: ClassSet) -> None:
        """Raise ClosedVocabularyError for classes other than the training classes, unless the settings allow them."""
        if not self.info.is_open(self.config):
            require_known_classes(self.info.name, self.support_classes, classes)

    def learned_parameters(self) -> int:
        """Number of values fitted to the support set; closed forms count 0."""
        return 0

    @abstractmethod
    def classifier(self, classes: ClassSet) -> Classifier:
        """The classifier of these classes, whose texts are encoded once. May raise ClosedVocabularyError."""

    def calibrate(self, validation: SupportView) -> None:
        """Choose hyper-parameters on the min(shots, 4) validation images; called last, if `needs_validation`."""

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:  # noqa: ARG002
        """Candidates among which the best is chosen with test labels, for settings that are a labelled oracle.

        Empty for all other settings, which are scored by `classifier`.
        """
        return {}

    def tuned_state(self) -> dict[str, Tensor]:
        """The tensors that `classifier` needs besides backbone, settings and support classes, to be stored in a file.

        It contains no image and no feature that the classifier does not use.
        """
        return {}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:  # noqa: ARG002
        """The inverse of `tuned_state`, on a new instance, with the support classes and without any image.

        By default the state is empty, and `prepare` must not read images.
        """
        self.prepare(support_without_images(self.info.name, classes, self.backbone.device))


class TrainableMethod(Method[ConfigT]):
    """A method that learns by minibatch gradient steps on its own parameters."""

    trainable: nn.Module
    """All learned tensors, which are counted, optimised and saved; no backbone parameters. Exists after `prepare`."""

    @property
    def draws_on_device(self) -> bool:
        """Whether training uses the device's own random generator, so that results differ between kinds of device."""
        return False

    def learned_parameters(self) -> int:
        """Number of parameters of `trainable`."""
        return count_parameters(self.trainable)

    def loss(self, batch: Batch) -> Float[Tensor, "*runs"]:
        """Training loss of one batch. Default: cross-entropy of the logits."""
        return cross_entropy(self.train_classifier()(batch), batch.labels)

    def stages(self) -> tuple[float, ...]:
        """Lengths of the training stages as shares of the recipe; each has its own optimiser and schedule.

        They need not add up to 1. Default: one stage, the whole recipe.
        """
        return (1.0,)

    def begin_stage(self, stage: int) -> None:
        """Called before each stage (0-based), and before its `parameter_groups`.

        When training is resumed, its stage begins again and its tensors are restored afterwards.
        """

    def interpolated_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters that WiSE-FT interpolates between initial and trained values. Default: all.

        Empty for a method that has this average as a setting.
        """
        return self.trainable.parameters()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups of the stage; a group's `lr_scale` multiplies the scheduled rate. Default: everything."""
        return [{"params": list(self.trainable.parameters())}]

    def before_step(self) -> None:
        """Called before each step."""

    def backward(self, batch: Batch) -> Tensor:
        """Compute the step's gradients of `trainable` and return the loss; for methods that modify gradients."""
        loss = self.loss(batch)
        torch.autograd.backward(loss, torch.ones_like(loss))
        return loss

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        """Called after each epoch (0-based, over all stages), for example to average parameters."""

    def training_state(self) -> dict[str, Tensor]:
        """The state that changes in training besides `trainable` and `generator`, so that training can be resumed."""
        return {}

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `training_state`; called on a freshly prepared method."""

    def finalise(self) -> None:
        """Called after the last epoch, before evaluation.

        With a choice of the epoch, it is called for each candidate, with `trainable` restored to the end of that epoch.
        """

    def tuned_state(self) -> dict[str, Tensor]:
        """The state of `trainable`."""
        return dict(self.trainable.state_dict())

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        super().restore_tuned_state(classes, state)
        self.trainable.load_state_dict(state)

    def train_classifier(self) -> Classifier:
        """The classifier for the training loss, built again in every step. Default: the classifier of evaluation."""
        return self.classifier(self.support_classes)


def require_known_classes(method: str, trained: ClassSet, requested: ClassSet) -> None:
    """Raise ClosedVocabularyError unless `requested` are exactly the training classes."""
    if trained.names != requested.names:
        raise ClosedVocabularyError(
            f"{method} learns parameters tied to its {len(trained)} training classes and cannot classify "
            f"{len(requested)} other classes; use --protocol few-shot, or a setting that is shared by all classes."
        )


def cosine_logits(
    image_features: Float[Tensor, "*runs batch dim"],
    text_features: Float[Tensor, "*text n_cls dim"],
    scale: float | Tensor,
) -> Float[Tensor, "*runs_or_text batch n_cls"]:
    """CLIP's logits: `scale * cos(image, text)`; both sides are normalised here."""
    return dot_rows(scale * F.normalize(image_features, dim=-1), F.normalize(text_features, dim=-1))


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values of a module."""
    return sum(p.numel() for p in module.parameters())
