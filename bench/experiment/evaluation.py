"""Predictions and scores of a classifier on evaluation splits. Test labels are read only here."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench._util.memory import out_of_memory
from bench.analysis import metrics
from bench.experiment.accelerator import copied_back
from bench.experiment.checkpoints import EpochCandidates
from bench.experiment.features.inputs import Inputs
from bench.experiment.run_cost import own_clock
from bench.record import SCORES_VERSION, TOP, OpenScore, Predictions, Provenance, RunRecord, RunStatus, Score
from bench.results import split_scores
from bench.spec import OPEN_BASE, OPEN_NEW, ExperimentSpec
from datasets_registry import EvalProtocol, EvalSplit, FewShotTask, SupportSet, few_shot_draws
from methods import (
    Batch,
    Classifier,
    Method,
    MethodError,
    ProbabilityEnsemble,
    StreamClassifier,
    checked_logits,
    returned,
)

_LOG = logging.getLogger("bench.experiment.evaluation")
ResultT = TypeVar("ResultT")


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
    logits = split_logits(method, split, batches, epochs=epochs)
    return scored(split, logits if order is None else logits.rows(order.argsort()))


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

    def rows(self, positions: Tensor | slice) -> Self:
        """The logits of the images at these positions."""
        honest = None if self.honest is None else self.honest[positions]
        return replace(self, logits=self.logits[positions], honest=honest)


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
    logits = checked_logits(method, _logits(classifier, batches()), len(split.samples), len(split.classes))
    return SplitLogits(logits)


def scored(split: EvalSplit, logits: SplitLogits) -> tuple[Score, Predictions]:
    """All metrics of a split, from its stored columns, and these columns.

    Raises NonFiniteLossError for logits that are not finite.
    """
    item, optimism = predictions(split, logits.logits), None
    if logits.honest is not None:
        labels = _labels(split)
        optimism = metrics.accuracy(logits.logits.numpy(), labels) - metrics.accuracy(logits.honest.numpy(), labels)
    score = Score(
        split=split.name,
        **split_scores(item, len(split.classes)),
        n=len(split),
        n_classes=len(split.classes),
        selected_on_test=logits.choice,
        optimism=optimism,
    )
    return score, item


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
    parts = list(copied_back(returned(classifier, each).float() for each in logits))
    if len(columns := {part.shape[-1] for part in parts}) > 1:
        raise MethodError(
            f"The classifier's logits have {min(columns)} to {max(columns)} columns, depending on the batch; return a "
            "row per image and a column per class."
        )
    return torch.cat(parts)


def _labels(split: EvalSplit) -> NDArray[np.int64]:
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


def _among_all(base: EvalSplit, new: EvalSplit) -> list[EvalSplit]:
    names = zip(few_shot_draws.among_all_names(base, new), (OPEN_BASE, OPEN_NEW), strict=True)
    return [replace(part, name=name) for part, name in names]


def _open_scores(parts: Sequence[EvalSplit], logits: SplitLogits) -> tuple[OpenScore, list[Predictions]]:
    """The scores of logits `(n_base + n_new, n_cls)`, of base images and then new images, among all names."""
    base, new = parts
    base_score, base_item = scored(base, logits.rows(slice(len(base))))
    new_score, new_item = scored(new, logits.rows(slice(len(base), None)))
    return OpenScore(base=base_score, new=new_score), [base_item, new_item]


OPEN = "open"
"""Name of the scores of base images and then new images among all names."""


def external_record(
    spec: ExperimentSpec,
    task: FewShotTask,
    scores: Mapping[str, NDArray[np.float64]],
    provenance: Provenance,
) -> tuple[RunRecord, list[Predictions]]:
    """The record and the predictions of a run from scores that other code computed, in the order of the task's splits.

    Args:
        scores: `(n, n_classes)` by split, in the order of the split's images; `open` may be absent.

    Raises NonFiniteLossError for scores that are not finite.
    """
    logits = {name: SplitLogits(torch.from_numpy(np.ascontiguousarray(values))) for name, values in scores.items()}
    splits = [scored(split, logits[split.name]) for split in task.evals]
    opened: OpenScore | None = None
    open_items: list[Predictions] = []
    if spec.protocol is EvalProtocol.BASE_TO_NEW and OPEN in scores:
        opened, open_items = _open_scores(_among_all(*task.evals), logits[OPEN])
    record = RunRecord(
        run_id=spec.run_id,
        spec=spec,
        status=RunStatus.OK,
        scores=[score for score, _ in splits],
        open=opened,
        final_loss=None,
        provenance=provenance,
        created_at=datetime.now(UTC),
        scores_version=SCORES_VERSION,
    )
    return record, [*(item for _, item in splits), *open_items]


Place = tuple[str, int, int]
"""A test batch: its split, size and number."""
LARGEST = 2**30
"""Largest number of bytes of features that are kept; further batches are computed again."""


class EvaluatedImages:
    """The images that a method is evaluated on, in batches whose size is halved when memory runs out.

    With `keeps`, what the method computes of each batch by `Batch.once` is kept between passes over the same images; it
    must not change between them.
    """

    def __init__(self, inputs: Inputs, method: Method[Any], size: int, seed: int) -> None:
        self.size = size
        self.keeps = False
        self._inputs, self._method, self._seed = inputs, method, seed
        self._kept: dict[Place, dict[str, Tensor]] = {}

    def batches(self, part: EvalSplit | SupportSet, *, ahead: bool = True) -> Iterator[Batch]:
        """The images of a part in order, without labels."""
        needs = self._method.info.needs
        return self._inputs.evaluation_batches(
            part.images, part.samples, needs, self.size, seed=self._seed, ahead=ahead
        )

    def of_split(self, split: EvalSplit) -> Iterator[Batch]:
        """The images of a split in order; with `keeps`, their features are kept or, if kept, reused."""
        for number, batch in enumerate(self.batches(split, ahead=not self.holds(split))):
            if self.keeps:
                batch.keep = partial(self._features, (split.name, self.size, number))
            yield batch

    def holds(self, split: EvalSplit) -> bool:
        """Whether the features of all images of a split are kept, so that no pixels are read."""
        return all((split.name, self.size, number) in self._kept for number in range(-(-len(split) // self.size)))

    def _features(self, place: Place, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """The features of that name of a batch."""
        stored = self._kept.get(place, {})
        if name in stored:
            return stored[name]
        features = compute()
        if features.nbytes + sum(tensor.nbytes for some in self._kept.values() for tensor in some.values()) <= LARGEST:
            self._kept.setdefault(place, {})[name] = features
        return features

    def halved(self, scored: Callable[[], ResultT]) -> ResultT:
        """The result of `scored`, repeated with half the images per batch whenever memory runs out.

        All splits are scored again, so that they share the recorded batch size.
        """
        tuning = copy(self._method.tuning)
        while True:
            try:
                return scored()
            except Exception as error:
                if not out_of_memory(error) or self.size == 1:
                    raise
            self.size = max(1, self.size // 2)
            self._method.tuning = copy(tuning)
            self._kept.clear()
            if self._inputs.backbone.device.type == "cuda":
                torch.cuda.empty_cache()
            _LOG.warning("Memory ran out in the evaluation; it continues with batches of %d.", self.size)
