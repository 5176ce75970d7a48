"""CoPrompt: MaPLe with an adapter on each feature, kept consistent with the frozen model on other views and sentences.

Roy and Etemad, "Consistency-guided Prompt Learning for Vision-Language Models", ICLR 2024. Official file:
ShuvenduRoy/CoPrompt `trainers/coprompt.py`. With w, f the adapted text and image features,

    CE + weight * [(1 - mean_c cos(w_c, t_c)) + (1 - mean cos(f, f0))]

f0 is the frozen image feature of another view of the same image. t_c is the frozen feature of a sentence about class c,
drawn again in each step. The sentences are a language model's (`--class-text descriptions:FILE`; the released
`gpt_file/*.json` have that format) or another list. Without a list, t_c is the dataset's template and does not vary.
The official views are RandAugment's; ours are the crops that all methods share, and the other view is that of the next
epoch.

Number of tokens, depth and weight are published for each of eleven datasets (`trainers/constants.py`); other datasets
have the values of the configuration file.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import Batch, MethodInfo, Recipe, Sizes, SupportView, cosine_logits, register_method
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._parts.layers import BottleneckAdapter
from methods._parts.prompts import Coupling, TextContext, WordedContextConfig
from methods._parts.two_tower_methods import ComposedMethod, Parts
from methods._text.templates import KGCOOP_WORDING


class CoPromptConfig(WordedContextConfig):
    """Prompts, adapters and the weight of consistency."""

    n_ctx: int = Field(
        2, ge=1, le=70, description="tokens per block, in each tower; 2, CoPrompt configs; by dataset 2 or 4"
    )
    depth: int = Field(9, ge=1, description="prompted blocks of both towers, at most all; 9; by dataset 9 or 12")
    reduction: int = Field(4, ge=1, description="feature width over inner width of the adapters; 4, in the code")
    text_ratio: float = Field(0.2, ge=0, le=1, description="share of the text adapter's output; 0.2, in the code")
    image_ratio: float = Field(0.1, ge=0, le=1, description="share of the image adapter's output; 0.1, in the code")
    weight: float = Field(1.0, ge=0, description="weight of consistency; 1, CoPrompt configs; by dataset 0.1 to 8")

    def parameter_count(self, sizes: Sizes) -> int:
        prompted = min(self.depth, sizes.text_blocks, sizes.image_blocks)
        prompts = prompted * (self.n_ctx * sizes.text_width + (sizes.text_width + 1) * sizes.image_width)
        return prompts + 4 * sizes.embed_dim * (sizes.embed_dim // self.reduction)


BY_DATASET = {
    name: {"n_ctx": n_ctx, "depth": depth, "weight": weight}
    for name, n_ctx, depth, weight in (
        ("imagenet", 4, 12, 8.0),
        ("caltech101", 4, 12, 4.0),
        ("oxford_pets", 2, 12, 0.1),
        ("stanford_cars", 4, 12, 4.0),
        ("oxford_flowers", 4, 9, 8.0),
        ("food101", 4, 9, 0.5),
        ("fgvc_aircraft", 4, 9, 2.0),
        ("sun397", 4, 12, 8.0),
        ("dtd", 2, 12, 8.0),
        ("eurosat", 2, 12, 0.1),
        ("ucf101", 4, 12, 2.0),
    )
}
RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="CoPrompt configs/trainers/coprompt.yaml, trainers/constants.py; printed for base-to-new, reused for "
    "few-shot",
    lr=0.0035,
    epochs=8,
    by_dataset={"food101": {"epochs": 5}},
    batch_size=4,
)


@register_method
class CoPrompt(ComposedMethod[CoPromptConfig]):
    """Cross-entropy of coupled prompts with adapters, plus the distance to the frozen model on another view."""

    wording = KGCOOP_WORDING
    info = MethodInfo(
        name="coprompt",
        title="CoPrompt",
        family="multimodal prompt",
        summary="Coupled prompts and adapters, kept consistent with the frozen model on other crops and sentences.",
        paper="2306.01195",
        code="ShuvenduRoy/CoPrompt",
        uses=("outside texts",),
        citation="""@inproceedings{roy2024coprompt,
  title = {Consistency-guided Prompt Learning for Vision-Language Models},
  author = {Roy, Shuvendu and Etemad, Ali},
  booktitle = {ICLR},
  year = {2024}
}""",
        config=CoPromptConfig,
        needs=frozenset({"pixels", "other_view"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        class_text_teacher=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
        config_by_protocol={
            EvalProtocol.FEW_SHOT: {"by_dataset": BY_DATASET},
            EvalProtocol.BASE_TO_NEW: {"by_dataset": BY_DATASET},
        },
    )

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        depth, dim, hidden = min(c.depth, b.text_depth, b.vision_depth), b.embed_dim, b.embed_dim // c.reduction
        return Parts(
            text_context=TextContext(c.n_ctx, depth, c.ctx_init, b, g),
            coupling=Coupling(depth, b, g),
            text_adapter=BottleneckAdapter(dim, hidden, c.text_ratio, g),
            visual_adapter=BottleneckAdapter(dim, hidden, c.image_ratio, g),
        )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.sentences = self.backbone.class_sentences(support.classes, self.class_template(support.classes))

    def teacher(self) -> Float[Tensor, "n_cls dim"]:
        """The frozen feature of one sentence per class, at one drawn position (official lists have equal lengths)."""
        place = float(torch.rand((), generator=self.generator))
        return torch.stack([some[int(place * len(some))] for some in self.sentences])

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        text, image = self.text_features(self.support_classes), self.image_features(batch)
        logits = cosine_logits(image, text, self.backbone.logit_scale)
        texts = F.cosine_similarity(text, self.teacher()).mean()
        images = F.cosine_similarity(image, batch.other_view).mean()
        return F.cross_entropy(logits, batch.labels), self.config.weight * (2 - texts - images)
