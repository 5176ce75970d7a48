"""Converts a finished run to a model file: state, temperature and novelty threshold, without test images."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from bench.context import RunContext
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.views import CENTER_VIEW
from bench.metrics import accuracy, fit_temperature, nll
from bench.record import RunRecord
from bench.tuned import (
    Calibration,
    ClassList,
    ModelInfo,
    Novelty,
    class_means,
    fit_novelty,
    kept_state,
    model_bytes,
    novelty_scores,
    restored_method,
)
from bench.tuned.novelty import MEANS, left_out_scores
from datasets_registry import BenchError, Decoding, FewShotTask, SupportSet
from methods import Batch, Method, Needs

_COMPARED = 8
"""Number of images on which a stored model's logits must be bit-identical to the method's."""


@torch.no_grad()
def kept_model(record: RunRecord, method: Method[Any], task: FewShotTask, inputs: Inputs, context: RunContext) -> bytes:
    """The content of the model file of a finished run. The method must be in its evaluated state.

    Raises BenchError if the method cannot be stored, or if the stored model gives other logits.
    """
    classes, backbone = task.support.classes, inputs.backbone
    if any(score.selected_on_test for score in record.scores):
        raise BenchError(
            f"{record.spec.label()} chooses with the labels of each test set, so it has no single model to keep; use "
            "another --selection."
        )
    tensors = kept_state(method)
    validation = _logits(method, task.validation, inputs, context)
    labels = torch.tensor(task.validation.labels, dtype=torch.long)
    novelty, means = _novelty(method, task, inputs, validation)
    tensors |= {} if means is None else {MEANS: means}
    calibration, measured = Calibration(), {}
    if validation is not None:
        temperature = fit_temperature(validation, labels)
        calibration = Calibration(temperature=temperature, source="validation", n=len(labels))
        measured = {"validation_accuracy": accuracy(validation, labels), "validation_nll": nll(validation, labels)}
    info = ModelInfo(
        run_id=record.run_id,
        spec=record.spec,
        classes=ClassList.of(classes),
        open_vocabulary=method.info.is_open(method.config),
        backbone_digest=backbone.digest,
        backbone_file=_weights(record.spec.backbone, context),
        image_size=backbone.image_size,
        embed_dim=backbone.embed_dim,
        preprocessing=backbone.preprocessing,
        orient=getattr(task.support.images, "decoding", Decoding()).orient,
        support_images=len(task.support),
        calibration=calibration,
        novelty=novelty,
        scores=tuple(record.scores),
        **measured,
        final_loss=record.final_loss,
        kept=context.keep_models or "all",
        provenance=record.provenance,
        created_at=record.created_at,
    )
    _compare(info, tensors, method, task, inputs)
    return model_bytes(info, tensors)


def reads_frozen_features(method: Method[Any]) -> bool:
    """Whether classification computes the frozen tower's feature of each image anyway."""
    return Needs.FEATURES in method.info.needs and not method.info.needs & {Needs.PIXELS, Needs.HIDDEN, Needs.POOLED}


def _weights(slug: str, context: RunContext) -> str | None:
    """The local weights of a backbone, in the format of `-b`."""
    return f"{slug.partition('.')[0]}={context.weights[slug]}" if slug in context.weights else None


def _batches(method: Method[Any], part: SupportSet, inputs: Inputs, size: int) -> Iterator[Batch]:
    return inputs.evaluation_batches(part.images, part.samples, method.info.needs, size)


def _logits(method: Method[Any], part: SupportSet, inputs: Inputs, context: RunContext) -> Tensor | None:
    """Logits of the validation images; None if there are none."""
    if not len(part):
        return None
    classify = method.classifier(part.classes)
    return torch.cat([classify(batch) for batch in _batches(method, part, inputs, context.eval_batch)]).cpu()


def _novelty(
    method: Method[Any], task: FewShotTask, inputs: Inputs, logits: Tensor | None
) -> tuple[Novelty | None, Tensor | None]:
    """The novelty score and its threshold, and the class means that it needs."""
    support, validation = task.support, task.validation
    if not reads_frozen_features(method) or not len(support):
        scores = None if logits is None else -logits.amax(dim=1)
        return (None if scores is None else fit_novelty("max_logit", "validation", scores)), None
    features = inputs.features(support.images, support.samples, CENTER_VIEW).cpu()
    labels, n = torch.tensor(support.labels), len(support.classes)
    means = class_means(features, labels, n)
    if len(validation):
        unseen = inputs.features(validation.images, validation.samples, CENTER_VIEW).cpu()
        return fit_novelty("class_mean", "validation", novelty_scores(unseen, means)), means
    found = fit_novelty("class_mean", "support", left_out_scores(features, labels, n))
    return found, None if found is None else means


def _compare(
    info: ModelInfo, tensors: dict[str, Tensor], method: Method[Any], task: FewShotTask, inputs: Inputs
) -> None:
    """Raise BenchError unless the stored model reproduces the method's logits on some images."""
    part = task.support if len(task.support) else task.validation
    first = next(iter(_batches(method, part, inputs, _COMPARED)), None) if len(part) else None
    restored = restored_method(info, tensors, inputs.backbone)
    if first is not None and not torch.equal(
        restored.classifier(part.classes)(first), method.classifier(part.classes)(first)
    ):
        raise BenchError(
            f"{method.info.name} cannot be kept: loaded again, it gives other logits. Its `tuned_state` lacks "
            "something that its classifier uses."
        )
