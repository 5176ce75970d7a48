"""Official code in this process: on the CPU, in fp32, with the replacements of `official_side.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import official_side
import torch


def import_official(checkout: Path, dassl: Path) -> None:
    """Make the checkout and Dassl importable."""
    places = [str(checkout), str(dassl)]
    official_side.job.update(repo=str(checkout), places=places[:1], weights="")
    sys.path[:0] = places
    official_side.prepare()


def serve_weights(path: Path) -> None:
    """Official code that downloads CLIP gets the weights of this file."""
    official_side.job["weights"] = str(path)


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
