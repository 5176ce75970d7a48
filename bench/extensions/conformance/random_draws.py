"""Finds random numbers that do not come from a method's generator: of torch, numpy and Python, with the line."""

import os
import random
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.extensions.conformance.places import author_place, may_be_of_method

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class RandomDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records, inside its block, what draws random numbers from anything but one generator, and where.

    Args:
        allowed: generator of torch that may be used; None for no draw at all.
        author: file of the method, whose lines are reported.

    Attributes:
        foreign: the first place of each function that drew, such as `np.random.rand`.
    """

    def __init__(self, allowed: torch.Generator | None, author: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.allowed, self.author = allowed, author
        self.foreign: dict[str, str] = {}

    def __str__(self) -> str:
        return ", ".join(f"{what}{place}" for what, place in sorted(self.foreign.items()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and not self._is_allowed(func, args, kwargs):
            self._note(func._schema.name.removeprefix("aten::"), sys._getframe())
        return func(*args, **kwargs)

    @contextmanager
    def watching(self) -> Iterator["RandomDraws"]:
        """A block in which the global generators of numpy and Python, and unseeded ones, are recorded as well."""
        before = sys.getprofile()
        sys.setprofile(self._profile)
        try:
            with _noted_numpy(self._note), self:
                yield self
        finally:
            sys.setprofile(before)

    def _is_allowed(self, func: Any, args: Any, kwargs: Any) -> bool:
        named = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)} | kwargs
        if named.get("dropout_p", 0.0) == 0 and "attention" in func._schema.name:
            return True  # attention draws only for dropout
        if any(isinstance(value, torch.Tensor) and value.is_meta for value in args):
            return True  # a tensor without storage is not filled
        given = named.get("generator")
        # the dispatcher wraps the generator again, so compare states
        return (
            given is not None and self.allowed is not None and torch.equal(given.get_state(), self.allowed.get_state())
        )

    def _profile(self, frame: FrameType, event: str, called: Any) -> None:
        """Records draws from Python's global generator, which the functions of `random` use, and from `os.urandom`."""
        if event != "c_call" or not (called is os.urandom or getattr(called, "__self__", None) is _PYTHON):
            return
        caller, name = frame, called.__name__
        while caller.f_back is not None and caller.f_code.co_filename == random.__file__:
            caller, name = caller.f_back, caller.f_code.co_name
        if self._may_be_of_method(caller.f_code.co_filename):
            self._note("a generator without a seed" if called is os.urandom else f"random.{name}", caller)

    def _may_be_of_method(self, file: str) -> bool:
        """Whether a file may be part of a method; a library is not, since it may draw for other purposes."""
        return file == self.author or (may_be_of_method(file) and not file.startswith(("<", *_LIBRARIES)))

    def _note(self, what: str, frame: FrameType | None) -> None:
        frames = []
        while frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back
        self.foreign.setdefault(what, author_place(reversed(frames), self.author))


_PYTHON = random.random.__self__  # type: ignore[attr-defined]
"""Python's global generator."""
_NUMPY = np.random.mtrand._rand
"""The global generator of numpy."""


@contextmanager
def _noted_numpy(note: Callable[[str, FrameType | None], None]) -> Iterator[None]:
    """A block in which the functions of numpy's global generator call `note` first."""
    functions = {
        name: function
        for name, function in vars(np.random).items()
        if getattr(function, "__self__", None) is _NUMPY and name != "get_state"
    }

    def noted(name: str, function: Any) -> Any:
        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            note(f"np.random.{name}", sys._getframe(1))
            return function(*args, **options)

        return call

    try:
        for name, function in functions.items():
            setattr(np.random, name, noted(name, function))
        yield
    finally:
        for name, function in functions.items():
            setattr(np.random, name, function)
