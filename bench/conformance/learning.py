"""Checks of training: it moves exactly what it may, and what it learned is what classifies and what is saved."""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F

from bench.conformance.answers import ROUNDING
from bench.conformance.check import check, ensure, ensure_equal, untrained
from bench.conformance.subject import OTHERS, TURNED, WORLD, Subject
from bench.experiment.training_loop import train_step
from methods import Family, TrainableMethod

AMBIGUOUS = 0.5
"""By which share another order may gain more; one learned vector for all classes can only turn them together."""


def _learns_nothing(subject: Subject) -> str | None:
    return "it learns nothing" if subject.info.family is Family.ZERO_SHOT else None


def _fits(logits: torch.Tensor, orders: list[tuple[int, ...]]) -> torch.Tensor:
    """Cross-entropy of the support images for each order of the classes."""
    return torch.stack([F.cross_entropy(logits[:, list(order)], WORLD.labels) for order in orders])


def _prepared(subject: Subject) -> TrainableMethod[Any]:
    method = subject.prepared()
    ensure(isinstance(method, TrainableMethod), "it has recipes but is no TrainableMethod")
    assert isinstance(method, TrainableMethod)
    return method


@check("Put learned tensors of your own into `trainable`; parameters of the backbone stay frozen.", exempt=untrained)
def only_its_own_is_trained(subject: Subject) -> None:
    """What is optimised is in `trainable`, stays there, and is no part of the backbone."""
    method = _prepared(subject)
    held = {id(p): name for name, p in method.trainable.named_parameters()}
    frozen = {t.untyped_storage().data_ptr() for t in subject.backbone.model.state_dict().values()}
    for name, parameter in method.trainable.named_parameters():
        ensure(parameter.untyped_storage().data_ptr() not in frozen, f"`trainable.{name}` is a tensor of the backbone")
    groups = [dict(group) for group in method.parameter_groups()]
    strangers = [p for group in groups for p in group["params"] if id(p) not in held]
    ensure(
        not strangers,
        f"{len(strangers)} optimised tensors are not in `trainable`, so they are neither counted nor saved",
    )
    subject.fitted(method)
    moved = [name for name, p in method.trainable.named_parameters() if id(p) not in held]
    ensure(not moved, f"`trainable.{', '.join(moved)}` was replaced during training; change parameters in place")


@check("Let every learned tensor take part in the loss, or leave it out of `trainable`.", exempt=untrained)
def all_of_it_gets_gradients(subject: Subject) -> None:
    """Every learned tensor gets a gradient, in some stage."""
    method = _prepared(subject)
    found: dict[str, float] = {}
    for optimizer in subject.stages(method):
        _differentiate(subject, method, optimizer)
        for name, parameter in method.trainable.named_parameters():
            if parameter.grad is not None:
                found[name] = max(found.get(name, 0.0), float(parameter.grad.abs().sum()))
    for name, _ in method.trainable.named_parameters():
        ensure(name in found, f"`trainable.{name}` takes no part in the loss")
        ensure(found[name] > 0, f"`trainable.{name}` has gradient 0")


def _one_stage(subject: Subject) -> str | None:
    method = subject.prepared()
    staged = isinstance(method, TrainableMethod) and len(method.stages()) > 1
    return None if staged else "it does not train in stages"


@check("Detach, in each stage, what its `parameter_groups` leave out.", exempt=_one_stage)
def a_stage_leaves_the_others_alone(subject: Subject) -> None:
    """In each stage only what its optimiser has gets a gradient."""
    method = _prepared(subject)
    for stage, optimizer in enumerate(subject.stages(method)):
        _differentiate(subject, method, optimizer)
        given = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name, parameter in method.trainable.named_parameters():
            ensure(parameter.grad is None or id(parameter) in given, f"`trainable.{name}` has one in stage {stage}")


def _differentiate(subject: Subject, method: TrainableMethod[Any], optimizer: torch.optim.Optimizer) -> None:
    # behind one step, since of a low-rank pair one half starts at zero and the other has no gradient then
    train_step(method, subject.batch(labelled=True), optimizer)
    method.trainable.zero_grad()
    torch.autograd.backward(method.loss(subject.batch(labelled=True)))


@check("Check the loss, its sign and the published rate: it must fall on a task that can be learned.", exempt=untrained)
def the_loss_falls(subject: Subject) -> None:
    """Training lowers the loss on a separable task, in each stage."""
    for first, *later in subject.overfitted().losses:
        ensure(min(later) < first, f"from {first:.4g} it never fell; behind {len(later)} steps it was {later[-1]:.4g}")


@check(
    "Classify with what was trained: `classifier` and `train_classifier` must read the same tensors.", exempt=untrained
)
def what_was_learned_is_used(subject: Subject) -> None:
    """Behind training, evaluation gives other logits than before."""
    same = torch.equal(subject.logits(subject.overfitted().method), subject.logits(subject.prepared()))
    ensure(not same, "training changed `trainable`, and the classifier gives the logits it gave before")


@check("Keep row, label and class name together: label i is `classes.names[i]` everywhere.", exempt=_learns_nothing)
def classes_are_not_mixed_up(subject: Subject) -> None:
    """Of all ways to match logits to classes, the given one gains most from the labels."""
    orders = list(itertools.permutations(range(len(WORLD.classes))))
    # what regularisation adds is the same with the labels shifted by one class, so the difference is the labels' part
    plain, turned = (
        _fits(
            subject.logits(subject.overfitted(world).method if subject.is_trained else subject.trained(world)), orders
        )
        for world in (WORLD, TURNED)
    )
    given, best = float((plain - turned)[0]), int((plain - turned).argmin())
    other = float((plain - turned)[best])
    ensure(
        given < 0 and other > (1 + AMBIGUOUS) * given,
        f"cross-entropy changed by {given:.3g}, but by {other:.3g} if its logits are matched to classes {orders[best]}",
    )


@check(
    "Register all learned tensors in `trainable`: parameters, or buffers where they are not optimised.",
    exempt=untrained,
)
def what_is_saved_is_all(subject: Subject) -> None:
    """Loading the saved state into another instance gives equal logits."""
    method, other = subject.finished, subject.prepared(seed=1)
    assert isinstance(method, TrainableMethod)
    assert isinstance(other, TrainableMethod)
    other.trainable.load_state_dict(method.trainable.state_dict())
    ensure_equal(subject.logits(other), subject.logits(method), "logits behind loading")
    if subject.is_open:
        ensure_equal(
            subject.logits(other, OTHERS), subject.logits(method, OTHERS), "logits of other classes behind loading"
        )


@check("Do not let the order of the support images matter before training; sums and means do not.")
def order_of_the_images_does_not_matter(subject: Subject) -> None:
    """The same support images in another order give the same start, and the same closed form."""
    if subject.is_trained:
        plain, mixed = subject.prepared(), subject.prepared(order=_mixed())
    else:
        plain, mixed = subject.finished, subject.fitted(subject.prepared(order=_mixed()))
    ensure_equal(subject.logits(mixed), subject.logits(plain), "logits behind another order", tolerance=100 * ROUNDING)


def _mixed() -> torch.Tensor:
    return torch.randperm(len(WORLD.labels), generator=torch.Generator().manual_seed(11))
