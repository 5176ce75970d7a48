"""MTA: the mode of a test image's views replaces its feature; each view has a weight that is found with the mode.

Zanella and Ben Ayed, "On the Test-Time Zero-Shot Generalization of Vision-Language Models: Do We Really Need Prompt
Learning?", CVPR 2024. Official file: MaxZanella/MTA `mta.py`. With features f_p of the plain view and random crops,
Gaussian kernel K and predictions s_p = softmax(scale f_p t'), it alternates between

    y_p <- softmax((K(f_p - m) + lambda sum_q s_p s_q' y_q) / lambda_y)        the inlierness scores
    m   <- normalise(sum_p y_p K(f_p - m) f_p)                                 the mode, which starts at the plain view

The bandwidth of a view is the root of half the mean squared distance to its nearest 30 % of views.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods import Batch, Method, MethodInfo, StreamClassifier, register_method
from methods._parts.feature_methods import CropsConfig, template_ensemble

_ROUNDS = 5
"""Most rounds of the alternation and of each of its steps: `max_iter` in mta.py."""
_CHANGE = 1e-6
"""Change at which a step ends early: `th` in mta.py."""


class MTAConfig(CropsConfig):
    """The views and the weights of the terms."""

    views: int = Field(63, ge=4, description="random crops beside the plain view; 63 (a batch of 64)")
    neighbours: float = Field(0.3, gt=0, le=1, description="share of the nearest views for the bandwidth; 0.3")
    quadratic: float = Field(4.0, ge=0, description="weight of the agreement of predictions; 4 (lambda_q)")
    entropic: float = Field(0.2, gt=0, description="weight of the entropy of the scores; 0.2 (lambda_y)")


@register_method
class MTA(Method[MTAConfig]):
    """Zero-shot classification of the mode of the views."""

    info = MethodInfo(
        name="mta",
        title="MTA",
        family="test-time",
        summary="The mode of the features of an image's random views, found by a robust mean shift, is classified.",
        paper="2405.02266",
        code="MaxZanella/MTA",
        citation="""@inproceedings{zanella2024test,
  title = {On the Test-Time Zero-Shot Generalization of Vision-Language Models: Do We Really Need Prompt Learning?},
  author = {Zanella, Maxime and Ben Ayed, Ismail},
  booktitle = {CVPR},
  year = {2024}
}""",
        config=MTAConfig,
        open_vocabulary=True,
        needs=frozenset({"features", "test_views", "test_stream"}),
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        text = template_ensemble(self.backbone, classes, self.config.templates)
        return StreamClassifier(partial(self.logits_of_modes, text))

    def logits_of_modes(self, text: Float[Tensor, "n_cls dim"], batches: Iterator[Batch]) -> Iterator[Tensor]:
        """Logits of the mode of each image's views."""
        for batch in batches:
            views = self.config.views_of(batch)
            modes = torch.stack([self.mode(views[:, i], text) for i in range(views.shape[1])])
            yield self.backbone.logit_scale * modes @ text.T

    def mode(self, views: Float[Tensor, "n_views dim"], text: Float[Tensor, "n_cls dim"]) -> Float[Tensor, " dim"]:
        """The normalised mode; the first view is the plain one."""
        c = self.config
        nearest = torch.cdist(views, views).sort(dim=1).values[:, 1 : 1 + max(1, int(c.neighbours * (len(views) - 1)))]
        bandwidth = (0.5 * (nearest**2).mean(dim=1)).sqrt().clamp(min=_CHANGE)  # views may be equal
        predictions = (self.backbone.logit_scale * views @ text.T).softmax(dim=1)
        agreement = predictions @ predictions.T
        scores, mode = torch.full_like(bandwidth, 1 / len(views)), views[0]
        for _ in range(_ROUNDS):
            density = _density(views, mode, bandwidth)
            for _ in range(_ROUNDS):
                before = scores
                scores = ((density + c.quadratic * agreement @ scores) / c.entropic).softmax(dim=0)
                if torch.norm(before - scores) < _CHANGE:
                    break
            for _ in range(_ROUNDS):
                last = mode
                weights = scores * _density(views, mode, bandwidth)
                mode = F.normalize(weights @ views / weights.sum(), dim=0)
                if torch.norm(last - mode) < _CHANGE:
                    break
        return mode


def _density(
    views: Float[Tensor, "n_views dim"], mode: Float[Tensor, " dim"], bandwidth: Float[Tensor, " n_views"]
) -> Float[Tensor, " n_views"]:
    """The Gaussian kernel of each view at the mode."""
    return (-((views - mode) ** 2).sum(dim=1) / (2 * bandwidth**2)).exp()
