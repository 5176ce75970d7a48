"""Entropic optimal transport between small sets of features, many pairs of sets at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def sinkhorn(kernel: Float[Tensor, "*pairs m n"], *, iterations: int, tolerance: float) -> Float[Tensor, "*pairs m n"]:
    """Transport plans with uniform marginals, by Sinkhorn's alternating scaling.

    Each pair stops separately once its row scaling changes by less than `tolerance` on average, so a plan does not
    depend on the others in its batch. Columns are scaled last, so their sums are exact.

    Args:
        kernel: `exp(-cost / eps)` of each pair of sets.
        tolerance: mean absolute change of the row scaling.
    """
    m, n = kernel.shape[-2:]
    rows, columns = torch.ones_like(kernel[..., 0]), torch.ones_like(kernel[..., 0, :])
    running = torch.ones_like(rows[..., :1], dtype=torch.bool)
    for _ in range(iterations):
        scaled = 1 / (m * (kernel * columns[..., None, :]).sum(dim=-1))
        moved = (scaled - rows).abs().mean(dim=-1, keepdim=True)
        rows = torch.where(running, scaled, rows)
        columns = torch.where(running, 1 / (n * (kernel * rows[..., None]).sum(dim=-2)), columns)
        running = running & (moved >= tolerance)
        if not running.any():
            break
    return rows[..., None] * kernel * columns[..., None, :]


def transported_cosine(
    images: Float[Tensor, "m batch dim"],
    texts: Float[Tensor, "n n_cls dim"],
    *,
    eps: float,
    iterations: int,
    tolerance: float,
) -> Float[Tensor, "batch n_cls"]:
    """Mean cosine of an image's m features and a class's n features under the plan of cost `1 - cosine`.

    No gradient flows through the plan.
    """
    cosine = torch.einsum("mbd,ncd->bcmn", F.normalize(images, dim=-1), F.normalize(texts, dim=-1))
    with torch.no_grad():
        plan = sinkhorn(torch.exp((cosine - 1) / eps), iterations=iterations, tolerance=tolerance)
    return (plan * cosine).sum(dim=(-2, -1))
