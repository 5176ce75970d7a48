"""Checks of independence: random numbers only from the method's generator, and no change of what runs share."""

import numpy as np
import torch

from bench.extensions.conformance.check import check, ensure, ensure_equal
from bench.extensions.conformance.random_draws import RandomDraws
from bench.extensions.conformance.subject import OTHER_TASK, TASK, Subject, tiny_backbone
from methods import TrainableMethod

RARE_SEED = 7_368_787
"""A seed that no method is likely to use."""


@check(
    "Give every random operation `generator=self.generator`, and build layers on the meta device before filling them. "
    "For numpy, draw a seed: `np.random.default_rng(int(torch.randint(2**31, (), generator=self.generator)))`.",
    cause=True,
)
def random_numbers_come_from_its_generator(subject: Subject) -> None:
    """Random numbers are drawn only from the generator that the method was given."""
    support, batch = subject.support(), subject.batch(labelled=True)
    _ = TASK.values  # draws the toy images before recording
    method = subject.built(seed=RARE_SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RARE_SEED)  # otherwise a method that sets a seed may reproduce this state by chance
        before = _global_states()
        with RandomDraws(method.generator, subject.file).watching() as draws:
            method.prepare(support)
            if isinstance(method, TrainableMethod):
                method.backward(batch)
        after = _global_states()
    ensure(not draws.foreign, f"{draws} drew from another generator")
    ensure(after == before, "the global random state of torch or numpy was consumed or seeded")


@check("Draw nothing at evaluation: switch off dropout and random views in `classifier`.", cause=True)
def evaluation_is_deterministic(subject: Subject) -> None:
    """No random number is drawn while classifying."""
    method = subject.finished
    with RandomDraws(None, subject.file).watching() as draws:
        subject.evaluation_logits(method)
    ensure(not draws.foreign, f"{draws} drew random numbers while classifying")


@check("Take every random number from `self.generator`, and iterate over nothing unordered.")
def the_same_seed_gives_the_same_logits(subject: Subject) -> None:
    """Two runs with equal generators give equal logits, bit for bit, whatever the global random state is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch.initial_seed() + 1)
        again = subject.evaluation_logits(subject.trained())
    ensure_equal(again, subject.evaluation_logits(subject.finished), "logits of two runs with the same seed")


def _global_states() -> tuple[bytes, str]:
    # not Python's own state, since the array type checkers of the tests draw from it; `RandomDraws` leaves them out
    return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state())


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
