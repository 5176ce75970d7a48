"""Checks of what a method answers: logits of the right form, for the classes asked, of each image on its own."""

from __future__ import annotations

from dataclasses import replace

import torch

from bench.conformance.check import check, ensure, ensure_equal
from bench.conformance.subject import OTHERS, TURNED, WORLD, Subject
from datasets_registry import ClassSet
from methods import ClosedVocabularyError, Family

ROUNDING = 1e-5
"""Relative difference that another batch size or order may make in single precision."""


@check("Make the traceback's error go away first; the other checks need a method that runs.", essential=True)
def it_runs(subject: Subject) -> None:
    """It prepares, trains and classifies on the least that it says it needs."""
    logits = subject.logits(subject.finished)
    wanted = (len(WORLD.labels), len(WORLD.classes))
    ensure(logits.shape == wanted, f"logits are {tuple(logits.shape)}, wanted {wanted}: images x classes")


@check("Return plain float32 logits without gradients; look for log(0), division by 0 and overflowing exp.")
def logits_are_finite(subject: Subject) -> None:
    """Logits are finite numbers in single precision."""
    logits = subject.logits(subject.finished)
    ensure(bool(logits.isfinite().all()), f"{int((~logits.isfinite()).sum())} of {logits.numel()} are not finite")
    ensure(logits.dtype == torch.float32, f"they are {logits.dtype}, wanted float32")
    ensure(not logits.requires_grad, "they carry gradients although evaluation asks without")


@check("Guard statistics over the images of one class: a variance or covariance needs two.")
def one_shot_is_enough(subject: Subject) -> None:
    """One image per class gives finite logits too."""
    logits = subject.logits(subject.trained(replace(WORLD, shots=1)))
    ensure(bool(logits.isfinite().all()), "logits of a run with 1 shot are not finite")


@check(
    "Compute the text side from the classes that `classifier` is given; a method whose parameters are tied to its "
    "training classes sets open_vocabulary=False and calls require_known_classes first."
)
def only_the_classes_asked_are_answered(subject: Subject) -> None:
    """Other classes get logits of their own, or the declared refusal."""
    method = subject.finished
    if not subject.is_open:
        ensure(
            _refuses(subject, OTHERS), "it answers for classes it was not trained on instead of ClosedVocabularyError"
        )
        ensure(_refuses(subject, ClassSet(WORLD.classes.names[:2], WORLD.classes.template)), "it answers for a part of "
               "its classes; the logits would be those of all of them")  # fmt: skip
        return
    logits = subject.logits(method, OTHERS)
    wanted = (len(WORLD.labels), len(OTHERS))
    ensure(logits.shape == wanted, f"logits for other classes are {tuple(logits.shape)}, wanted {wanted}")
    ensure(bool(logits.isfinite().all()), "logits for other classes are not finite")
    trained = subject.logits(method)[:, : len(OTHERS)]
    ensure(
        not torch.allclose(logits, trained),
        "other classes get the logits of the trained ones: their names are not read",
    )


@check("Build one row a class from `classes` in the order given, never in that of the training classes.")
def class_order_does_not_matter(subject: Subject) -> None:
    """The same classes in another order give the same logits in that order, or the declared refusal."""
    backwards = ClassSet(WORLD.classes.names[::-1], WORLD.classes.template)
    if not subject.is_open and _refuses(subject, backwards):
        return
    found = subject.logits(subject.finished, backwards)
    ensure_equal(found, subject.logits(subject.finished).flip(1), "logits of reversed classes", tolerance=ROUNDING)


@check("Treat each image alone: no batch statistics, no normalisation over the batch dimension.")
def images_are_classified_alone(subject: Subject) -> None:
    """The logits of an image do not depend on the other images of its batch."""
    method = subject.finished
    whole = subject.logits(method)
    for index in (slice(5, 6), torch.tensor([20, 5, 11])):
        alone = subject.logits(method, index=index)
        ensure_equal(alone, whole[index], "logits of some images in a batch of their own", tolerance=ROUNDING)


@check("Leave the method as it is when it classifies: no running statistics, no dropout, no state kept from a batch.")
def asking_changes_nothing(subject: Subject) -> None:
    """Asking again, or about other classes in between, gives the same logits."""
    method = subject.finished
    first = subject.logits(method)
    ensure_equal(subject.logits(method), first, "logits of the same images asked again")
    with torch.no_grad():
        classify = method.classifier(WORLD.classes)
        if subject.is_open:
            subject.logits(method, OTHERS)
        ensure_equal(classify(subject.batch()), first, "logits of a classifier that waited")
        ensure_equal(classify(subject.batch()), first, "logits of a classifier that was used before")


@check("Read labels in training only; `classifier` sees images and class names.")
def labels_are_not_asked_for(subject: Subject) -> None:
    """No label is asked for at evaluation."""
    subject.peeked = False
    try:
        subject.logits(subject.finished)
    finally:
        ensure(not subject.peeked, "it asked a batch for its labels while classifying")


@check("Use the labels and images that `prepare` and `loss` are given.", exempt=lambda s: (
    "it learns nothing" if s.info.family is Family.ZERO_SHOT else None))  # fmt: skip
def the_support_set_matters(subject: Subject) -> None:
    """Other images, and the same images with other labels, give another classifier."""
    first = subject.logits(subject.finished)
    for world, what in ((replace(WORLD, seed=17), "images"), (TURNED, "labels")):
        same = torch.equal(subject.logits(subject.trained(world)), first)
        ensure(not same, f"the logits are the same for two support sets with different {what}")


def _refuses(subject: Subject, classes: ClassSet) -> bool:
    try:
        subject.logits(subject.finished, classes)
    except ClosedVocabularyError:
        return True
    return False
