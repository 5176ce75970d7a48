"""Checks that a method does not change what it shares with other runs: backbone, images, and its own class."""

import torch

from bench.conformance.check import check, ensure, ensure_equal
from bench.conformance.subject import OTHER_TASK, Subject, tiny_backbone


@check("Never write to the backbone; pass learned tensors to `encode_image` or `encode_prompts`.")
def the_backbone_is_unchanged(subject: Subject) -> None:
    """Weights, gradients and modes of the backbone are unchanged, bit for bit."""
    subject.evaluation_logits(subject.finished)
    model = subject.backbone.model
    found = model.state_dict()
    changed = [name for name, value in subject.weights.items() if not torch.equal(value, found[name])]
    ensure(not changed, f"weights changed: {', '.join(changed[:3])}")
    ensure(subject.backbone.logit_scale == tiny_backbone().logit_scale, "its logit scale changed")
    trainable = [name for name, p in model.named_parameters() if p.requires_grad or p.grad is not None]
    ensure(not trainable, f"gradients were switched on: {', '.join(trainable[:3])}")
    training = [name or "the model" for name, module in model.named_modules() if module.training]
    ensure(not training, f"in training mode: {', '.join(training[:3])}")


@check("Copy before changing: tensors of a batch or a support set are shared with other methods.")
def inputs_are_not_modified(subject: Subject) -> None:
    """Features, pixels and labels are not modified."""
    subject.evaluation_logits(subject.finished)
    changed = {what for what, handed_out, pristine in subject.handed_out if not torch.equal(handed_out, pristine)}
    ensure(not changed, f"it wrote into {', '.join(sorted(changed))}")


@check("Store what a run learns on the instance (set it in `prepare`), never on the class or the module.")
def runs_are_independent(subject: Subject) -> None:
    """A run on another task in between has no effect."""
    first = subject.evaluation_logits(subject.finished)
    subject.trained(OTHER_TASK, seed=3)
    ensure_equal(subject.evaluation_logits(subject.finished), first, "logits of an instance after another one ran")
    ensure_equal(subject.evaluation_logits(subject.trained()), first, "logits of a run after one on another task")
