"""Checks of randomness: all of it comes from the method's generator, and none of it at evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.conformance.check import check, ensure, ensure_equal
from bench.conformance.subject import WORLD, Subject
from methods import TrainableMethod

UNUSUAL = 7_368_787
"""A seed that no method is likely to set by itself."""


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation that draws random numbers from anything but one generator.

    Args:
        allowed: the generator that may be drawn from; None allows none.
    """

    def __init__(self, allowed: torch.Generator | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.allowed = allowed
        self.strange: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and not self._is_allowed(func, args, kwargs):
            self.strange.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **kwargs)

    def _is_allowed(self, func: Any, args: Any, kwargs: Any) -> bool:
        named = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)} | kwargs
        if named.get("dropout_p", 0.0) == 0 and "attention" in func._schema.name:
            return True  # attention draws for its dropout alone
        if any(isinstance(value, torch.Tensor) and value.is_meta for value in args):
            return True  # without storage there is nothing to fill
        given = named.get("generator")
        # the dispatcher wraps the same generator again; its state shows it
        return (
            given is not None and self.allowed is not None and torch.equal(given.get_state(), self.allowed.get_state())
        )


@check(
    "Give every random operation `generator=self.generator`, and build layers on the meta device before filling them."
)
def random_numbers_come_from_its_generator(subject: Subject) -> None:
    """Nothing is drawn but from the generator that the method was given."""
    support, batch = subject.support(), subject.batch(labelled=True)
    _ = WORLD.values  # the toy images are drawn before anybody looks
    method = subject.built(seed=UNUSUAL)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNUSUAL)  # else a method that seeds with a number of its own may meet that very state
        before = _global_states()
        with _Draws(method.generator) as draws:
            method.prepare(support)
            if isinstance(method, TrainableMethod):
                method.backward(batch)
        after = _global_states()
    ensure(not draws.strange, f"{', '.join(sorted(draws.strange))} drew from another generator")
    ensure(after == before, "the global random state of torch or numpy was consumed or seeded")


@check("Draw at evaluation from nothing: switch dropout and random views off in `classifier`.")
def evaluation_is_not_random(subject: Subject) -> None:
    """No random number is drawn to classify."""
    method = subject.finished
    with _Draws(None) as draws:
        subject.logits(method)
    ensure(not draws.strange, f"{', '.join(sorted(draws.strange))} drew random numbers while classifying")


@check("Take every random number from `self.generator`, and iterate over nothing unordered.")
def the_same_seed_gives_the_same_logits(subject: Subject) -> None:
    """Two runs with equal generators give equal logits, bit for bit, whatever the global random state is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch.initial_seed() + 1)
        again = subject.logits(subject.trained())
    ensure_equal(again, subject.logits(subject.finished), "logits of two runs with the same seed")


def _global_states() -> tuple[bytes, str]:
    # not Python's own: type checkers of arrays, which tests switch on, draw from it
    return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state())
