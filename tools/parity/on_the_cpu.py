"""Official code in this process: on the CPU, in fp32, with the replacements that the harness makes for any fork."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from bench.extensions.forks.foreign import fork_side


def import_official(checkout: Path, dassl: Path) -> None:
    """Make the checkout and Dassl importable."""
    fork_side.job.update(repo=str(checkout.absolute()), folder="", path=[str(dassl)])
    sys.path[:0] = [str(checkout.absolute()), str(dassl)]
    fork_side.stand_in_for_absent_packages()
    fork_side.restore_removed_names()
    fork_side.pretend_one_gpu()
    fork_side.watch_imports()


def serve_weights(path: Path) -> None:
    """Official code that downloads CLIP gets the weights of this file."""
    fork_side.job["weights"] = str(path)


def follow(owner: Any, name: str, then: Callable[..., None]) -> None:
    """Let `owner.name` be followed by `then(result, *args)`."""
    function = getattr(owner, name)

    @wraps(function)
    def both(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        then(result, *args)
        return result

    setattr(owner, name, both)


def accuracy(tested: list[torch.Tensor]) -> Callable[..., float]:
    """`cls_acc` of the Tip-Adapter family, whose line fails with numpy 2.4; keeps the outputs in `tested`."""

    def cls_acc(output: torch.Tensor, target: torch.Tensor, topk: int = 1) -> float:
        tested.append(output.detach().clone())
        return 100 * float((output.argmax(dim=1) == target).float().mean()) + 1e-6

    return cls_acc
