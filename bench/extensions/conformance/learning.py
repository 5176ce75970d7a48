"""Checks of training: only `trainable` changes, it alone is used to classify, and a tuned model keeps all of it."""

import itertools
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F

from bench.experiment import train_step
from bench.extensions.conformance.check import (
    check,
    ensure,
    ensure_equal,
    learns_nothing,
    untrained,
)
from bench.extensions.conformance.classification import ROUNDING
from bench.extensions.conformance.subject import OTHER_CLASSES, SHIFTED_TASK, TASK, Subject, tiny_backbone
from methods import Method, SupportImagesError, TrainableMethod

AMBIGUOUS = 0.5
"""Tolerated relative advantage of another class order; a method with one vector for all classes only rotates them."""


def _fits(logits: torch.Tensor, orders: list[tuple[int, ...]]) -> torch.Tensor:
    """Cross-entropy of the support images for each order of the classes."""
    return torch.stack([F.cross_entropy(logits[:, list(order)], TASK.labels) for order in orders])


def _prepared(subject: Subject) -> TrainableMethod[Any]:
    method = subject.prepared()
    ensure(isinstance(method, TrainableMethod), "it has recipes but is not a TrainableMethod")
    assert isinstance(method, TrainableMethod)
    return method


@check("Put learned tensors into `trainable`; parameters of the backbone stay frozen.", exempt=untrained)
def only_trainable_is_trained(subject: Subject) -> None:
    """Optimised tensors are in `trainable`, stay there, and are not part of the backbone."""
    method = _prepared(subject)
    held = {id(p): name for name, p in method.trainable.named_parameters()}
    frozen = {t.untyped_storage().data_ptr() for t in subject.backbone.model.state_dict().values()}
    for name, parameter in method.trainable.named_parameters():
        ensure(parameter.untyped_storage().data_ptr() not in frozen, f"`trainable.{name}` is a tensor of the backbone")
    groups = [dict(group) for group in method.parameter_groups()]
    foreign = [p for group in groups for p in group["params"] if id(p) not in held]
    ensure(
        not foreign, f"{len(foreign)} optimised tensors are not in `trainable`, so they are neither counted nor saved"
    )
    subject.fitted(method)
    moved = [name for name, p in method.trainable.named_parameters() if id(p) not in held]
    ensure(not moved, f"`trainable.{', '.join(moved)}` was replaced during training; change parameters in place")


@check("Use every learned tensor in the loss, or leave it out of `trainable`.", exempt=untrained)
def every_parameter_gets_gradients(subject: Subject) -> None:
    """Every learned tensor gets a gradient in some stage."""
    method = _prepared(subject)
    found: dict[str, float] = {}
    for optimizer in subject.stages(method):
        _differentiate(subject, method, optimizer)
        for name, parameter in method.trainable.named_parameters():
            if parameter.grad is not None:
                found[name] = max(found.get(name, 0.0), float(parameter.grad.abs().sum()))
    for name, _ in method.trainable.named_parameters():
        ensure(name in found, f"`trainable.{name}` is not used in the loss")
        ensure(found[name] > 0, f"`trainable.{name}` has gradient 0")


def _one_stage(subject: Subject) -> str | None:
    method = subject.prepared()
    staged = isinstance(method, TrainableMethod) and len(method.stages()) > 1
    return None if staged else "it does not train in stages"


@check("In each stage, detach what its `parameter_groups` leave out.", exempt=_one_stage)
def a_stage_trains_only_its_own_parameters(subject: Subject) -> None:
    """In each stage, only the parameters of its optimiser get gradients."""
    method = _prepared(subject)
    for stage, optimizer in enumerate(subject.stages(method)):
        _differentiate(subject, method, optimizer)
        given = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name, parameter in method.trainable.named_parameters():
            allowed = parameter.grad is None or id(parameter) in given
            ensure(allowed, f"`trainable.{name}` gets a gradient in stage {stage}")


def _differentiate(subject: Subject, method: TrainableMethod[Any], optimizer: torch.optim.Optimizer) -> None:
    # after one step, since the factor of a low-rank pair that starts at zero leaves the other without a gradient
    train_step(method, subject.batch(labelled=True), optimizer)
    method.trainable.zero_grad()
    torch.autograd.backward(method.loss(subject.batch(labelled=True)))


@check("Check the loss, its sign and the published rate: it must fall on a separable task.", exempt=untrained)
def the_loss_falls(subject: Subject) -> None:
    """Training lowers the loss on a separable task, in each stage."""
    for first, *later in subject.overfitted().losses:
        ensure(min(later) < first, f"from {first:.4g} it never fell; after {len(later)} steps it was {later[-1]:.4g}")


@check(
    "Classify with what was trained: `classifier` and `train_classifier` must read the same tensors.", exempt=untrained
)
def the_classifier_uses_what_was_learned(subject: Subject) -> None:
    """Training changes the logits of evaluation."""
    after, before = subject.overfitted().method, subject.prepared()
    same = torch.equal(subject.evaluation_logits(after), subject.evaluation_logits(before))
    ensure(not same, "training changed `trainable`, but the logits are the same as before")


@check(
    "Keep rows, labels and class names in one order: label i is `classes.names[i]` everywhere.", exempt=learns_nothing
)
def classes_are_not_mixed_up(subject: Subject) -> None:
    """Of all orders of the classes, the given one fits the labels best."""
    orders = list(itertools.permutations(range(len(TASK.classes))))
    # regularisation has the same effect with labels shifted by one class, so the difference is due to the labels
    learned = (
        subject.overfitted(task).method if subject.is_trained else subject.trained(task)
        for task in (TASK, SHIFTED_TASK)
    )
    plain, turned = (_fits(subject.evaluation_logits(method), orders) for method in learned)
    given, best = float((plain - turned)[0]), int((plain - turned).argmin())
    other = float((plain - turned)[best])
    ensure(
        given < 0 and other > (1 + AMBIGUOUS) * given,
        f"cross-entropy changed by {given:.3g}, but by {other:.3g} with the classes in order {orders[best]}",
    )


@check(
    "Register all learned tensors in `trainable`: parameters, or buffers where they are not optimised.",
    exempt=untrained,
)
def saving_is_complete(subject: Subject) -> None:
    """Loading the saved state into another instance gives equal logits."""
    method, other = subject.finished, subject.prepared(seed=1)
    assert isinstance(method, TrainableMethod)
    assert isinstance(other, TrainableMethod)
    other.trainable.load_state_dict(method.trainable.state_dict())
    ensure_equal(subject.evaluation_logits(other), subject.evaluation_logits(method), "logits after loading")
    if subject.is_open:
        found, expected = (subject.evaluation_logits(each, OTHER_CLASSES) for each in (other, method))
        ensure_equal(found, expected, "logits of other classes after loading")


@check("Do not depend on the order of the support images before training; sums and means do not.")
def image_order_does_not_matter(subject: Subject) -> None:
    """The support images in another order give the same start and the same closed form."""
    reordered = subject.prepared(order=torch.randperm(len(TASK.labels), generator=torch.Generator().manual_seed(11)))
    plain = subject.prepared() if subject.is_trained else subject.finished
    found = subject.evaluation_logits(reordered if subject.is_trained else subject.fitted(reordered))
    expected = subject.evaluation_logits(plain)
    ensure_equal(found, expected, "logits for another order", tolerance=100 * ROUNDING)


def cannot_be_kept(subject: Subject) -> str | None:
    """Exempts a method that reads images in `prepare` and does not define how it is restored."""
    try:
        _loaded(subject, subject.finished)
    except SupportImagesError:
        return "it reads images in `prepare` and defines no `restore_tuned_state`, so --keep-models cannot keep it"
    return None


@check(
    "Put everything that `classifier` uses into `tuned_state`, and set all of it in `restore_tuned_state`.",
    exempt=cannot_be_kept,
)
def a_kept_model_classifies_alike(subject: Subject) -> None:
    """A new instance on a new backbone gives the same logits from the stored tensors, without any image."""
    method = subject.finished
    other = _loaded(subject, method)
    alone = subject.is_open and not subject.info.needs_teacher  # a file has no teacher for other names
    for classes in (TASK.classes, OTHER_CLASSES) if alone else (TASK.classes,):
        found, expected = (subject.evaluation_logits(each, classes) for each in (other, method))
        ensure_equal(found, expected, f"logits of a restored tuned model for {len(classes)} classes")


def _loaded(subject: Subject, method: Method[Any]) -> Method[Any]:
    """Another instance with the stored state, written to and read from safetensors."""
    state = {name: value.detach().contiguous() for name, value in method.tuned_state().items()}
    content = safetensors.torch.load(safetensors.torch.save(state))
    other = subject.method(tiny_backbone(), subject.config, torch.Generator().manual_seed(5))
    with torch.no_grad():
        other.restore_tuned_state(TASK.classes, content)
    return other
