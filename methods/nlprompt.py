"""NLPrompt: CoOp's context for noisy labels, with cross-entropy on clean images and absolute error on noisy ones.

Pan et al., "NLPrompt: Noise-Label Prompt Learning for Vision-Language Models", CVPR 2025. Official files:
qunovo/NLPrompt `trainers/nlprompt.py`, `utils.py` (no licence; none of its code was used). At the start of each epoch,
Sinkhorn's algorithm transports the support images to the classes, each image and each class with equal mass. With
probabilities p_i of image i, the logarithm of its row in the kernel is

    k_i = log softmax(p_i) / entropy

as in the official code, which applies the softmax twice. With v the scaling of the classes, the plan's largest entry of
an image is at `argmax_c p_ic / entropy + log v_c`. An image is clean if this is its label. An epoch has batches of
clean images first, then batches of noisy ones. Their loss is the mean of

    -log p_iy for clean images,    1 - p_iy for noisy ones

As in the official code, images of an incomplete last batch, which the plan does not see, are noisy in this epoch. The
incomplete last batch of each kind is left out, too, if the usual epoch has no incomplete batch. In an epoch without a
clean image, cross-entropy trains on all images. If an earlier epoch had clean images, the absolute error follows on all
images. If none had, the official code stops with an error at the end of the epoch. Here the next epoch follows. There,
the plan sees a random crop of each image. Here it sees the centre views.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import (
    Batch,
    Context,
    MethodConfig,
    MethodInfo,
    Recipe,
    Sizes,
    SupportView,
    cosine_logits,
    register_method,
)
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


RECIPE = Recipe(
    source="NLPrompt README, configs/trainers/NLPrompt/{rn50,vit_b16}.yaml (a later main.sh tries the rates 0.001, "
    "0.0006 and 0.0007); printed for few-shot, reused for base-to-new",
    epochs=200,
)


@register_method
class NLPrompt(ContextMethod[NLPromptConfig]):
    """CoOp's classifier; the loss of a batch depends on whether its labels are those of the transport."""

    info = MethodInfo(
        name="nlprompt",
        title="NLPrompt",
        family="text prompt",
        summary="CoOp's context, trained with absolute error on images whose label disagrees with optimal transport.",
        paper="2412.01256",
        code="qunovo/NLPrompt",
        citation="""@inproceedings{pan2025nlprompt,
  title = {NLPrompt: Noise-Label Prompt Learning for Vision-Language Models},
  author = {Pan, Bikang and Li, Qun and Tang, Xiaoying and Huang, Wei and others},
  booktitle = {CVPR},
  year = {2025}
}""",
        version=2,
        config=NLPromptConfig,
        open_vocabulary=True,
        learns_text=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        ctx = initial_context("", (self.config.n_ctx, self.backbone.text_width), self.backbone, self.generator)
        self.trainable = Context(ctx).to(self.backbone.device)
        self.support_features, self.labels = support.features, support.labels.cpu()
        self.kinds: Iterator[bool] = iter(())
        self.clean_step, self.had_clean = True, False

    @torch.no_grad()
    def clean_images(self, seen: Int[Tensor, " m"]) -> Bool[Tensor, " n"]:
        """Which support images have the label that the transport of the images `seen` gives them."""
        texts = self.text_features(self.support_classes)
        p = cosine_logits(self.support_features()[seen], texts, self.backbone.logit_scale).softmax(dim=1)
        kernel = F.log_softmax(p.cpu().double(), dim=1) / self.config.entropy  # not every device has double precision
        scaling = class_scaling(kernel, iterations=self.config.iterations, tolerance=self.config.tolerance)
        clean = torch.zeros(len(self.labels), dtype=torch.bool)
        clean[seen] = (kernel + scaling.log()).argmax(dim=1) == self.labels[seen]
        return clean

    def arrange(self, batches: Sequence[Tensor]) -> Iterable[Tensor]:
        seen, n, size = torch.cat(list(batches)), len(self.labels), len(batches[0])
        clean = self.clean_images(seen)
        if clean.any():
            self.had_clean = True
            parts = [(True, clean), (False, ~clean)]
        else:
            parts = [(kind, torch.ones(n, dtype=torch.bool)) for kind in ((True, False) if self.had_clean else (True,))]
        drop = len(seen) < n or (len(batches) > 1 and len(batches[-1]) == size)
        kinds, arranged = [], []
        for kind, part in parts:
            members = part.nonzero()[:, 0]
            for batch in torch.split(members[torch.randperm(len(members), generator=self.generator)], size):
                if len(batch) == size or (len(batch) and not drop):
                    kinds.append(kind)
                    arranged.append(batch)
        self.kinds = iter(kinds)
        return arranged

    def before_step(self) -> None:
        self.clean_step = next(self.kinds, True)

    def loss_terms(self, batch: Batch) -> tuple[Tensor, None]:
        loss = F.cross_entropy(self.train_classifier()(batch), batch.labels, reduction="none")
        return (loss if self.clean_step else 1 - (-loss).exp()).mean(), None

    def training_state(self) -> dict[str, Tensor]:
        return {"had_clean": torch.tensor(self.had_clean)}

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        self.had_clean = bool(state["had_clean"])
