"""The weights of a model whose logits are linear in the frozen feature.

Whether they are linear is measured, not listed: the head is read off the classifier along each axis, and must then
give its logits for random features, for the features that the model stores, and for mixtures of both.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from bench.experiment import ModelInfo
from methods import Batch, Method, Needs

TOLERANCE = 2e-5
"""Largest difference of a logit, as a share of the largest one: rounding of float32."""
RANDOM = 256
STORED = 512
"""Most stored features that are tried."""

FeatureKind = Literal["normalised", "raw"]


@dataclass(frozen=True)
class LinearHead:
    """`logits = weight @ feature + bias`.

    Args:
        feature: `normalised`: the frozen feature divided by its length; `raw`: as the tower gives it.
        weight: `(n_cls, dim)`.
        bias: `(n_cls,)`.
        difference: largest difference from the model's logits on the features that were tried, as a share of the
            largest logit.
    """

    feature: FeatureKind
    weight: Float[Tensor, "n_cls dim"]
    bias: Float[Tensor, " n_cls"]
    difference: float

    def __call__(self, features: Float[Tensor, "n dim"]) -> Float[Tensor, "n n_cls"]:
        """Logits of frozen features, unnormalised as the tower gives them."""
        given = F.normalize(features, dim=-1) if self.feature == "normalised" else features
        return given @ self.weight.T + self.bias


@torch.no_grad()
def linear_head(info: ModelInfo, method: Method[Any]) -> LinearHead | None:
    """The head of a model; None if its logits are not linear in the frozen feature."""
    needs = method.info.needs - {Needs.UNLABELLED}  # read before the model was stored
    if needs != {Needs.FEATURES}:
        return None
    classify, dim = method.classifier(info.classes.class_set), info.embed_dim
    device = method.backbone.device

    def logits(features: Tensor) -> Tensor:
        batch = Batch(None, features=lambda: features, pixels=lambda: features, needs=needs)
        return classify(batch).double()

    tried = _tried(info, method).to(device)
    expected = logits(tried)
    best = None
    for kind in ("normalised", "raw"):
        axes = torch.eye(dim, device=device)
        if kind == "raw":
            axes = axes * tried.norm(dim=1).mean()
        up, down = logits(axes), logits(-axes)
        length = axes.diagonal()[:, None]
        head = LinearHead(kind, ((up - down) / (2 * length)).T.contiguous(), ((up + down) / 2).mean(dim=0), 0.0)
        error = float((head(tried.double()) - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
        if best is None or error < best.difference:
            best = LinearHead(kind, head.weight.float().cpu(), head.bias.float().cpu(), error)
    return best if best is not None and best.difference <= TOLERANCE else None


def _tried(info: ModelInfo, method: Method[Any]) -> Tensor:
    """Random features, class texts, and stored tensors of a feature's width with their neighbourhood, `(n, dim)`.

    A cache model is nearly linear far from its cached features, so these are tried too.
    """
    generator = torch.Generator().manual_seed(0)
    dim = info.embed_dim
    random = torch.randn(RANDOM, dim, generator=generator)
    stored = []
    for value in method.tuned_state().values():
        value = value.detach().cpu().float()
        if value.dim() and value.shape[-1] == dim:
            stored.append(value.reshape(-1, dim))
        elif value.dim() >= 2 and value.shape[-2] == dim:
            stored.append(value.transpose(-1, -2).reshape(-1, dim))
    if method.info.reads_text:
        classes = info.classes.class_set
        stored.append(method.backbone.class_texts(classes, classes.template).cpu().float())
    near = F.normalize(torch.cat(stored), dim=-1) if stored else random[:0]
    if len(near) > STORED:
        near = near[torch.randperm(len(near), generator=generator)[:STORED]]
    noise = F.normalize(torch.randn(near.shape, generator=generator), dim=-1)
    mixed = near + noise * torch.rand(len(near), 1, generator=generator)
    found = torch.cat([random, near, mixed])
    found = F.normalize(found[found.norm(dim=1) > 0], dim=-1)
    return found * (0.5 + 10 * torch.rand(len(found), 1, generator=generator))
