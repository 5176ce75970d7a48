"""Ways to settle what training leaves open: which ones a method offers, copies to choose from, and their average."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

if TYPE_CHECKING:
    from methods._base.method import Batch, Classifier, MethodInfo


class Selection(StrEnum):
    """What decides about hyper-parameters or the epoch. `oracle` looks at test labels and is marked so everywhere."""

    LAST = "last"
    FIXED = "fixed"
    VALIDATION = "validation"
    ENSEMBLE = "ensemble"
    ORACLE = "oracle"


@dataclass(frozen=True)
class Way:
    """How a method is asked to select.

    Args:
        settings: what to set for it.
        by_epoch: whether the harness chooses among the ends of epochs, which is no setting of the method.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    by_epoch: bool = False


@dataclass
class Tuning:
    """What choosing has cost so far; a method counts what it tries itself, the harness all else.

    Args:
        fits: models fitted by the method itself outside the training loop, those only tried included.
        evaluations: candidates judged by some images, or averaged over them.
        seconds: wall clock of choosing with labels.
    """

    fits: int = 0
    evaluations: int = 0
    seconds: float = 0.0


def ways_of(info: MethodInfo) -> dict[Selection, Way]:
    """How a method can settle what training leaves open.

    A method with a setting `selection` offers that setting's values. One without searches nothing: the published
    values are fixed, a trained one keeps its last epoch, and the harness can choose another. It can do so with test
    labels for a method that searches, too, if that one can be told to keep its last epoch and has no oracle.
    """
    if (own := info.config.model_fields.get("selection")) is not None:
        offered = {Selection(value): Way({"selection": value}) for value in get_args(own.annotation)}
        last = offered.get(Selection.LAST)
    else:
        last = Way() if info.recipes else None
        offered = {Selection.FIXED: Way()} | ({Selection.LAST: last} if last else {})
        if last:
            offered[Selection.VALIDATION] = Way(by_epoch=True)
    if info.oracle_settings:
        offered[Selection.ORACLE] = Way(info.oracle_settings)
    elif last and Selection.ORACLE not in offered:
        offered[Selection.ORACLE] = Way(last.settings, by_epoch=True)
    return {way: offered[way] for way in Selection if way in offered}


class Snapshots:
    """Copies of a module's state taken during training, one of which can be put back.

    All are held in memory: epochs x parameters, which is 60 MB for LP++ on 100 classes of ViT-B/16.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.states: list[dict[str, Tensor]] = []

    def take(self) -> None:
        """Keep a copy of the module as it is now."""
        self.states.append({k: v.detach().clone() for k, v in self.module.state_dict().items()})

    def dump(self) -> dict[str, Tensor]:
        """All copies as tensors, by number and name."""
        return {f"{i}.{name}": value for i, state in enumerate(self.states) for name, value in state.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, _, name = key.partition(".")
            states.setdefault(int(index), {})[name] = value
        self.states = [states[i] for i in sorted(states)]

    def put_back(self, index: int) -> None:
        """Make the module what it was at that copy."""
        self.module.load_state_dict(self.states[index])

    def put_back_best(self, score: Callable[[], float], *, last_of_equals: bool = False) -> int:
        """Make the module the copy with the highest score; of equal ones the first, or the last.

        Returns:
            How many there were.
        """
        if not self.states:
            return 0
        scores = []
        for i in range(len(self.states)):
            self.put_back(i)
            scores.append(score())
        best = max(scores)
        equal = [i for i, s in enumerate(scores) if s == best]
        self.put_back(equal[-1] if last_of_equals else equal[0])
        return len(scores)


class Averaged:
    """A classifier whose class probabilities are the mean of its candidates'; its logits are their logarithm.

    A hyper-parameter ensemble: in place of choosing, all candidates answer, so that no labelled image is needed.
    Probabilities are averaged as in Wenzel et al., "Hyperparameter Ensembles for Robustness and Uncertainty
    Quantification", NeurIPS 2020.

    Args:
        candidates: classifiers for the same classes, at least one.
    """

    def __init__(self, candidates: Iterable[Classifier]) -> None:
        self.candidates = tuple(candidates)

    def __call__(self, batch: Batch) -> Float[Tensor, "batch n_cls"]:
        total: Tensor | None = None
        for candidate in self.candidates:
            log_p = candidate(batch).log_softmax(dim=1)
            total = log_p if total is None else torch.logaddexp(total, log_p)
        assert total is not None  # there is at least one candidate
        return total - math.log(len(self.candidates))
