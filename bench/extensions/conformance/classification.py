"""Checks of classification: logits of the right form, for the requested classes, independently for each image."""

import gc
from dataclasses import replace

import torch

from bench._util.memory import collect_only_new_objects
from bench.extensions.conformance.check import (
    CheckFailedError,
    check,
    ensure,
    ensure_equal,
    has_no_stream,
    learns_nothing,
    reads_the_stream,
)
from bench.extensions.conformance.subject import OTHER_CLASSES, SHIFTED_TASK, TASK, Subject
from datasets_registry import ClassSet
from methods import ClosedVocabularyError, Needs, StreamClassifier

ROUNDING = 1e-5
"""Relative difference allowed in single precision for another batch size or order."""


@check("Correct this error first; the other checks need a method that runs.", essential=True)
def it_runs(subject: Subject) -> None:
    """It prepares, trains and classifies with only what it declares in `needs`."""
    logits = subject.evaluation_logits(subject.finished)
    expected = (len(TASK.labels), len(TASK.classes))
    ensure(logits.shape == expected, f"logits are {tuple(logits.shape)}, expected {expected}: images x classes")


@check("Return plain float32 logits without gradients; look for log(0), division by 0 and overflowing exp.")
def logits_are_finite(subject: Subject) -> None:
    """Logits are finite numbers in single precision."""
    logits = subject.evaluation_logits(subject.finished)
    ensure(bool(logits.isfinite().all()), f"{int((~logits.isfinite()).sum())} of {logits.numel()} are not finite")
    ensure(logits.dtype == torch.float32, f"they are {logits.dtype}, expected float32")
    ensure(not logits.requires_grad, "they carry gradients, although evaluation runs without")


@check("Guard statistics over the images of one class: a variance or covariance needs two.")
def one_shot_is_enough(subject: Subject) -> None:
    """One image per class gives finite logits too."""
    logits = subject.evaluation_logits(subject.trained(replace(TASK, shots=1)))
    ensure(bool(logits.isfinite().all()), "logits of a run with 1 shot are not finite")


@check(
    "Compute the text side from the classes that `classifier` is given; a method whose parameters are tied to its "
    "training classes sets open_vocabulary=False and calls require_known_classes first."
)
def other_classes_get_their_own_logits(subject: Subject) -> None:
    """Other classes get logits of their own, or ClosedVocabularyError if it is tied to its classes."""
    method = subject.finished
    if not subject.is_open:
        part = ClassSet(TASK.classes.names[:2], TASK.classes.template)
        for classes, problem in (
            (OTHER_CLASSES, "it classifies classes it was not trained on instead of raising ClosedVocabularyError"),
            (part, "it accepts a subset of its classes, but the logits would be those of all of them"),
        ):
            ensure(_raises_closed_vocabulary(subject, classes), problem)
        return
    logits = subject.evaluation_logits(method, OTHER_CLASSES)
    expected = (len(TASK.labels), len(OTHER_CLASSES))
    ensure(logits.shape == expected, f"logits for other classes are {tuple(logits.shape)}, expected {expected}")
    ensure(bool(logits.isfinite().all()), "logits for other classes are not finite")
    trained = subject.evaluation_logits(method)[:, : len(OTHER_CLASSES)]
    same = torch.allclose(logits, trained)
    ensure(not same, "other classes get the logits of the trained ones, so their names are not used")


@check("Build one row per class from `classes` in the given order, not in the order of the training classes.")
def class_order_does_not_matter(subject: Subject) -> None:
    """The same classes in another order give the same logits in that order, or ClosedVocabularyError."""
    backwards = ClassSet(TASK.classes.names[::-1], TASK.classes.template)
    if not subject.is_open and _raises_closed_vocabulary(subject, backwards):
        return
    found = subject.evaluation_logits(subject.finished, backwards)
    expected = subject.evaluation_logits(subject.finished).flip(1)
    # a method that trains on views of a test image makes steps, each of which rounds
    steps = 100 if Needs.TEST_VIEWS in subject.info.needs else 1
    ensure_equal(found, expected, "logits of reversed classes", tolerance=steps * ROUNDING)


@check(
    "Classify each image independently: no batch statistics, no normalisation over the batch dimension. A method that "
    "learns from test images declares Needs.TEST_STREAM.",
    exempt=reads_the_stream,
)
def images_are_classified_independently(subject: Subject) -> None:
    """The logits of an image do not depend on the other images of its batch."""
    method = subject.finished
    whole = subject.evaluation_logits(method)
    for index in (slice(5, 6), torch.tensor([20, 5, 11])):
        alone = subject.evaluation_logits(method, index=index)
        ensure_equal(alone, whole[index], "logits of some images in a batch of their own", tolerance=ROUNDING)


@check(
    "Begin each stream without memory in `over`, and treat batches as groups of the stream's images.",
    exempt=has_no_stream,
)
def batches_only_group_a_stream(subject: Subject) -> None:
    """A stream of images gives the same logits in batches of any size."""
    classifier = subject.finished.classifier(TASK.classes)
    if not isinstance(classifier, StreamClassifier):
        raise CheckFailedError("it declares Needs.TEST_STREAM, but `classifier` returns no StreamClassifier")
    whole = subject.evaluation_logits(subject.finished)
    for size in (1, 5):
        starts = range(0, len(TASK.labels), size)
        parts = [subject.batch(index=slice(start, start + size)) for start in starts]
        with torch.no_grad():
            found = torch.cat(list(classifier.over(iter(parts))))
        ensure_equal(found, whole, f"logits in batches of {size}", tolerance=ROUNDING)


@check("Do not change the method while it classifies: no running statistics, no dropout, no state kept from a batch.")
def classifying_changes_nothing(subject: Subject) -> None:
    """Classifying again, also after other classes, gives the same logits."""
    method = subject.finished
    first = subject.evaluation_logits(method)
    ensure_equal(subject.evaluation_logits(method), first, "logits of the same images, computed again")
    with torch.no_grad():
        classify = method.classifier(TASK.classes)
        if subject.is_open:
            subject.evaluation_logits(method, OTHER_CLASSES)
        ensure_equal(classify(subject.batch()), first, "logits of a classifier made before another one")
        ensure_equal(classify(subject.batch()), first, "logits of a classifier used again")


@check(
    "Keep nothing of a test batch after its logits are returned; append to no list and fill no buffer. A method that "
    "learns from test images declares Needs.TEST_STREAM.",
    exempt=reads_the_stream,
)
def no_test_batch_is_kept(subject: Subject) -> None:
    """Nothing of a batch is kept after it is classified."""
    with torch.no_grad(), collect_only_new_objects():
        classify = subject.finished.classifier(TASK.classes)
        held = []
        for _ in range(2):  # what the first batches make once is no batch
            for _ in range(2):
                classify(subject.batch())
            held.append(_values_held())
    ensure(held[1] <= held[0], f"two more batches left {held[1] - held[0]} values in memory")


def _values_held() -> int:
    """Number of values of all tensors that were made since and are still used."""
    gc.collect()
    return sum(each.numel() for each in gc.get_objects() if issubclass(type(each), torch.Tensor))


@check("Read labels in training only; `classifier` gets images and class names.")
def labels_are_not_read_at_evaluation(subject: Subject) -> None:
    """No label is read at evaluation."""
    subject.labels_read = None
    try:
        subject.evaluation_logits(subject.finished)
    finally:
        ensure(subject.labels_read is None, f"it read a batch's labels while classifying{subject.labels_read}")


@check("Use the labels and images that `prepare` and `loss` are given.", exempt=learns_nothing)
def the_support_set_matters(subject: Subject) -> None:
    """Other images, and the same images with other labels, give a different classifier."""
    first = subject.evaluation_logits(subject.finished)
    for task, what in ((replace(TASK, seed=17), "images"), (SHIFTED_TASK, "labels")):
        same = torch.equal(subject.evaluation_logits(subject.trained(task)), first)
        ensure(not same, f"the logits are the same for two support sets with different {what}")


def _raises_closed_vocabulary(subject: Subject, classes: ClassSet) -> bool:
    try:
        subject.evaluation_logits(subject.finished, classes)
    except ClosedVocabularyError:
        return True
    return False
