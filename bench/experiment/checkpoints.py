"""Copies of a training: checkpoints, from which interrupted training resumes, and candidates of epoch selection.

Training that resumes ends bit-identically. A checkpoint file has tensors (safetensors, so nothing is unpickled) and, in
its header, the run, code and weights that they belong to. A checkpoint that is damaged or belongs to other code or
weights is ignored. A failure to write one does not stop training.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from bench.experiment.run_cost import CostMeter
from bench.results import write_atomically
from methods import Batch, Classifier, Snapshots, TrainableMethod, logits_accuracy

_LOG = logging.getLogger("bench.experiment.checkpoints")


CANDIDATES = 10
"""Largest number of candidate epochs, which limits memory and the cost of selection."""


def spaced_epochs(first: int, epochs: int) -> tuple[int, ...]:
    """At most `CANDIDATES` epochs (from 1), evenly spaced over the `epochs` after the first `first`, with the last.

    Example:
        >>> spaced_epochs(2, 3), spaced_epochs(0, 50)
        ((3, 4, 5), (5, 10, 15, 20, 25, 30, 35, 40, 45, 50))
    """
    n = min(epochs, CANDIDATES)
    return tuple(first + (i + 1) * epochs // n for i in range(n))


class EpochCandidates:
    """The candidate epochs of a prepared method: copies of its `trainable` at the ends of epochs of its last stage."""

    def __init__(self, method: TrainableMethod[Any]) -> None:
        self.method = method
        self.copies = Snapshots(method.trainable)
        self._epochs: tuple[int, ...] = ()

    def plan(self, first: int, epochs: int) -> None:
        """Called before training: the last stage has `epochs` epochs after the first `first`."""
        self._epochs = spaced_epochs(first, epochs)

    def end_of_epoch(self, epoch: int) -> None:
        """Called after each epoch (from 1)."""
        if epoch in self._epochs:
            self.copies.take()

    def classifiers(self, make: Callable[[], Classifier]) -> Iterator[tuple[str, Classifier]]:
        """Name and classifier of each candidate, the latest epoch first; valid until the next is requested."""
        for index in self._restored_in_turn():
            yield f"epoch {self._epochs[index]}", make()

    @torch.no_grad()
    def keep_best(self, batches: Callable[[], Iterable[Batch]], labels: Sequence[int]) -> int:
        """Restore the epoch with the highest accuracy on these images, on ties the latest.

        `labels` are class indices within the support classes, in the order of `batches`. Returns the epoch, from 1.
        """
        truth = torch.tensor(labels, dtype=torch.long)
        scores = {}
        for index in self._restored_in_turn():
            classify = self.method.classifier(self.method.support_classes)
            scores[index] = logits_accuracy(torch.cat([classify(b).float().cpu() for b in batches()]), truth)
            self.method.tuning.evaluations += 1
        best = max(scores, key=scores.__getitem__)  # on ties the first, which is the latest epoch
        self._restore(best)
        return self._epochs[best]

    def _restored_in_turn(self) -> Iterator[int]:
        """Restore one candidate after another, the latest first; yields its index."""
        for index in reversed(range(len(self._epochs))):
            self._restore(index)
            yield index

    def _restore(self, index: int) -> None:
        self.copies.restore(index)
        self.method.finalise()


@dataclass(frozen=True)
class Progress:
    """The progress of training: finished epochs and steps, and the loss of the last step."""

    epochs: int
    steps: int
    loss: float


@dataclass(frozen=True)
class TrainingState:
    """Everything that changes while a method trains, except learning rates, which are set at every step.

    `optimizer` is that of the current stage, and `generator` draws the order of the images.
    """

    method: TrainableMethod[Any]
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    candidates: EpochCandidates | None = None

    def tensors(self) -> dict[str, Tensor]:
        """A copy of everything, by name."""
        tensors = {f"trainable.{name}": value for name, value in self.method.trainable.state_dict().items()}
        tensors |= {f"gradient.{name}": p.grad for name, p in self._unoptimised() if p.grad is not None}
        tensors |= {f"method.{name}": value for name, value in self.method.training_state().items()}
        if self.candidates:
            tensors |= {f"copy.{name}": value for name, value in self.candidates.copies.dump().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(v) for name, v in values.items() if v is not None}
        tensors |= {
            "generator.order": self.generator.get_state(),
            "generator.method": self.method.generator.get_state(),
        }
        return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self.method.trainable.load_state_dict(_part("trainable.", tensors))
        gradients = _part("gradient.", tensors)
        for name, parameter in self._unoptimised():
            parameter.grad = gradients[name].to(parameter.device) if name in gradients else None
        self.method.restore_training_state(_part("method.", tensors))
        if self.candidates:
            self.candidates.copies.load(_part("copy.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _part("optimizer.", tensors).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.generator.set_state(tensors["generator.order"])
        self.method.generator.set_state(tensors["generator.method"])

    def _unoptimised(self) -> list[tuple[str, nn.Parameter]]:
        """Parameters outside the optimiser. Their gradients are never zeroed and may accumulate over epochs."""
        optimised = {id(parameter) for group in self.optimizer.param_groups for parameter in group["params"]}
        return [pair for pair in self.method.trainable.named_parameters() if id(pair[1]) not in optimised]


@dataclass
class Checkpoint:
    """The checkpoint file of one run.

    Args:
        identity: run, code and weights that the state belongs to; a file with another identity is ignored.
        seconds: training time between two writes; 0 writes after every epoch.
        meter: that of the run. Its costs are added up over the parts of interrupted training, and later parts do not
            pay again for the shared features that earlier ones were charged for.
    """

    path: Path
    identity: Mapping[str, str]
    seconds: float
    meter: CostMeter | None = None
    clock: Callable[[], float] = time.monotonic
    earlier: tuple[float, ...] = field(default=(), init=False)
    """The cost of the earlier parts, in the order of `CostMeter.reading`."""

    def __post_init__(self) -> None:
        self._start = self.meter.reading() if self.meter else ()
        self._last = self.clock()

    def load(self, state_after: Callable[[int], TrainingState]) -> Progress | None:
        """Restore the checkpoint; None, with nothing changed, if there is no file with this identity.

        `state_after` returns the state to restore, given the number of finished epochs.
        """
        stored = self._stored()
        if stored is None:
            return None
        header, tensors = stored
        state_after(header["epochs"]).restore(tensors)
        if self.meter:
            self.meter.load_charged(_part("charged.", tensors))
        self.earlier = tuple(header["spent"])
        return Progress(header["epochs"], header["steps"], header["loss"])

    def _stored(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Header and tensors of the file; None if there is none with this identity."""
        try:
            with safe_open(self.path, "pt") as file:
                header = json.loads((file.metadata() or {}).get("state", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError) as error:
            _LOG.warning("The checkpoint %s is damaged (%s); training starts over.", self.path, error)
            return None
        if header.get("identity") != dict(self.identity):
            return None
        if header["digest"] != _digest(tensors):
            _LOG.warning("The checkpoint %s does not match its checksum; training starts over.", self.path)
            return None
        return header, tensors

    def save_if_due(self, state: TrainingState, progress: Progress) -> None:
        """Write the state if `seconds` have passed since the last write."""
        if self.clock() - self._last < self.seconds:
            return
        charged = self.meter.dump_charged() if self.meter else {}
        tensors = state.tensors() | {f"charged.{kind}": keys for kind, keys in charged.items()}
        header = {
            **asdict(progress),
            "spent": self.spent(),
            "identity": dict(self.identity),
            "digest": _digest(tensors),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, safetensors.torch.save(tensors, {"state": json.dumps(header)}))
        except OSError as error:
            _LOG.warning("The checkpoint cannot be written: %s. Training continues without it.", error)
        self._last = self.clock()

    def spent(self) -> tuple[float, ...]:
        """The total cost of all parts of this training, in the order of `CostMeter.reading`."""
        reading = self.meter.reading() if self.meter else ()
        since = [now - start for now, start in zip(reading, self._start, strict=True)]
        return tuple(a + b for a, b in zip(self.earlier or [0.0] * len(since), since, strict=True))


def _part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name begins with `prefix`, by their names without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        sha.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()
