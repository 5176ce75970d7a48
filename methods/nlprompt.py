"""NLPrompt: CoOp's context for noisy labels, with cross-entropy on clean images and absolute error on noisy ones.

Pan et al., "NLPrompt: Noise-Label Prompt Learning for Vision-Language Models", CVPR 2025. Official files:
qunovo/NLPrompt `trainers/nlprompt.py`, `utils.py` (no licence; none of its code was used). At the start of each epoch,
Sinkhorn's algorithm transports the support images to the classes, each image and each class with equal mass. With
probabilities p_i of image i, the logarithm of its row in the kernel is

    k_i = log softmax(p_i) / entropy

as in the official code, which applies the softmax twice. With v the scaling of the classes, the plan's largest entry of
an image is at `argmax_c p_ic / entropy + log v_c`. An image is clean if this is its label. The loss of a batch is the
mean of

    -log p_iy for clean images,    1 - p_iy for noisy ones

The official code trains on separate batches, in each epoch first on those of clean images, then on those of noisy ones.
Here a batch has images of both kinds. There, the plan sees a random crop of each image, and its row decides about
another crop in training. Here v is computed from the centre views, and the texts at the start of the epoch and v decide
about the crop that is trained on.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import (
    Batch,
    Context,
    Family,
    MethodConfig,
    MethodInfo,
    Recipe,
    Sizes,
    SupportView,
    cosine_logits,
    register_method,
)
from methods._base.devices import on_device
from methods._parts.prompts import initial_context
from methods._parts.two_tower_methods import ContextMethod


class NLPromptConfig(MethodConfig):
    """The context and the transport."""

    n_ctx: int = Field(16, ge=1, le=70, description="context vectors, which start at N(0, 0.02); 16, train.py")
    entropy: float = Field(
        0.01,
        ge=0.002,
        description="regularisation of the transport; 0.01, train.py. With the 0.001 of a later main.sh, the official "
        "plan is 0 everywhere from five classes on",
    )
    iterations: int = Field(1000, ge=1, description="most iterations of Sinkhorn; 1000, utils.py")
    tolerance: float = Field(1e-6, ge=0, description="error of the class marginals at which it stops; 1e-6, utils.py")

    def parameter_count(self, sizes: Sizes) -> int:
        return self.n_ctx * sizes.text_width


def class_scaling(
    log_kernel: Float[Tensor, "n n_cls"], *, iterations: int, tolerance: float
) -> Float[Tensor, " n_cls"]:
    """The scaling of the columns after Sinkhorn's iterations to uniform marginals, up to a factor.

    Rows are scaled last. Every tenth iteration, the error of the column sums is compared with `tolerance`.

    Args:
        log_kernel: in double precision; values of a row differ by at most 500.
    """
    n, n_cls = log_kernel.shape
    top = log_kernel.amax(dim=1, keepdim=True)
    kernel, rows = (log_kernel - top).exp(), (top - top.max()).exp()[:, 0]  # equal rows of the whole kernel
    for iteration in range(iterations):
        columns = 1 / (n_cls * (rows @ kernel))
        rows = 1 / (n * (kernel @ columns))
        if iteration % 10 == 0 and (columns * (rows @ kernel) - 1 / n_cls).norm() < tolerance:
            break
    return columns


def _probabilities(features: Tensor, texts: Tensor, scale: float) -> Float[Tensor, "n n_cls"]:
    """The probabilities of the classes."""
    return cosine_logits(features, texts, scale).softmax(dim=1)


@dataclass(frozen=True)
class Partition:
    """What decides whether an image is clean: the texts at the start of the epoch and the scaling of the classes."""

    texts: Float[Tensor, "n_cls dim"]
    log_scaling: Float[Tensor, " n_cls"]


RECIPE = Recipe(
    source="NLPrompt README, configs/trainers/NLPrompt/{rn50,vit_b16}.yaml; printed for few-shot, reused for "
    "base-to-new",
    epochs=200,
)


@register_method
class NLPrompt(ContextMethod[NLPromptConfig]):
    """CoOp's classifier; the loss of an image depends on whether its label is that of the transport."""

    info = MethodInfo(
        name="nlprompt",
        title="NLPrompt",
        family=Family.TEXT_PROMPT,
        summary="CoOp's context, trained with absolute error on images whose label disagrees with optimal transport.",
        paper="2412.01256",
        code="qunovo/NLPrompt",
        citation="""@inproceedings{pan2025nlprompt,
  title = {NLPrompt: Noise-Label Prompt Learning for Vision-Language Models},
  author = {Pan, Bikang and Li, Qun and Tang, Xiaoying and Huang, Wei and others},
  booktitle = {CVPR},
  year = {2025}
}""",
        config=NLPromptConfig,
        open_vocabulary=True,
        learns_text=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        ctx = initial_context("", (self.config.n_ctx, self.backbone.text_width), self.backbone, self.generator)
        self.trainable = Context(ctx).to(self.backbone.device)
        self.support_features = support.features
        self.partition: Partition | None = None

    @torch.no_grad()
    def epoch_partition(self) -> Partition:
        """The partition of this epoch, computed at its first step."""
        if self.partition is None:
            c, texts = self.config, self.text_features(self.support_classes)
            p = _probabilities(self.support_features(), texts, self.backbone.logit_scale)
            kernel = F.log_softmax(p.cpu().double(), dim=1) / c.entropy  # not every device has double precision
            scaling = class_scaling(kernel, iterations=c.iterations, tolerance=c.tolerance).log()
            self.partition = Partition(texts, on_device((scaling - scaling.max()).float(), texts.device))
        return self.partition

    @torch.no_grad()
    def clean(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """Which images have the label that the transport gives them."""
        part = self.epoch_partition()
        p = _probabilities(self.image_features(batch), part.texts, self.backbone.logit_scale)
        return (p / self.config.entropy + part.log_scaling).argmax(dim=1) == batch.labels

    def loss_terms(self, batch: Batch) -> tuple[Tensor, None]:
        clean = self.clean(batch)
        losses = F.cross_entropy(self.train_classifier()(batch), batch.labels, reduction="none")
        return torch.where(clean, losses, 1 - (-losses).exp()).mean(), None

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        self.partition = None
