"""CoCoOp: CoOp's context, shifted for each image by a small network on its feature.

Zhou et al., "Conditional Prompt Learning for Vision-Language Models", CVPR 2022. Official file: KaiyangZhou/CoOp
`trainers/cocoop.py`. With f the image's normalised frozen feature, every context vector gets the same shift
`meta(f) = W2 relu(W1 f + b1) + b2`. Each image therefore has its own class texts: images x classes texts per step, in
training and at test. The prefix is encoded once per image and shared by the class names (`encode_each`).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, Recipe, Sizes, SupportView, TextPrompts, TrainableMethod, register_method
from methods._base.method_info import MethodInfo
from methods._parts.layers import linear_layer
from methods._parts.prompts import Context, SizedContextConfig, initial_context


class CoCoOpConfig(SizedContextConfig):
    """The context and the network that shifts it."""

    ctx_init: str = Field("a photo of a", description="words that start the context (published); empty: N(0, 0.02)")
    n_ctx: int = Field(4, ge=1, le=70, description="vectors of a random start; 4. With `ctx_init`: its words")
    reduction: int = Field(16, ge=1, description="feature width over hidden width of the network; 16")

    def parameter_count(self, sizes: Sizes) -> int:
        hidden = sizes.embed_dim // self.reduction
        return self.length * sizes.text_width + hidden * (sizes.embed_dim + 1 + sizes.text_width) + sizes.text_width


RECIPE = Recipe(
    source="CoOp configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1; printed for base-to-new, reused for few-shot",
    epochs=10,
    batch_size=1,
)


class ConditionalContext(Context):
    """The context and the network `meta` from image features to its shift."""

    def __init__(self, ctx: Tensor, dim: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__(ctx)
        down, up = linear_layer(dim, hidden, generator), linear_layer(hidden, ctx.shape[1], generator)
        self.meta = nn.Sequential(down, nn.ReLU(), up)

    def prefixes(
        self, shared: Float[Tensor, "n_prefix width"], features: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch n_prefix width"]:
        """The prefix of the class texts for each image, with the context at its end shifted by `meta`."""
        shift = self.meta(F.normalize(features, dim=-1))[:, None]
        start, ctx = shared[: -len(self.ctx)], shared[-len(self.ctx) :]
        return torch.cat([start.expand(len(features), -1, -1), ctx + shift], dim=1)


@register_method
class CoCoOp(TrainableMethod[CoCoOpConfig]):
    """`scale * cos(frozen image, text of [ctx + meta(image)] name.)`."""

    info = MethodInfo(
        name="cocoop",
        title="CoCoOp",
        family="text prompt",
        summary="CoOp's context, shifted for each image by a small network on its feature.",
        paper="2203.05557",
        code="KaiyangZhou/CoOp",
        citation="""@inproceedings{zhou2022cocoop,
  title = {Conditional Prompt Learning for Vision-Language Models},
  author = {Zhou, Kaiyang and Yang, Jingkang and Loy, Chen Change and Liu, Ziwei},
  booktitle = {CVPR},
  year = {2022}
}""",
        config=CoCoOpConfig,
        open_vocabulary=True,
        learns_text=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )

    trainable: ConditionalContext

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, b = self.config, self.backbone
        ctx = initial_context(c.ctx_init, (c.n_ctx, b.text_width), b, self.generator)
        self.trainable = ConditionalContext(ctx, b.embed_dim, b.embed_dim // c.reduction, self.generator).to(b.device)

    def text_features(
        self, prompts: TextPrompts, images: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch n_cls dim"]:
        """Text features of each class with each image's context, unnormalised."""
        return self.backbone.encode_prompts_each(prompts, self.trainable.prefixes(prompts.prefix, images))

    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unnormalised image features of the frozen tower."""
        return batch.features

    def classifier(self, classes: ClassSet) -> Classifier:
        prompts = self.trainable.prompts(classes, self.backbone)

        def classify(batch: Batch) -> Tensor:
            features = self.image_features(batch)
            text = F.normalize(self.text_features(prompts, features), dim=-1)
            image = F.normalize(features, dim=-1)
            return self.backbone.logit_scale * (text @ image[:, :, None])[:, :, 0]

        return classify
