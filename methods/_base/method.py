"""The base class of all methods, and functions that most methods use."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from datasets_registry import BenchError, ClassSet
from methods._backbones.backbone import Backbone
from methods._base.batch import Classifier, SupportView, support_without_images
from methods._base.method_info import MethodConfig, MethodInfo
from methods._base.selection import TuningCost

ConfigT = TypeVar("ConfigT", bound=MethodConfig)
ValueT = TypeVar("ValueT")


class ClosedVocabularyError(BenchError, ValueError):
    """A method whose parameters are tied to its training classes was given other classes."""


class MethodError(BenchError, ValueError):
    """A method that does not do what every method has to, named with the line of its code."""


def code_place(function: Any) -> str:
    """File and first line of a function, such as `mine.py:40`; its name if it is not written in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code else str(function)


def checked_logits(method: Any, logits: Tensor, images: int, classes: int) -> Tensor:
    """The logits of a method's classifier; raises MethodError unless they are `(..., images, classes)`."""
    if logits.shape[-2:] != (images, classes):
        raise MethodError(
            f"{method.info.name}: the classifier of {code_place(type(method).classifier)} returned "
            f"{tuple(logits.shape)} for {images} images of {classes} classes; return a row per image and a column per "
            "class."
        )
    return logits


def returned(function: Any, value: ValueT | None) -> ValueT:
    """A value that a function of a method returned.

    Raises MethodError, which names the function, for None and for scores that are whole numbers.
    """
    if value is not None and not (isinstance(value, Tensor) and not value.is_floating_point()):
        return value
    callee = function.func if isinstance(function, partial) else function
    callee = callee if hasattr(callee, "__qualname__") else type(callee).__call__
    place = f"{callee.__qualname__.replace('<locals>.', '')} ({code_place(callee)})"
    if value is None:
        raise MethodError(f"{place} returned None; it lacks a `return`.")
    raise MethodError(f"{place} returned {str(value.dtype).removeprefix('torch.')}; return floating-point scores.")


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
        """Use the support set once, without gradients: class texts, caches, closed forms. Default: keep the classes.

        Raises BenchError for settings that contradict each other (`MethodConfig.config_error`).
        """
        if reason := self.config.config_error():
            raise BenchError(f"{self.info.name}: {reason}")
        self.support_classes = support.classes

    def check_prepared(self) -> None:
        """Raise MethodError unless `prepare` has kept what every method has after it."""
        if not hasattr(self, "support_classes"):
            place = code_place(type(self).prepare)
            raise MethodError(f"{self.info.name}: prepare ({place}) does not call super().prepare(support).")

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


def require_known_classes(method: str, trained: ClassSet, requested: ClassSet) -> None:
    """Raise ClosedVocabularyError unless `requested` are exactly the training classes."""
    if trained.names != requested.names:
        raise ClosedVocabularyError(
            f"{method} learns parameters tied to its {len(trained)} training classes and cannot classify "
            f"{len(requested)} other classes; use --protocol few-shot, or a setting that is shared by all classes."
        )


def cosine_logits(
    image_features: Float[Tensor, "batch dim"],
    text_features: Float[Tensor, "n_cls dim"],
    scale: float | Tensor,
) -> Float[Tensor, "batch n_cls"]:
    """CLIP's logits: `scale * cos(image, text)`; both sides are normalised here."""
    return scale * F.normalize(image_features, dim=-1) @ F.normalize(text_features, dim=-1).T
