"""What a method reads of images, the support set and batches, and the classifiers that it returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datasets_registry import BenchError, ClassSet
from methods._base.method_info import Needs


class UndeclaredNeedError(BenchError, RuntimeError):
    """A method read a part of a batch that its `needs` do not declare, or that the batch does not have."""


class Batch:
    """Images of one step, restricted to what the method declares in `needs`. Everything is computed on first use.

    Args:
        labels: class indices `(batch,)`; None at evaluation, where methods must not see labels.
        label_numbers: the same labels as numbers, if the caller has them.
        features: gives the frozen tower's features of these views, `(batch, dim)`, unnormalised.
        pooled: gives the frozen tower's states before their projection, `(batch, width)`; None if not available.
        pixels: gives the preprocessed images of these views, `(batch, 3, h, w)`.
        other_view: gives the frozen tower's features of another view of the same images; None outside training.
        hidden: gives the frozen tower's tokens before a block, `(batch, tokens, width)`; None if not available.
        test_views: `test_views(k, crop_scale, mixed)` gives the features of k random views of each test image,
            `(k, batch, dim)`; None outside evaluation.
    """

    def __init__(
        self,
        labels: Int[Tensor, " batch"] | None,
        *,
        label_numbers: Sequence[int] | None = None,
        features: Callable[[], Tensor],
        pixels: Callable[[], Tensor],
        pooled: Callable[[], Tensor] | None = None,
        other_view: Callable[[], Tensor] | None = None,
        hidden: Callable[[int], Tensor] | None = None,
        test_views: Callable[[int, tuple[float, float], bool], Tensor] | None = None,
        needs: frozenset[Needs],
    ) -> None:
        self._labels = labels
        self._label_numbers = label_numbers
        self._sources = {
            "features": features,
            "pixels": pixels,
            "pooled": pooled,
            "other_view": other_view,
        }
        self._hidden = hidden
        self._test_views = test_views
        self._needs = needs
        self._values: dict[Needs | int, Tensor] = {}
        self.keep: Callable[[str, Callable[[], Tensor]], Tensor] | None = None
        """Set by an evaluation that shows the same images again: `keep(name, compute)` computes each name once."""

    def _declared(self, need: Needs) -> None:
        if need not in self._needs:
            allowed = ", ".join(sorted(self._needs)) or "nothing"
            raise UndeclaredNeedError(
                f"Batch.{need} was read, but the method declares needs: {allowed}. Add it to info.needs."
            )

    def _get(self, need: Needs) -> Tensor:
        self._declared(need)
        source = self._sources.get(need)
        if source is None:
            raise UndeclaredNeedError(f"Batch.{need} was read in a phase without it, such as evaluation.")
        if need not in self._values:
            self._values[need] = source()
        return self._values[need]

    def load(self, need: Needs) -> Batch:
        """Compute a declared need now rather than on first use, and return the batch."""
        self._get(need)
        return self

    def has(self, need: Needs) -> bool:
        """Whether a need is computed."""
        return need in self._values

    def once(self, compute: Callable[[Batch], Tensor]) -> Tensor:
        """`compute(self)`; for test images that are classified twice, for two lists of names, computed only once.

        For a method's own features in its classifier. `compute` must not depend on the class names.
        """
        return compute(self) if self.keep is None else self.keep(compute.__qualname__, lambda: compute(self))

    @property
    def labels(self) -> Int[Tensor, " batch"]:
        """Class indices within the support classes. Raises UndeclaredNeedError at evaluation."""
        if self._labels is None:
            raise UndeclaredNeedError("Batch.labels was read at evaluation; methods must not see test labels.")
        return self._labels

    @property
    def label_numbers(self) -> list[int]:
        """`labels` of one run as numbers; if the caller knows them, without waiting for the device."""
        labels = self.labels
        return labels.tolist() if self._label_numbers is None else list(self._label_numbers)

    @property
    def features(self) -> Float[Tensor, "batch dim"]:
        """Features of the frozen tower for these views, unnormalised."""
        return self._get("features")

    @property
    def pooled(self) -> Float[Tensor, "batch width"]:
        """States of these views before the frozen tower's last projection, which maps them to `features`."""
        return self._get("pooled")

    def hidden(self, first: int) -> Float[Tensor, "batch tokens width"]:
        """Tokens of these views before block `first` (from 0) of the frozen tower; 0 gives the embedded image."""
        self._declared("hidden")
        if first not in self._values:
            if self._hidden is None:
                raise UndeclaredNeedError("Batch.hidden was read where it is not available.")
            self._values[first] = self._hidden(first)
        return self._values[first]

    def test_views(self, k: int, crop_scale: tuple[float, float], *, mixed: bool) -> Float[Tensor, "k batch dim"]:
        """Frozen features, unnormalised, of k random crops of each test image, mirrored with probability one half.

        They are resized with a bilinear filter. Methods that declare `test_stream` may read them.

        Args:
            crop_scale: range of a crop's share of the image area, 0..1.
            mixed: whether each crop is mixed with distorted copies of itself (AugMix, severity 1).
        """
        if "test_stream" not in self._needs:
            self._declared("test_views")
        if self._test_views is None:
            raise UndeclaredNeedError("Batch.test_views was read in a phase without it, such as training.")
        return self._test_views(k, crop_scale, mixed)

    @property
    def pixels(self) -> Float[Tensor, "batch 3 h w"]:
        """Preprocessed pixels of these views."""
        return self._get("pixels")

    @property
    def other_view(self) -> Float[Tensor, "batch dim"]:
        """Features of the frozen tower for another view of the same images, unnormalised; in training only."""
        return self._get("other_view")


Classifier = Callable[[Batch], Tensor]
"""Batch -> logits `(batch, n_cls)`."""


def _without_pool() -> NoReturn:
    raise UndeclaredNeedError(
        "SupportView.unlabelled was read, and the run has no unlabelled pool. Add unlabelled to "
        "info.needs; etl-bench run --unlabelled declares the pool."
    )


def _without_teacher() -> NoReturn:
    raise UndeclaredNeedError(
        "SupportView.teacher was read, and the run has no teacher. Add teacher to info.needs; "
        "etl-bench run --teacher names the teacher."
    )


@dataclass(frozen=True)
class Teacher:
    """A tuned model that a method learns from. It does not change, and its features have no gradients.

    Args:
        image_features: gives the features of preprocessed pixels `(batch, 3, h, w)`, such as those of a training batch:
            `(batch, teacher_dim)`, unnormalised.
        text_features: gives the features of class names, `(n_cls, teacher_dim)`, unnormalised.
        logit_scale: the factor on the cosine in its logits.
        classes: names that it compares with the training images: the training classes, and those of the unlabelled
            pool if it has images of others.
    """

    image_features: Callable[[Tensor], Tensor]
    text_features: Callable[[ClassSet], Tensor]
    logit_scale: float
    classes: ClassSet


@dataclass(frozen=True)
class SupportView:
    """The argument of `prepare`: support classes, labels, and the frozen features of the centre views.

    Args:
        labels: `(n,)`.
        shots: images per class that were requested.
        features: gives `(n, dim)`, unnormalised, computed on first use.
        views: `views(k, crop_scale)` gives the features of k augmented views of each image, `(k, n, dim)`.
        unlabelled: gives the features of the m images of the run's pool, `(m, dim)`, unnormalised, in an order that
            says nothing about their labels. Raises UndeclaredNeedError for a method that does not declare
            `unlabelled`.
        teacher: gives the run's teacher. Raises UndeclaredNeedError for a method that does not declare
            `teacher`.
    """

    classes: ClassSet
    labels: Int[Tensor, " n"]
    shots: int
    features: Callable[[], Tensor]
    views: Callable[[int, tuple[float, float]], Tensor]
    unlabelled: Callable[[], Tensor] = _without_pool
    teacher: Callable[[], Teacher] = _without_teacher


class SupportImagesError(BenchError, RuntimeError):
    """A method read support images while a stored model was loaded."""


def support_without_images(method: str, classes: ClassSet, device: torch.device) -> SupportView:
    """A support set whose images cannot be read; reading them raises SupportImagesError."""

    def unavailable(*_: object) -> NoReturn:
        raise SupportImagesError(
            f"{method} reads support images in `prepare`, which a stored model does not have. Save what it computes "
            "from them in `tuned_state` and restore it in `restore_tuned_state`."
        )

    labels = torch.empty(0, dtype=torch.long, device=device)
    return SupportView(classes, labels, 1, unavailable, unavailable, unavailable)


@dataclass(frozen=True)
class StreamClassifier:
    """Classifies a stream of unlabelled images. Each stream starts without memory; batching has no effect.

    A method whose `classifier` returns a StreamClassifier declares `test_stream`.

    Args:
        over: gives the logits `(batch, n_cls)` of each batch, in order. It may read all batches first.
    """

    over: Callable[[Iterator[Batch]], Iterator[Tensor]]

    def __call__(self, batch: Batch) -> Tensor:
        """Logits `(batch, n_cls)` of a stream that consists of one batch."""
        (logits,) = self.over(iter([batch]))
        return logits


class ProbabilityEnsemble:
    """A classifier whose probabilities are the mean of its candidates' probabilities; its logits are their logarithm.

    It averages hyper-parameter candidates instead of choosing one, so that no labelled image is needed. Probabilities
    are averaged as in Wenzel et al., "Hyperparameter Ensembles for Robustness and Uncertainty Quantification", NeurIPS
    2020.

    Args:
        candidates: classifiers for the same classes, at least one.
    """

    def __init__(self, candidates: Iterable[Classifier]) -> None:
        self.candidates = tuple(candidates)

    def __call__(self, batch: Batch) -> Float[Tensor, "batch n_cls"]:
        total: Tensor | None = None
        for candidate in self.candidates:
            log_p = candidate(batch).log_softmax(dim=1)
            total = log_p if total is None else torch.logaddexp(total, log_p)
        assert total is not None  # there is at least one candidate
        return total - math.log(len(self.candidates))
