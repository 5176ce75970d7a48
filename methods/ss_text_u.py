"""SS-Text-U: SS-Text with pseudo-labelled images, whose classes have the proportions of the support set.

Silva-Rodríguez and Konukoglu, "Semi-Supervised Few-Shot Adaptation of Vision-Language Models", arXiv 2603.02959.
Official file: jusiro/SS-Text-U `libs/solvers/sstextu.py`. With N support images, n_c of class c, and m unlabelled
images u_j, it alternates `rounds` times between

    z   = the plan of optimal transport of all images to the classes           10 steps of Sinkhorn on exp(logits)
    w_c = scale (n_c / 2N sum_{i of c} f_i + 1/m sum_j z_jc u_j) + t_c         logits = scale cos(f, w_c)

and starts from the class texts t_c, the mean of the templates, not normalised again. The plan gives each image a total
of 1 and each class its share n_c / N of the images. A class without support images gets a quarter of the smallest
share, and the shares are divided by their sum.

The unlabelled images are the pool of the run (`--unlabelled`). The official code draws up to 24 per class, in the true
proportions of the classes; the pool is drawn regardless of classes. It extracts the features of all three of its models
unnormalised, so that only the cosine normalises them; `normalise=true` does so first, as SS-Text.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from methods import MethodInfo, SupportView, cosine_logits, register_method
from methods.ss_text import TextProbe, TextProbeConfig


class SSTextUConfig(TextProbeConfig):
    """Numbers of updates, and the share of a class without images."""

    normalise: bool = Field(
        False, description="normalise images and texts first; the official extract_features.py switches it off"
    )
    rounds: int = Field(3, ge=1, description="updates of the pseudo-labels and of the classifier; 3 (num_iters_mm)")
    sinkhorn_steps: int = Field(10, ge=1, description="steps of Sinkhorn in each update; 10 (num_iters_ot)")
    unseen_share: float = Field(
        4.0,
        gt=0,
        description="a class without support images gets the smallest share divided by this; 4 "
        "(ratio_label_marginal_correction)",
    )


@register_method
class SSTextU(TextProbe[SSTextUConfig]):
    """`scale cos(f, w_c)` with `w_c` between the class's images, its pseudo-labelled images and its text."""

    info = MethodInfo(
        name="ss_text_u",
        title="SS-Text-U",
        family="classifier",
        summary="SS-Text that also learns from unlabelled images, assigned to classes by optimal transport.",
        paper="2603.02959",
        code="jusiro/SS-Text-U",
        citation="""@article{silvarodriguez2026semi,
  title = {Semi-Supervised Few-Shot Adaptation of Vision-Language Models},
  author = {Silva-Rodr{\\'i}guez, Julio and Konukoglu, Ender},
  journal = {arXiv:2603.02959},
  year = {2026}
}""",
        config=SSTextUConfig,
        open_vocabulary=False,
        needs=frozenset({"features", "unlabelled"}),
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        image, pool, text = self.given(support.features()), self.given(support.unlabelled()), self.text(support.classes)
        members = F.one_hot(support.labels, len(text)).to(image.dtype)
        counts = members.sum(dim=0)
        labelled = counts[:, None] * (members.T @ image) / (2 * len(image))
        share = counts / counts.sum()
        share = torch.where(counts > 0, share, share[counts > 0].min() / self.config.unseen_share)
        self.rows = text
        for _ in range(self.config.rounds):
            plan = self.plan(cosine_logits(pool, self.rows, self.scale), share / share.sum())
            self.rows = self.scale * (labelled + plan.T @ pool / len(pool)) + text

    def plan(self, logits: Float[Tensor, "m n_cls"], share: Float[Tensor, " n_cls"]) -> Float[Tensor, "m n_cls"]:
        """The assignment of the images to the classes: each row has the sum 1, and each column about m times its share.

        Sinkhorn's steps are taken on logarithms, since exp(logits) may overflow.
        """
        log_plan = logits
        for _ in range(self.config.sinkhorn_steps):
            log_plan = (log_plan.log_softmax(dim=0) + share.log()).log_softmax(dim=1)
        return log_plan.exp()
