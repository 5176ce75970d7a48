"""Converts a finished run to a tuned model and back: learned tensors, temperature and novelty threshold."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from bench.analysis import metrics
from bench.context import RunContext
from bench.experiment.features.inputs import Inputs
from bench.experiment.features.views import CENTER_VIEW
from bench.experiment.model_file import (
    MEANS,
    Calibration,
    ClassList,
    ModelFileError,
    ModelInfo,
    Novelty,
    model_bytes,
    unusable_tensors,
)
from bench.record import RunRecord
from datasets_registry import (
    BenchError,
    Decoding,
    FewShotTask,
    SupportSet,
    UnknownNameError,
)
from methods import Backbone, Batch, Method, Needs, get_method, home_of

STATE = "state."
"""Prefix of the names of the method's own tensors in a file."""


def restored_method(info: ModelInfo, tensors: Mapping[str, Tensor], backbone: Backbone) -> Method[Any]:
    """The method of a stored model, ready to classify. Nothing is trained, and no image is read.

    Raises ModelFileError for another backbone, an unknown method, or tensors that do not fit the method.
    """
    spec = info.spec
    if backbone.digest != info.backbone_digest:
        raise ModelFileError(
            f"This model was tuned on {spec.backbone} with weights {info.backbone_digest[:12]}, but the weights of "
            f"{backbone.slug} are {backbone.digest[:12]}; give the file that it was tuned on."
        )
    try:
        cls = get_method(spec.method)
    except UnknownNameError:
        raise ModelFileError(
            f"This model was tuned with method {spec.method!r}, which is not installed; install its package, or "
            "name its file in ETL_BENCH_METHODS."
        ) from None
    state = {
        name.removeprefix(STATE): value.to(home_of(value.dtype, backbone.device))
        for name, value in tensors.items()
        if name.startswith(STATE)
    }
    try:
        method = cls(
            backbone,
            cls.info.config.model_validate(spec.config).for_dataset(spec.dataset, spec.shots),
            torch.Generator().manual_seed(0),
        )
        with torch.no_grad():
            method.restore_tuned_state(info.classes.class_set, state)
    except (KeyError, RuntimeError, ValueError, IndexError) as error:
        if isinstance(error, BenchError):
            raise
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"The tensors of this model do not fit {spec.method} as it is installed ({reason}); keep the model again."
        ) from None
    return method


FALSE_ALARMS = 0.05


def class_means(
    features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"], n_classes: int
) -> Float[Tensor, "n_cls dim"]:
    """The mean normalised feature of each class, in half precision, since only its direction matters."""
    members = F.one_hot(labels, n_classes).to(features.dtype)
    return (members.T @ F.normalize(features, dim=-1) / members.sum(dim=0)[:, None].clamp(min=1)).half()


def novelty_scores(features: Float[Tensor, "n dim"], means: Float[Tensor, "n_cls dim"]) -> Float[Tensor, " n"]:
    """One minus the cosine of each feature to the nearest class mean."""
    nearest: Tensor = (F.normalize(features, dim=-1) @ F.normalize(means.to(features.dtype), dim=-1).T).amax(dim=1)
    return 1 - nearest


def left_out_scores(features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"], n_classes: int) -> Float[Tensor, " n"]:
    """The score of each support image, with the image left out of its class mean; classes of one image are skipped."""
    image = F.normalize(features, dim=-1)
    members = F.one_hot(labels, n_classes).to(image.dtype)
    sums, counts = members.T @ image, members.sum(dim=0)
    cosine = image @ F.normalize(sums, dim=-1).T
    own_cosine = (image * F.normalize(sums[labels] - image, dim=-1)).sum(dim=1)
    scores: Tensor = 1 - cosine.scatter(1, labels[:, None], own_cosine[:, None]).amax(dim=1)
    return scores[counts[labels] > 1]


def threshold(scores: Float[Tensor, " n"]) -> tuple[float, float]:
    """The threshold, and the probability that bounds how often a new image of a known class exceeds it.

    The probability is 0.05, or `1 / (n + 1)` for fewer than 19 images: the threshold is an order statistic of n scores,
    so the bound holds for any distribution.
    """
    n = len(scores)
    rank = min(n, n + 1 - int(FALSE_ALARMS * (n + 1)))  # of split conformal prediction
    return float(scores.sort().values[rank - 1]), max(FALSE_ALARMS, 1 / (n + 1))


def fit_novelty(kind: str, source: str, scores: Float[Tensor, " n"]) -> Novelty | None:
    """The description of a score with its threshold; None without any score."""
    scores = scores[torch.isfinite(scores)]
    if not len(scores):
        return None
    limit, rate = threshold(scores)
    return Novelty(kind=kind, source=source, threshold=limit, false_alarm_rate=rate, n=len(scores))


_COMPARED = 8
"""Number of images on which a stored model's logits must be bit-identical to the method's."""


@torch.no_grad()
def kept_model(
    record: RunRecord,
    method: Method[Any],
    task: FewShotTask,
    inputs: Inputs,
    context: RunContext,
    *,
    image_list: str | None = None,
) -> bytes:
    """The content of the model file of a finished run. The method must be in its evaluated state.

    `image_list` is that of the splits that the task is from.

    Raises BenchError if the method cannot be stored, or if the stored model gives other logits.
    """
    backbone, validation, slug = inputs.backbone, task.validation, record.spec.backbone
    if any(score.selected_on_test for score in record.scores):
        raise BenchError(
            f"{record.spec.label()} chooses with the labels of each test set, so it has no single model to keep; use "
            "another --selection."
        )
    tensors = {f"{STATE}{name}": value.detach().cpu().clone() for name, value in method.tuned_state().items()}
    logits, calibration, measured = None, Calibration(), {}
    if len(validation):
        classify = method.classifier(validation.classes)
        batches = _batches(method, validation, inputs, context.eval_batch)
        logits, labels = torch.cat([classify(batch) for batch in batches]).cpu(), torch.tensor(validation.labels)
        temperature = metrics.fit_temperature(logits, labels)
        calibration = Calibration(temperature=temperature, source="validation", n=len(labels))
        measured = {
            "validation_accuracy": metrics.accuracy(logits, labels),
            "validation_nll": metrics.nll(logits, labels),
        }
    novelty, means = _novelty(method, task, inputs, logits)
    tensors |= {} if means is None else {MEANS: means}
    info = ModelInfo(
        run_id=record.run_id,
        spec=record.spec,
        classes=ClassList(**vars(task.support.classes)),
        open_vocabulary=method.info.is_open(method.config),
        backbone_digest=backbone.digest,
        backbone_file=f"{slug.partition('.')[0]}={context.weights[slug]}" if slug in context.weights else None,
        image_size=backbone.image_size,
        embed_dim=backbone.embed_dim,
        preprocessing=backbone.preprocessing,
        orient=getattr(task.support.images, "decoding", Decoding()).orient,
        support_images=len(task.support),
        image_list=image_list,
        calibration=calibration,
        novelty=novelty,
        scores=tuple(record.scores),
        **measured,
        final_loss=record.final_loss,
        kept=context.keep_models or "all",
        provenance=record.provenance,
        created_at=record.created_at,
    )
    if problem := unusable_tensors(info, tensors):
        raise BenchError(f"{record.spec.label()} cannot be kept: {problem}.")
    _compare(info, tensors, method, task, inputs)
    return model_bytes(info, tensors)


def pixel_batch(backbone: Backbone, pixels: Tensor, needs: frozenset[Needs]) -> Batch:
    """A batch of preprocessed pixels `(batch, 3, h, w)` without labels, whose features are not stored."""
    return Batch(
        None,
        features=lambda: backbone.encode_image(pixels),
        pooled=lambda: backbone.encode_image(pixels, project=False),
        pixels=lambda: pixels,
        hidden=lambda first: backbone.image_hidden(pixels, first),
        needs=needs,
    )


def _batches(method: Method[Any], part: SupportSet, inputs: Inputs, size: int) -> Iterator[Batch]:
    return inputs.evaluation_batches(part.images, part.samples, method.info.needs, size)


def _novelty(
    method: Method[Any], task: FewShotTask, inputs: Inputs, logits: Tensor | None
) -> tuple[Novelty | None, Tensor | None]:
    """The novelty score and its threshold, and the class means that it needs; from the logits of validation images."""
    support, validation, needs = task.support, task.validation, method.info.needs
    # class means need the frozen tower's feature of each image, which some methods do not compute anyway
    if "features" not in needs or needs & {"pixels", "hidden", "pooled"} or not len(support):
        scores = None if logits is None else -logits.amax(dim=1)
        return (None if scores is None else fit_novelty("max_logit", "validation", scores)), None
    features = inputs.features(support.images, support.samples, CENTER_VIEW).cpu()
    labels, n = torch.tensor(support.labels), len(support.classes)
    means = class_means(features, labels, n)
    if len(validation):
        unseen = inputs.features(validation.images, validation.samples, CENTER_VIEW).cpu()
        return fit_novelty("class_mean", "validation", novelty_scores(unseen, means)), means
    novelty = fit_novelty("class_mean", "support", left_out_scores(features, labels, n))
    return novelty, None if novelty is None else means


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
