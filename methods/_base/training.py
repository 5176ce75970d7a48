"""Helpers of training: stacks of runs that train as one, and snapshots of a module's state.

In a stack, each learned tensor has a leading dimension of runs. A method opts in with `MethodInfo.stackable`. Its loss
must then also work on a stack: features `(runs, batch, dim)`, labels `(runs, batch)`, parameters `(runs, ...)`, losses
`(runs,)`. To do so, it multiplies matrices with `matmul` and `dot_rows`, uses `cross_entropy` of this module, sums over
the last dimensions, and reads values that differ between runs, other than parameters, with `each_run`. Element-wise
operations run once for the whole stack. Matrix products run one by one, with the same shapes as in a single run, so
that results are bit-identical.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MethodT = TypeVar("MethodT")


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """`a @ b` of matrices; one product for each run if either has a leading dimension of runs."""
    return _by_run(torch.matmul, a, b)


def dot_rows(x: Tensor, rows: Tensor) -> Tensor:
    """`x @ rows.T`, otherwise as `matmul`. The gradient of the rows has their memory layout, as in a single run."""
    return _by_run(lambda a, b: a @ b.T, x, rows)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of logits `(batch, n_cls)`; of a stack, one value for each run."""
    if logits.dim() == 2:
        return F.cross_entropy(logits, labels)
    log_p = logits.log_softmax(dim=-1)
    return torch.stack([F.nll_loss(rows, mine) for rows, mine in zip(log_p.unbind(), labels.unbind(), strict=True)])


def stack_runs(methods: Sequence[MethodT]) -> MethodT:
    """Combines prepared methods of equal settings and shapes into one method with the parameters of all.

    The parameters of `methods` become views of the stacked parameters and follow the training, until `separate`.
    """
    first = methods[0]
    together = copy.copy(first)
    together.stacked = tuple(methods)  # type: ignore[attr-defined]
    trainable: nn.Module = copy.deepcopy(first.trainable)  # type: ignore[attr-defined]
    together.trainable = trainable  # type: ignore[attr-defined]
    for name, _ in list(trainable.named_parameters()):
        parts = [method.trainable.get_parameter(name) for method in methods]  # type: ignore[attr-defined]
        parameter = nn.Parameter(torch.stack([part.detach() for part in parts]))
        owner, _, leaf = name.rpartition(".")
        setattr(trainable.get_submodule(owner), leaf, parameter)
        for part, view in zip(parts, parameter.data, strict=True):
            part.data = view
    return together


def separate(methods: Sequence[MethodT]) -> None:
    """Give each method of a stack separate memory for its parameters again."""
    for method in methods:
        for parameter in method.trainable.parameters():  # type: ignore[attr-defined]
            parameter.data = parameter.data.clone()


def each_run(method: MethodT, value: Callable[[MethodT], Tensor]) -> Tensor:
    """`value(method)`; of a stack, the values of its runs along a new first dimension."""
    runs: Sequence[MethodT] = getattr(method, "stacked", ())
    return torch.stack([value(run) for run in runs]) if runs else value(method)


def _by_run(product: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """A product of matrices, for each run if there are several."""
    if a.dim() == b.dim() == 2:
        return product(a, b)
    runs = len(a) if a.dim() == 3 else len(b)
    left, right = (tensor.unbind() if tensor.dim() == 3 else (tensor,) * runs for tensor in (a, b))
    return torch.stack([product(x, y) for x, y in zip(left, right, strict=True)])


class Snapshots:
    """Copies of a module's state, any of which can be restored.

    All copies stay in memory: 60 MB for LP++ on 100 classes of ViT-B/16.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.states: list[dict[str, Tensor]] = []

    def take(self) -> None:
        """Copy the module's current state."""
        self.states.append({k: v.detach().clone() for k, v in self.module.state_dict().items()})

    def dump(self) -> dict[str, Tensor]:
        """All snapshots as tensors, keyed `index.name`."""
        return {f"{i}.{name}": value for i, state in enumerate(self.states) for name, value in state.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `dump`."""
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, _, name = key.partition(".")
            states.setdefault(int(index), {})[name] = value
        self.states = [states[i] for i in sorted(states)]

    def restore(self, index: int) -> None:
        """Load a snapshot into the module."""
        self.module.load_state_dict(self.states[index])

    def restore_best(self, score: Callable[[], float], *, last_of_equals: bool = False) -> int:
        """Restore the snapshot with the highest score; on ties the first, or the last with `last_of_equals`.

        Returns the number of snapshots.
        """
        if not self.states:
            return 0
        scores = []
        for i in range(len(self.states)):
            self.restore(i)
            scores.append(score())
        best = max(scores)
        equal = [i for i, s in enumerate(scores) if s == best]
        self.restore(equal[-1] if last_of_equals else equal[0])
        return len(scores)
