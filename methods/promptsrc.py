"""PromptSRC: independent deep prompts in both towers, regularised towards the frozen model and averaged over epochs.

Khattak et al., "Self-regulating Prompts: Foundational Model Adaptation without Forgetting", ICCV 2023. Official file:
muzairkhattak/PromptSRC `trainers/promptsrc.py`. With w, f the normalised prompted text and image features, t the frozen
text (mean of unnormalised features over sixty templates) and f0 the frozen image feature of the same view:

    CE + text_weight * mean|w - t| + image_weight * mean|f - f0| + KL(zero-shot || prompted)

Means run over all elements, so the KL is also divided by the number of classes. After training, the prompts are set to
the average of their values after each epoch, with Gaussian weights. The official average covers the whole fp16 state,
including frozen weights; ours covers only the trained parameters.
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import Batch, MethodInfo, Sizes, SupportView, cosine_logits, register_method
from methods._base.recipe import Recipe, for_transfer
from methods._parts.prompts import TextContext, VisualPrompts, WordedContextConfig
from methods._parts.two_tower_methods import ComposedMethod, Parts
from methods._text.templates import GENERIC60


class PromptSRCConfig(WordedContextConfig):
    """Prompts, weights of the terms, and the epoch average."""

    n_text: int = Field(4, ge=1, le=70, description="text tokens per block; 4, paper section 4.1")
    n_visual: int = Field(4, ge=1, description="visual tokens per block; 4, paper section 4.1")
    text_depth: int = Field(9, ge=1, description="prompted text blocks, at most all; 9 of 12, 3 cross-dataset")
    visual_depth: int = Field(9, ge=1, description="prompted image blocks, at most all; 9 of 12, 3 cross-dataset")
    text_weight: float = Field(25.0, ge=0, description="weight of the text term; 25, paper section 4.1")
    image_weight: float = Field(10.0, ge=0, description="weight of the image term; 10, paper section 4.1")
    average: bool = Field(True, description="end with the Gaussian average over epochs; False: with the last epoch")
    average_mean: float = Field(
        15.0, description="its mean in epochs from 1; 15 of 20, few-shot 30 or 45 of 50, transfer 6"
    )
    average_std: float = Field(1.0, gt=0, description="its deviation in epochs; 1, few-shot 30 or 5, transfer 10")

    def epoch_selection_error(self) -> str | None:
        if not self.average:
            return None
        return (
            "its final prompts are an average over all epochs, so no single one can be selected; set average=false to "
            "select one."
        )

    def parameter_count(self, sizes: Sizes) -> int:
        text = self.n_text * sizes.text_width * min(self.text_depth, sizes.text_blocks)
        return text + self.n_visual * sizes.image_width * min(self.visual_depth, sizes.image_blocks)


RECIPE = Recipe(
    source="PromptSRC configs/trainers/PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx.yaml", lr=0.0025, epochs=20, batch_size=4
)
FEW_SHOT = RECIPE.model_copy(
    update={
        "source": "PromptSRC configs/trainers/PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot.yaml",
        "epochs": 50,
    }
)
LATE = {
    name: {"average_mean": 45.0, "average_std": 5.0}
    for name in ("stanford_cars", "oxford_flowers", "fgvc_aircraft", "dtd", "eurosat")
}
"""Few-shot averages that a comment of the same file gives for these datasets."""
FEW_SHOT_AVERAGE = {"average_mean": 30.0, "average_std": 30.0, "by_dataset": LATE}
TRANSFER = {"text_depth": 3, "visual_depth": 3, "average_mean": 6.0, "average_std": 10.0}


@register_method
class PromptSRC(ComposedMethod[PromptSRCConfig]):
    """IVLP with self-regularisation."""

    teacher_templates = GENERIC60
    info = MethodInfo(
        name="promptsrc",
        title="PromptSRC",
        family="multimodal prompt",
        summary="Independent deep prompts in both towers, kept near the frozen model and averaged over epochs.",
        paper="2307.06948",
        code="muzairkhattak/PromptSRC",
        citation="""@inproceedings{khattak2023promptsrc,
  title = {Self-regulating Prompts: Foundational Model Adaptation without Forgetting},
  author = {Khattak, Muhammad Uzair and Wasim, Syed Talal and Naseer, Muzammal and others},
  booktitle = {ICCV},
  year = {2023}
}""",
        config=PromptSRCConfig,
        needs=frozenset({"features", "pixels"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        recipes={EvalProtocol.FEW_SHOT: FEW_SHOT, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(RECIPE),
        config_by_protocol={EvalProtocol.FEW_SHOT: FEW_SHOT_AVERAGE} | for_transfer(TRANSFER),
    )

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        return Parts(
            text_context=TextContext(c.n_text, min(c.text_depth, b.text_depth), c.ctx_init, b, g),
            visual_prompts=VisualPrompts(c.n_visual, min(c.visual_depth, b.vision_depth), b, g),
        )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.teacher = torch.stack([self.frozen_text(support.classes, t) for t in self.teacher_templates]).mean(dim=0)
        self._average: list[Tensor] = []

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        c, scale = self.config, self.backbone.logit_scale
        text = F.normalize(self.text_features(self.support_classes), dim=-1)
        image = F.normalize(self.image_features(batch), dim=-1)
        logits = scale * image @ text.T
        zero_shot = cosine_logits(batch.features, self.teacher, scale)
        divergence = F.kl_div(logits.log_softmax(1), zero_shot.log_softmax(1), reduction="none", log_target=True).mean()
        penalty = (
            c.text_weight * F.l1_loss(text, F.normalize(self.teacher, dim=-1))
            + c.image_weight * F.l1_loss(image, F.normalize(batch.features, dim=-1))
            + divergence
        )
        return F.cross_entropy(logits, batch.labels), penalty

    def epoch_weights(self, epochs: int) -> Tensor:
        """Share of each epoch in the average, `(epochs,)`: a normal density over 1..epochs that sums to 1."""
        distance = (torch.arange(1, epochs + 1) - self.config.average_mean) / self.config.average_std
        return (-0.5 * distance.square()).softmax(dim=0)

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        share = float(self.epoch_weights(epochs)[epoch])
        now = [share * p.detach() for p in self.trainable.parameters()]
        self._average = [a + b for a, b in zip(self._average, now, strict=True)] if self._average else now

    def training_state(self) -> dict[str, Tensor]:
        return {str(i): mean for i, mean in enumerate(self._average)}

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        self._average = [state[str(i)].to(self.backbone.device) for i in range(len(state))]

    def finalise(self) -> None:
        if self.config.average and self._average:
            with torch.no_grad():
                for parameter, mean in zip(self.trainable.parameters(), self._average, strict=True):
                    parameter.copy_(mean)
