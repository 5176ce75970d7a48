"""TransCLIP (zero-shot): all test images are classified together, as a mixture of Gaussians tied to the class texts.

Zanella, Gérin and Ben Ayed, "Boosting Vision-Language Models with Transduction", NeurIPS 2024. It is written from the
formulas, since the official code (MaxZanella/transduction-for-vlms `TransCLIP_solver`) is under the AGPL; its numbers
are reproduced. With normalised features f_i, zero-shot probabilities y_i, and cosines w_ij of an image and its m
nearest neighbours, at least 0:

    z_i  = softmax(lambda log y_i + log N(f_i; mu_k, cov) / 50 + 1 / 2m sum_j (w_ij + w_ji) z_j)     a few times
    mu_k = normalise(mean of f_i weighted by z_ik)
    cov  = mean over images of sum_k z_ik (f_i - mu_k)^2             diagonal, the same for all classes

The updates of z are repeated once more after the last round. The means start from the most confident zero-shot images,
weighted by their probabilities, and the covariance at 1 / dim. The two factors, the norm of the means, the last update
and the weights of the first means are the code's, from which the published numbers come.

The official solver also takes labelled images (lambda 0.5, and a weight chosen on validation images). Ours does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Method, MethodInfo, StreamClassifier, register_method
from methods._parts.feature_methods import LogitScaleSetting, Template, TextConfig, template_ensemble, templates_setting

TEMPERATURE = 50.0
"""Divisor of the log density: official code."""
SMALL = 1e-12
"""Least variance."""
CHUNK = 1024
"""Number of images whose similarities to all others are computed at once."""
TEXTS_BY_DATASET = {"dtd": {"templates": ("{} texture",)}}
"""Official class texts that are not the dataset's own: datasets/dtd.py has no full stop."""


class TransCLIPConfig(TextConfig):
    """Weights of the terms, and numbers of updates."""

    templates: tuple[Template, ...] = templates_setting("own", published="own, for DTD without the full stop")
    text_weight: float = Field(1.0, ge=0, description="lambda, weight of the texts; 1 without labelled images")
    neighbours: int = Field(3, ge=1, description="nearest images that an assignment is tied to; 3")
    confident: int = Field(8, ge=1, description="most confident images of a class, at which its mean begins; 8")
    rounds: int = Field(10, ge=1, description="updates of means and covariance; 10")
    inner_rounds: int = Field(5, ge=1, description="updates of the assignments in each round; 5")
    logit_scale: LogitScaleSetting = None


@register_method
class TransCLIP(Method[TransCLIPConfig]):
    """Assignments of all test images at once."""

    info = MethodInfo(
        name="transclip",
        title="TransCLIP",
        family="test-time",
        summary="All test images together: Gaussian classes, neighbours that agree, and a pull towards the texts.",
        version=2,
        paper="2406.01837",
        code="MaxZanella/transduction-for-vlms",
        citation="""@inproceedings{zanella2024boosting,
  title = {Boosting Vision-Language Models with Transduction},
  author = {Zanella, Maxime and G{\\'e}rin, Beno{\\^i}t and Ben Ayed, Ismail},
  booktitle = {NeurIPS},
  year = {2024}
}""",
        config=TransCLIPConfig,
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
        logits = self.assignments(torch.cat(parts), text)
        yield from logits.split_with_sizes([len(part) for part in parts])

    def assignments(
        self, features: Float[Tensor, "n dim"], text: Float[Tensor, "n_cls dim"]
    ) -> Float[Tensor, "n n_cls"]:
        """Logarithms of the final assignments."""
        c = self.config
        scale = c.logit_scale or self.backbone.logit_scale
        log_y = (scale * features @ text.T).log_softmax(dim=1)
        near, weights = neighbour_graph(features, c.neighbours)
        confidence, confident = log_y.topk(min(c.confident, len(features)), dim=0)
        means = F.normalize((confidence.softmax(dim=0)[:, :, None] * features[confident]).sum(dim=0), dim=-1)
        variance = torch.full_like(features[0], 1 / features.shape[1])
        log_z = log_y
        for i in range(c.rounds + 1):
            fixed = c.text_weight * log_y + _log_density(features, means, variance) / TEMPERATURE
            for _ in range(c.inner_rounds):
                log_z = (fixed + of_neighbours(log_z.exp(), near, weights) / (2 * c.neighbours)).log_softmax(dim=1)
            if i == c.rounds:
                break
            # relative to their class the weights do not vanish, however unlikely it is for every image
            means = F.normalize(log_z.softmax(dim=0).T @ features, dim=-1)
            variance = spread(features, log_z.exp(), means).sum(dim=0) / len(features)
            variance = variance.clamp_min(SMALL)
        return log_z


def _log_density(
    features: Float[Tensor, "n dim"], means: Float[Tensor, "n_cls dim"], variance: Float[Tensor, " dim"]
) -> Float[Tensor, "n n_cls"]:
    """Log density under Gaussians with one diagonal covariance, up to a constant that all classes share."""
    centre = means.mean(dim=0)  # centring loses fewer digits
    features, means = features - centre, means - centre
    scaled = means / variance
    return features @ scaled.T - 0.5 * (means * scaled).sum(dim=1)


def neighbour_graph(features: Float[Tensor, "n dim"], k: int) -> tuple[Tensor, Tensor]:
    """The k nearest other images of each image by cosine, and these cosines, at least 0: both `(n, k)`."""
    k = min(k, len(features) - 1)
    near, cosines = [], []
    for start in range(0, len(features), CHUNK):
        similar = features[start : start + CHUNK] @ features.T
        rows = torch.arange(len(similar), device=features.device)
        similar[rows, start + rows] = -torch.inf
        best = similar.topk(k, dim=1)
        near.append(best.indices)
        cosines.append(best.values.clamp_min(0))
    return torch.cat(near), torch.cat(cosines)


def of_neighbours(
    z: Float[Tensor, "n n_cls"], near: Int[Tensor, "n k"], weights: Float[Tensor, "n k"]
) -> Float[Tensor, "n n_cls"]:
    """For each image, the weighted sum of z over its neighbours and over the images whose neighbour it is."""
    chosen = (weights[:, :, None] * z[near]).sum(dim=1)
    choosing = (weights[:, :, None] * z[:, None]).flatten(0, 1)
    return chosen.index_add(0, near.flatten(), choosing)


def spread(
    features: Float[Tensor, "n dim"], z: Float[Tensor, "n n_cls"], means: Float[Tensor, "n_cls dim"]
) -> Float[Tensor, "n_cls dim"]:
    """For each class, the sum over images of `z (f - mean)^2`."""
    total: Tensor = z.T @ features.square() - 2 * means * (z.T @ features) + z.sum(dim=0)[:, None] * means.square()
    return total
