"""Checks that a method leaves alone what it shares with other runs: backbone, images, and its own class."""

from __future__ import annotations

import torch

from bench.conformance.check import check, ensure, ensure_equal
from bench.conformance.subject import ANOTHER, OTHERS, Subject, tiny_backbone
from methods import Needs


@check("Never write to the backbone; learn tensors of your own and give them to `encode_image` or `encode_prompts`.")
def the_backbone_is_unchanged(subject: Subject) -> None:
    """Weights, gradients and modes of the backbone are what they were, bit for bit."""
    subject.logits(subject.finished)
    model = subject.backbone.model
    found = model.state_dict()
    changed = [name for name, value in subject.weights.items() if not torch.equal(value, found[name])]
    ensure(not changed, f"weights changed: {', '.join(changed[:3])}")
    ensure(subject.backbone.logit_scale == tiny_backbone().logit_scale, "its logit scale changed")
    touched = [name for name, p in model.named_parameters() if p.requires_grad or p.grad is not None]
    ensure(not touched, f"gradients were switched on: {', '.join(touched[:3])}")
    training = [name or "the model" for name, module in model.named_modules() if module.training]
    ensure(not training, f"in training mode: {', '.join(training[:3])}")


@check("Copy before changing: what a batch or a support set hands out is shared with other methods.")
def images_are_left_alone(subject: Subject) -> None:
    """Features, pixels and labels that were handed out are not written to."""
    subject.logits(subject.finished)
    changed = sorted({what for what, lent, pristine in subject.lent if not torch.equal(lent, pristine)})
    ensure(not changed, f"it wrote into {', '.join(changed)}")


@check("Keep what a run learns on the instance (set it in `prepare`), never on the class or the module.")
def runs_do_not_meet(subject: Subject) -> None:
    """A run on another task in between changes nothing."""
    first = subject.logits(subject.finished)
    subject.trained(ANOTHER, seed=3)
    ensure_equal(subject.logits(subject.finished), first, "logits of an instance during whose life another one ran")
    ensure_equal(subject.logits(subject.trained()), first, "logits of a run behind one on another task")


@check("Take `pixels` or `pooled` out of `needs` where it is never read: features alone run from imported files too.")
def images_are_not_needed_in_vain(subject: Subject) -> None:
    """Images, or what the tower pools of them, are read if they are declared."""
    subject.logits(subject.finished)
    if subject.is_open:
        subject.logits(subject.finished, OTHERS)
    idle = sorted(need for need in subject.info.needs - {Needs.FEATURES} if need not in subject.read)
    ensure(not idle, f"never read: {', '.join(idle)}")


@check("Declare `Needs.HIDDEN`, give `frozen_blocks` in the config, and read `batch.hidden(k)` for the k it returns.")
def the_declared_hidden_state_is_read(subject: Subject) -> None:
    """Of hidden states, the one behind the declared frozen blocks is read, and no other."""
    frozen = subject.config.frozen_blocks(subject.backbone)
    ensure(
        (frozen is None) != (Needs.HIDDEN in subject.info.needs), "one of `Needs.HIDDEN` and `frozen_blocks` is missing"
    )
    subject.logits(subject.finished)
    wanted = set() if frozen is None else {frozen}
    ensure(subject.read_before == wanted, f"read before blocks {subject.read_before}, declared {wanted}")
