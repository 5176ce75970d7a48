"""ZERO: the confident views of a test image vote for a class, as if the temperature of the softmax were zero.

Farina et al., "Frustratingly Easy Test-Time Adaptation of Vision-Language Models", NeurIPS 2024. Official files:
FarinaMatteo/zero `ttas/zero.py`, `utils/tools.py` and `data/augs.py`. Of the plain view and 63 random crops, the 30 %
with the lowest entropies have one vote each. Among classes with equally many votes, the class of the most confident
view among the others decides.

The scores are the logarithms of the shares of votes. The official code runs in half precision, in which the smallest
temperature does not separate all logits, so that a vote may be shared; ours is in fp32. Where none of the other views
predicts a tied class, its code sets other logits to minus infinity than those that its words say; ours does what they
say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods import Batch, Method, MethodInfo, StreamClassifier, register_method
from methods._parts.feature_methods import CropsConfig, entropy, template_ensemble


class ZEROConfig(CropsConfig):
    """The views and their selection."""

    selected: float = Field(0.3, gt=0, le=1, description="share of the views, the most confident ones; 0.3 (gamma)")


@register_method
class ZERO(Method[ZEROConfig]):
    """One vote for each confident view."""

    info = MethodInfo(
        name="zero",
        title="ZERO",
        family="test-time",
        summary="The confident random views of a test image vote for its class.",
        paper="2405.18330",
        code="FarinaMatteo/zero",
        citation="""@inproceedings{farina2024frustratingly,
  title = {Frustratingly Easy Test-Time Adaptation of Vision-Language Models},
  author = {Farina, Matteo and Franchi, Gianni and Iacca, Giovanni and Mancini, Massimiliano and Ricci, Elisa},
  booktitle = {NeurIPS},
  year = {2024}
}""",
        config=ZEROConfig,
        open_vocabulary=True,
        needs=frozenset({"features", "test_views", "test_stream"}),
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        text = template_ensemble(self.backbone, classes, self.config.templates)
        return StreamClassifier(partial(self.vote, text))

    def vote(self, text: Float[Tensor, "n_cls dim"], batches: Iterator[Batch]) -> Iterator[Tensor]:
        """Scores of each image by the votes of its views."""
        for batch in batches:
            cosines = self.config.views_of(batch) @ text.T
            yield torch.stack([self.scores(cosines[:, i]) for i in range(cosines.shape[1])])

    def scores(self, cosines: Float[Tensor, "n_views n_cls"]) -> Float[Tensor, " n_cls"]:
        """Logarithms of the shares of votes; a class without votes has a tiny share."""
        tiny = torch.finfo(cosines.dtype).eps
        order = entropy((self.backbone.logit_scale * cosines).log_softmax(dim=1)).argsort()
        n = max(1, int(len(cosines) * self.config.selected))
        votes = (cosines[order[:n]] / tiny).softmax(dim=1).sum(dim=0)
        tied = votes == votes.max()
        if int(tied.sum()) > 1:
            votes[_decided(tied, cosines[order[n:]])] += 1
        return (votes / votes.sum() + tiny).log()


def _decided(tied: Tensor, other_views: Float[Tensor, "n n_cls"]) -> Tensor:
    """The tied class that the most confident of the other views predicts, or else has the larger cosine with."""
    predicted = other_views.argmax(dim=1)
    fitting = predicted[tied[predicted]]
    if len(fitting):
        return fitting[0]
    first = other_views[0] if len(other_views) else tied.to(other_views.dtype)
    return first.masked_fill(~tied, -torch.inf).argmax()
