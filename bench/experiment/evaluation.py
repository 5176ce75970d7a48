"""Predictions and scores of a classifier on evaluation splits. Test labels are read only here."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from bench.analysis import metrics
from bench.experiment.accelerator import copied_back
from bench.experiment.epoch_candidates import EpochCandidates
from bench.experiment.features.shared_cost import own_clock
from bench.record import TOP, OpenScore, Predictions, Score
from bench.results import split_scores
from bench.spec import OPEN_BASE, OPEN_NEW
from datasets_registry import EvalSplit, few_shot_draws
from methods import (
    Batch,
    Classifier,
    Method,
    ProbabilityEnsemble,
    StreamClassifier,
    checked_logits,
    returned,
)


def evaluate_split(
    method: Method[Any],
    split: EvalSplit,
    batches: Callable[[], Iterable[Batch]],
    *,
    epochs: EpochCandidates | None = None,
    order: Tensor | None = None,
) -> tuple[Score, Predictions]:
    """Score a trained method on one split; the method does not receive the labels.

    Args:
        batches: returns the split's images in order, without labels.
        epochs: candidate epochs of an oracle; one of them stays restored.
        order: positions of the images in `batches`, `(n,)`; None for the order of the split.
    """
    found = split_logits(method, split, batches, epochs=epochs)
    choice = None
    if found.choice is not None and found.honest is not None:
        choice = OracleChoice.of(found.choice, found.logits, found.honest, _labels(split))
    logits = found.logits if order is None else found.logits[order.argsort()]
    item = predictions(split, logits)
    return score(split, item, choice), item


@dataclass(frozen=True)
class SplitLogits:
    """Logits of a split, `(n, n_cls)`.

    Args:
        choice: the choice of an oracle with test labels; None without an oracle.
        honest: logits of the same run without test labels; None without an oracle.
    """

    logits: Tensor
    choice: str | None = None
    honest: Tensor | None = None


@torch.no_grad()
def split_logits(
    method: Method[Any],
    split: EvalSplit,
    batches: Callable[[], Iterable[Batch]],
    *,
    epochs: EpochCandidates | None = None,
) -> SplitLogits:
    """The logits of a trained method on one split; arguments as for `evaluate_split`."""
    if epochs is not None:
        candidates = epochs.classifiers(lambda: method.classifier(split.classes))
        return _best_on_test(method, candidates, split, batches)
    if classifiers := method.oracle_classifiers(split.classes):
        honest = _logits(method.classifier(split.classes), batches())
        return _best_on_test(method, classifiers.items(), split, batches, honest=honest)
    classifier = returned(type(method).classifier, method.classifier(split.classes))
    if isinstance(classifier, ProbabilityEnsemble):
        method.tuning.evaluations += len(classifier.candidates)
    found = checked_logits(method, _logits(classifier, batches()), len(split.samples), len(split.classes))
    return SplitLogits(found)


@dataclass(frozen=True)
class OracleChoice:
    """The choice of an oracle on one split, and its accuracy minus that of the same run without test labels."""

    name: str
    optimism: float

    @classmethod
    def of(cls, name: str, logits: Tensor, honest: Tensor, labels: np.ndarray[Any, np.dtype[np.int64]]) -> Self:
        """The choice of that name, from its logits and from those of the same run without test labels."""
        return cls(name, metrics.accuracy(logits.numpy(), labels) - metrics.accuracy(honest.numpy(), labels))


def score(split: EvalSplit, item: Predictions, choice: OracleChoice | None = None) -> Score:
    """All metrics of a split, from its stored columns."""
    return Score(
        split=split.name,
        **split_scores(item, len(split.classes)),
        n=len(split),
        n_classes=len(split.classes),
        selected_on_test=choice.name if choice else None,
        optimism=choice.optimism if choice else None,
    )


def predictions(split: EvalSplit, logits: Tensor) -> Predictions:
    """The stored columns per image: enough for any later accuracy, likelihood, calibration or paired test.

    Equal logits are ranked by class index, so the rank of the true class is 0 exactly if the prediction is right.
    Raises NonFiniteLossError for logits that are not finite.
    """
    metrics.require_finite(logits.numpy())
    labels = torch.from_numpy(_labels(split))
    order = logits.argsort(dim=1, descending=True, stable=True)
    top = order[:, :TOP]
    probabilities = logits.double().softmax(dim=1)
    return Predictions(
        split=split.name,
        images=tuple(sample.key for sample in split.samples),
        label=labels.numpy().astype(np.int32),
        predicted=order[:, 0].numpy().astype(np.int32),
        rank=(order == labels[:, None]).int().argmax(dim=1).numpy().astype(np.int32),
        true_logit=logits.gather(1, labels[:, None])[:, 0].numpy().astype(np.float32),
        log_sum_exp=logits.double().logsumexp(dim=1).numpy().astype(np.float32),
        sum_p2=probabilities.square().sum(dim=1).numpy().astype(np.float32),
        top_labels=top.numpy().astype(np.int32),
        top_logits=logits.gather(1, top).numpy().astype(np.float32),
        group=split.groups(),
    )


def _best_on_test(
    method: Method[Any],
    candidates: Iterable[tuple[str, Classifier]],
    split: EvalSplit,
    batches: Callable[[], Iterable[Batch]],
    *,
    honest: Tensor | None = None,
) -> SplitLogits:
    """The first candidate with the highest accuracy; each is evaluated before the next is requested.

    `honest` are the logits of the run without test labels; None means those of the first candidate.
    """
    start, labels = own_clock(), _labels(split)
    best: tuple[float, str, Tensor] | None = None
    for name, classifier in candidates:
        logits = _logits(classifier, batches())
        honest = logits if honest is None else honest
        if best is None or metrics.accuracy(logits.numpy(), labels) > best[0]:
            best = (metrics.accuracy(logits.numpy(), labels), name, logits)
        method.tuning.evaluations += 1
    assert best is not None  # there is at least one candidate
    method.tuning.seconds += own_clock() - start
    return SplitLogits(best[2], choice=best[1], honest=honest)


def _logits(classifier: Classifier, batches: Iterable[Batch]) -> Tensor:
    logits = classifier.over(iter(batches)) if isinstance(classifier, StreamClassifier) else map(classifier, batches)
    return torch.cat(list(copied_back(returned(classifier, each).float() for each in logits)))


def _labels(split: EvalSplit) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([sample.label for sample in split.samples], dtype=np.int64)


def evaluate_open(
    method: Method[Any],
    base: EvalSplit,
    new: EvalSplit,
    batches: Callable[[EvalSplit], Iterable[Batch]],
    *,
    epochs: EpochCandidates | None = None,
) -> tuple[OpenScore, list[Predictions]]:
    """Score a trained method on base and new images among all names.

    Args:
        batches: returns the images of a split in order, without labels.
        epochs: candidate epochs of an oracle, which makes one choice for all images by accuracy.
    """
    parts = _among_all(base, new)
    together = replace(parts[0], name="open", samples=(*parts[0].samples, *parts[1].samples))

    def both() -> Iterable[Batch]:
        for part in (base, new):
            yield from batches(part)

    return _open_scores(parts, split_logits(method, together, both, epochs=epochs))


def open_scores(base: EvalSplit, new: EvalSplit, logits: Tensor) -> tuple[OpenScore, list[Predictions]]:
    """The open score of logits `(n_base + n_new, n_cls)`, of base images and then new images, among all names.

    Raises NonFiniteLossError for logits that are not finite.
    """
    return _open_scores(_among_all(base, new), SplitLogits(logits))


def _among_all(base: EvalSplit, new: EvalSplit) -> list[EvalSplit]:
    named = zip(few_shot_draws.among_all_names(base, new), (OPEN_BASE, OPEN_NEW), strict=True)
    return [replace(part, name=name) for part, name in named]


def _open_scores(parts: Sequence[EvalSplit], chosen: SplitLogits) -> tuple[OpenScore, list[Predictions]]:
    sizes = [len(part) for part in parts]
    honest = chosen.honest.split_with_sizes(sizes) if chosen.honest is not None else (None, None)
    found = [
        _part(part, logits, plain, chosen.choice)
        for part, logits, plain in zip(parts, chosen.logits.split_with_sizes(sizes), honest, strict=True)
    ]
    (base_score, base_item), (new_score, new_item) = found
    return OpenScore(base=base_score, new=new_score), [base_item, new_item]


def _part(part: EvalSplit, logits: Tensor, honest: Tensor | None, name: str | None) -> tuple[Score, Predictions]:
    labels = np.array([sample.label for sample in part.samples])
    choice = None if name is None or honest is None else OracleChoice.of(name, logits, honest, labels)
    item = predictions(part, logits)
    return score(part, item, choice), item


Place = tuple[str, int, int]
"""A test batch: its split, size and number."""
LARGEST = 2**30
"""Largest number of bytes of features that are kept; further batches are computed again."""


class KeptFeatures:
    """What a method computes of each test batch by `Batch.once`, kept between passes over the same images.

    The method must not change between the passes.
    """

    def __init__(self) -> None:
        self._kept: dict[Place, dict[str, Tensor]] = {}

    def numbered(self, split: str, size: int, images: int, make: Callable[[bool], Iterable[Batch]]) -> Iterator[Batch]:
        """The batches of a split in order, `size` of its `images` each; their features are kept or, if kept, reused.

        `make` returns the batches, given whether pixels are read: whether some features are not kept.
        """
        for number, batch in enumerate(make(not self.holds(split, size, images))):
            batch.keep = partial(self.features, (split, size, number))
            yield batch

    def holds(self, split: str, size: int, images: int) -> bool:
        """Whether the features of all images of a split are kept, in batches of this size."""
        return all((split, size, number) in self._kept for number in range(-(-images // size)))

    def features(self, place: Place, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """The features of that name of a batch."""
        known = self._kept.get(place, {})
        if name in known:
            return known[name]
        found = compute()
        if found.nbytes + sum(one.nbytes for some in self._kept.values() for one in some.values()) <= LARGEST:
            self._kept.setdefault(place, {})[name] = found
        return found

    def clear(self) -> None:
        """Forget all features."""
        self._kept.clear()
