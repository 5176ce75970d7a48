"""APEX's ensemble weight of a class: how far its name is from the training classes in the frozen text space."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def class_distances(
    candidates: Float[Tensor, "n_cls dim"], trained: Float[Tensor, "n_trained dim"], nearest: Literal["max", "min"]
) -> tuple[Float[Tensor, " n_cls"], Float[Tensor, " n_cls"]]:
    """Mean and nearest cosine distance of each candidate's text to the trained ones'.

    Args:
        candidates: frozen text features, of any length.
        trained: those of the training classes.
        nearest: cosine of the nearest class: the largest, or the smallest as the paper's equation reads.
    """
    cosine = F.normalize(candidates, dim=-1) @ F.normalize(trained, dim=-1).T
    closest = cosine.amax(dim=1) if nearest == "max" else cosine.amin(dim=1)
    return 1 - cosine.mean(dim=1), 1 - closest


def ensemble_weight(
    mean_distance: Float[Tensor, " n_cls"], nearest_distance: Float[Tensor, " n_cls"], *, beta: float, eps: float
) -> Float[Tensor, " n_cls"]:
    """`exp(-beta * mean * [nearest > eps])`: 1 = all adapted, for classes that were trained on."""
    return torch.exp(-beta * mean_distance * (nearest_distance > eps))
