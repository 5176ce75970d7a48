"""RPO: tokens in both towers that attend to the frozen representation without changing it.

Lee et al., "Read-only Prompt Optimization for Vision-Language Few-shot Learning", ICCV 2023. Official file: mlvlab/RPO
`trainers/rpo.py`. K text tokens after end-of-text and K image tokens after the patches, without positions, attend to
the tower's own tokens, but not to one another or to themselves. Everything else in the towers stays unchanged. With
w_k, f_k the k-th token's text and image feature,

    logits = scale * mean_k cos(f_k, w_k)

The tokens start at the end-of-text embedding and the class token, each plus a random vector of length `noise`. All
datasets use one generic template. Class names keep their underscores, as in the official code.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, Recipe, SupportView, TrainableMethod, frozen_prompts, register_method
from methods._base.method_info import MethodConfig, MethodInfo, Sizes
from methods._base.recipe import for_transfer
from methods._text.templates import GENERIC_TEMPLATE
from methods._towers.image_tower import image_views


class RPOConfig(MethodConfig):
    """Number and initialisation of the tokens, and the class names."""

    n_pairs: int = Field(
        24, ge=1, description="K, tokens in each tower; 24, RPO main_K24 (4 where it varies the shots)"
    )
    noise: float = Field(0.1, ge=0, description="length of the random vector that sets equal starts apart; 0.1")
    keep_underscores: bool = Field(True, description="leave underscores in class names; the official code does")

    def parameter_count(self, sizes: Sizes) -> int:
        return self.n_pairs * (sizes.text_width + sizes.image_width)


RECIPE = Recipe(
    source="RPO configs/trainers/RPO/main_K24.yaml; printed for base-to-new, reused for few-shot",
    lr=0.01,
    epochs=15,
    batch_size=4,
)
TRANSFER = RECIPE.model_copy(
    update={
        "source": "RPO configs/trainers/RPO/imagenet_k24_ep15.yaml; printed for domain generalisation",
        "lr": 0.005,
    }
)


@register_method
class RPO(TrainableMethod[RPOConfig]):
    """Cross-entropy on the mean over pairs of `scale * cos(read image, read text)`."""

    info = MethodInfo(
        name="rpo",
        title="RPO",
        family="multimodal prompt",
        summary="Tokens in both towers that read the frozen representation without changing it.",
        paper="2308.14960",
        code="mlvlab/RPO",
        citation="""@inproceedings{lee2023rpo,
  title = {Read-only Prompt Optimization for Vision-Language Few-shot Learning},
  author = {Lee, Dongjun and Song, Seokwon and Suh, Jihee and others},
  booktitle = {ICCV},
  year = {2023}
}""",
        config=RPOConfig,
        needs=frozenset({"pixels"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"image_blocks", "text_tokens"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(TRANSFER),
    )

    trainable: nn.ParameterDict
    """Tokens of the `text` and the `image` tower, each `(n_pairs, width)`."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        b = self.backbone
        image_views(b.image_tower)  # raises for a tower without such blocks
        words = b.tokenized(["X"])
        end_of_text, class_token = words.embedded[0, words.eot[0]], b.image_tower.class_token
        assert class_token is not None, "a tower of such blocks has one"
        text, image = self.moved_copies(end_of_text), self.moved_copies(class_token)
        self.trainable = nn.ParameterDict([("text", text), ("image", image)]).to(b.device)

    def moved_copies(self, token: Float[Tensor, " width"]) -> Float[Tensor, "n_pairs width"]:
        """Copies of a special token, each moved by `noise` in a random direction; on the CPU."""
        moves = torch.randn(self.config.n_pairs, len(token), generator=self.generator)
        return token.detach().cpu() + self.config.noise * F.normalize(moves, dim=-1)

    def text_features(self, classes: ClassSet) -> Float[Tensor, "n_cls n_pairs dim"]:
        """Unnormalised text features of each token."""
        kept = self.config.keep_underscores
        texts = self.backbone.class_tokens(classes, GENERIC_TEMPLATE, keep_underscores=kept)
        return self.backbone.read_only_text_features(frozen_prompts(texts), self.trainable["text"])

    def image_features(self, batch: Batch) -> Float[Tensor, "batch n_pairs dim"]:
        """Unnormalised image features of each token."""
        return self.backbone.read_only_image_features(batch.pixels, self.trainable["image"])

    def classifier(self, classes: ClassSet) -> Classifier:
        # the sum of the pairs' dot products is one dot product of all their values
        text = F.normalize(self.text_features(classes), dim=-1).flatten(1)
        scale = self.backbone.logit_scale / self.config.n_pairs
        return lambda batch: scale * F.normalize(batch.once(self.image_features), dim=-1).flatten(1) @ text.T
