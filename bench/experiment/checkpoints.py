"""The state of a training that is not finished, so that one that was cut off goes on where it was and ends the same.

A file holds tensors (safetensors; nothing is unpickled) and, as text in its header, what they belong to. It is a spare
part: one that is torn, or of other code or weights, is as good as none, and a full disk only costs the safety.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from bench._util.atomic_write import write_atomically
from methods import TrainableMethod

_LOG = logging.getLogger("bench.experiment.checkpoints")


@dataclass(frozen=True)
class Progress:
    """How far a training is: epochs and steps done, the last step's loss."""

    epochs: int
    steps: int
    loss: float


class Stateful(Protocol):
    """What is gathered while a method trains, as tensors by name."""

    def dump(self) -> dict[str, Tensor]:
        """Everything gathered so far."""
        ...

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        ...


@dataclass(frozen=True)
class TrainingState:
    """All that changes while a method trains.

    Args:
        method: its `trainable`, its generator, and what `training_state` gives.
        optimizer: its state; rates are set anew at every step.
        generator: draws the order of the images.
        gathered: by name what else is kept of earlier epochs, such as copies to choose from.
    """

    method: TrainableMethod[Any]
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    gathered: Mapping[str, Stateful] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """A copy of everything, by name."""
        found = {f"trainable.{name}": value for name, value in self.method.trainable.state_dict().items()}
        found |= {f"gradient.{name}": p.grad for name, p in self._left_alone() if p.grad is not None}
        found |= {f"method.{name}": value for name, value in self.method.training_state().items()}
        for part, gathered in self.gathered.items():
            found |= {f"{part}.{name}": value for name, value in gathered.dump().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{index}.{name}": torch.as_tensor(v) for name, v in values.items() if v is not None}
        found |= {"generator.order": self.generator.get_state(), "generator.method": self.method.generator.get_state()}
        return {name: value.detach().cpu().contiguous().clone() for name, value in found.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Make everything what it was."""
        self.method.trainable.load_state_dict(_below("trainable.", tensors))
        gradients = _below("gradient.", tensors)
        for name, parameter in self._left_alone():
            parameter.grad = gradients[name].to(parameter.device) if name in gradients else None
        self.method.restore_training_state(_below("method.", tensors))
        for part, gathered in self.gathered.items():
            gathered.load(_below(f"{part}.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer.", tensors).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.generator.set_state(tensors["generator.order"])
        self.method.generator.set_state(tensors["generator.method"])

    def _left_alone(self) -> list[tuple[str, nn.Parameter]]:
        """Parameters that the optimiser does not have: nobody zeroes their gradients, which may last over epochs."""
        taken = {id(parameter) for group in self.optimizer.param_groups for parameter in group["params"]}
        return [pair for pair in self.method.trainable.named_parameters() if id(pair[1]) not in taken]


@dataclass
class Checkpoint:
    """Where one training keeps its state.

    Args:
        path: the file.
        identity: what the state belongs to; one of anything else is not used.
        seconds: how much training may be lost; 0 keeps the state of every epoch.
        meter: what the run has spent so far (seconds, passes), to be added up over the parts of a training.
        clock: a steady clock.
    """

    path: Path
    identity: Mapping[str, str]
    seconds: float
    meter: Callable[[], tuple[float, ...]] = tuple
    clock: Callable[[], float] = time.monotonic
    earlier: tuple[float, ...] = field(default=(), init=False)
    """What the parts before this one have spent, in the order of `meter`."""

    def __post_init__(self) -> None:
        self._begin = self.meter()
        self._last = self.clock()

    def load(self, state_after: Callable[[int], TrainingState]) -> Progress | None:
        """Restore what was kept; None, with nothing changed, if there is nothing that fits.

        Args:
            state_after: what changes in a training that has come so many epochs far; the optimiser is its stage's.
        """
        try:
            with safe_open(self.path, "pt") as file:
                header = json.loads((file.metadata() or {}).get("state", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError) as error:
            _LOG.warning("The checkpoint %s is damaged (%s); training begins anew.", self.path, error)
            return None
        if header.get("identity") != dict(self.identity):
            return None
        if header["digest"] != _digest(tensors):
            _LOG.warning("The checkpoint %s does not match its checksum; training begins anew.", self.path)
            return None
        state_after(header["epochs"]).restore(tensors)
        self.earlier = tuple(header["spent"])
        return Progress(header["epochs"], header["steps"], header["loss"])

    def keep(self, state: TrainingState, progress: Progress) -> None:
        """Write the state, if enough has been trained since the last time."""
        if self.clock() - self._last < self.seconds:
            return
        tensors = state.tensors()
        header = {
            "identity": dict(self.identity),
            "digest": _digest(tensors),
            "epochs": progress.epochs,
            "steps": progress.steps,
            "loss": progress.loss,
            "spent": self.spent(),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, safetensors.torch.save(tensors, {"state": json.dumps(header)}))
        except OSError as error:
            _LOG.warning("No checkpoint: %s. Training goes on without.", error)
        self._last = self.clock()

    def spent(self) -> tuple[float, ...]:
        """What all parts of this training have spent together, as `meter` counts."""
        since = tuple(now - begin for now, begin in zip(self.meter(), self._begin, strict=True))
        earlier = self.earlier or (0.0,) * len(since)
        return tuple(a + b for a, b in zip(earlier, since, strict=True))


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        sha.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()
