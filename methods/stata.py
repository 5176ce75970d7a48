"""StatA: all test images are classified together, as Gaussians anchored at the class texts.

Zanella, Fuchs, De Vleeschouwer and Ben Ayed, "Realistic Test-Time Adaptation of Vision-Language Models", CVPR 2025. It
is written from the formulas, since the official code (MaxZanella/StatA `solvers/StatA.py`) is under the AGPL; its
numbers are reproduced. With normalised features f_i, zero-shot probabilities y_i, class texts t_k, cosines w_ij of an
image and its nearest neighbours, and S, the diagonal spread of all images around all texts, weighted by y:

    z_i   = softmax(lambda log y_i + log N(f_i; mu_k, cov_k) / 50 + laplacian / 2m sum_j (w_ij + w_ji) z_j)
    b_k   = n_k / (n_k + alpha)                            n_k: images whose largest z is that of class k
    mu_k  = normalise(b_k v_k + (1 - b_k) t_k)             v_k: normalised mean of f_i weighted by z_ik
    cov_k = b_k spread_k + (1 - b_k) (S + (t_k - mu_k)^2)  spread_k: mean of (f_i - mu_k)^2 weighted by z_ik

The updates of z are repeated a few times in each round, and once more at the end. m is the number of neighbours. A
class that the images do not show keeps its text and a wide covariance; TransCLIP has no such anchor.

The paper classifies batches of 64 or 1,000 images or all images together, and streams in batches: see the setting
`together`. The official code divides S too often if more than 2,500 images are classified together; ours is the mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Method, MethodInfo, StreamClassifier, register_method
from methods._parts.feature_methods import LogitScaleSetting, Template, TextConfig, template_ensemble, templates_setting
from methods.transclip import SMALL, TEMPERATURE, TEXTS_BY_DATASET, neighbour_graph, of_neighbours, spread


class StatAConfig(TextConfig):
    """Weights of the terms, and numbers of updates."""

    templates: tuple[Template, ...] = templates_setting("own", published="own, for DTD without the full stop")
    anchor: float = Field(1.0, gt=0, description="alpha, the number of images that the text of a class is worth; 1")
    text_weight: float = Field(1.0, ge=0, description="lambda, weight of the zero-shot probabilities; 1")
    laplacian: float = Field(1.0, ge=0, description="weight of the neighbours; 1")
    neighbours: int = Field(3, ge=1, description="nearest images that an assignment is tied to; 3")
    rounds: int = Field(10, ge=0, description="updates of means and covariances; 10")
    inner_rounds: int = Field(5, ge=1, description="updates of the assignments in each round; 5")
    together: int | None = Field(
        None,
        ge=1,
        description="consecutive images of the stream that are classified together; null: all. Published: 64, 1,000, "
        "all, and 128 for streams",
    )
    logit_scale: LogitScaleSetting = None


@register_method
class StatA(Method[StatAConfig]):
    """Assignments of all test images at once, with texts as anchors."""

    info = MethodInfo(
        name="stata",
        title="StatA",
        family="test-time",
        summary="All test images together: Gaussian classes that stay at their texts unless images support a move.",
        paper="2501.03729",
        code="MaxZanella/StatA",
        citation="""@inproceedings{zanella2025realistic,
  title = {Realistic Test-Time Adaptation of Vision-Language Models},
  author = {Zanella, Maxime and Fuchs, Cl{\\'e}ment and De Vleeschouwer, Christophe and Ben Ayed, Ismail},
  booktitle = {CVPR},
  year = {2025}
}""",
        config=StatAConfig,
        config_by_protocol={EvalProtocol.TEST_TIME: {"by_dataset": TEXTS_BY_DATASET}},
        open_vocabulary=True,
        needs=frozenset({"features", "test_stream"}),
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        text = template_ensemble(self.backbone, classes, self.config.templates)
        return StreamClassifier(partial(self.classify_together, text))

    def classify_together(self, text: Float[Tensor, "n_cls dim"], batches: Iterator[Batch]) -> Iterator[Tensor]:
        """Logits of the images of the whole stream, which is read first."""
        parts = [F.normalize(batch.features, dim=-1) for batch in batches]
        features = torch.cat(parts)
        groups = torch.split(features, self.config.together or len(features))
        logits = torch.cat([self.assignments(group, text) for group in groups])
        yield from logits.split_with_sizes([len(part) for part in parts])

    def assignments(
        self, features: Float[Tensor, "n dim"], text: Float[Tensor, "n_cls dim"]
    ) -> Float[Tensor, "n n_cls"]:
        """Logarithms of the final assignments."""
        c = self.config
        scale = c.logit_scale or self.backbone.logit_scale
        log_y = (scale * features @ text.T).log_softmax(dim=1)
        near, weights = neighbour_graph(features, c.neighbours)
        z = log_y.exp()
        means, anchor_spread = text, (spread(features, z, text).sum(dim=0) / len(features)).clamp_min(SMALL)
        variances = anchor_spread.expand_as(text)
        for i in range(c.rounds + 1):
            fixed = c.text_weight * log_y + _log_density(features, means, variances) / TEMPERATURE
            for _ in range(c.inner_rounds):
                logits = fixed + c.laplacian / (2 * c.neighbours) * of_neighbours(z, near, weights)
                z = logits.softmax(dim=1)
            if i == c.rounds:
                break
            counts = F.one_hot(z.argmax(dim=1), len(text)).sum(dim=0).to(z)
            share = (counts / (counts + c.anchor))[:, None]
            means = F.normalize(share * F.normalize(z.T @ features, dim=-1) + (1 - share) * text, dim=-1)
            variance_of_images = spread(features, z, means) / z.sum(dim=0)[:, None].clamp_min(SMALL)
            variances = share * variance_of_images + (1 - share) * (anchor_spread + (text - means).square())
            variances = variances.clamp_min(SMALL)
        return logits.log_softmax(dim=1)


def _log_density(
    features: Float[Tensor, "n dim"], means: Float[Tensor, "n_cls dim"], variances: Float[Tensor, "n_cls dim"]
) -> Float[Tensor, "n n_cls"]:
    """Log density under Gaussians with diagonal covariances, up to a constant that all classes share."""
    precision = 1 / variances
    scaled = means * precision
    distances = features.square() @ precision.T - 2 * features @ scaled.T + (means * scaled).sum(dim=1)
    return -0.5 * (distances + variances.log().sum(dim=1))
