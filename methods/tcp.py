"""TCP: CoOp's context, replaced inside the text tower by tokens computed from each class's frozen text.

Yao, Zhang and Xu, "TCP: Textual-based Class-aware Prompt Tuning for Visual-Language Model", CVPR 2024. Official files:
htyao89/Textual-based_Class-aware_prompt_tuning `trainers/tcp.py`, `trainers/clip_text/model.py`. With t_c the
normalised frozen text of class c, `W2 quickgelu(W1 t_c + b1) + b2` gives four tokens that replace the context before
the ninth block. (The official code has a mixing weight, but always replaces in full.) Loss: cross-entropy plus
`8 (1 - mean_c cos(w_c, t_c))`. New classes use their own t_c. The class name is followed by the words of the dataset's
own template or, for Cars, by `, a type of car`, as in the official code.
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Backbone, Batch, Recipe, Sizes, SupportView, TwoTowerMethod, register_method
from methods._base.method_info import MethodInfo
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._parts.layers import linear_layer
from methods._parts.prompts import Context, SizedContextConfig, initial_context
from methods._text.prompt_embeddings import TextPrompts, overwrite_leading
from methods._text.templates import TCP_PROMPT_WORDING, TCP_WORDING, worded


class TCPConfig(SizedContextConfig):
    """The context, the network that computes the class tokens, and the block where they enter."""

    later = frozenset({"ctx_init"})
    ctx_init: str = Field("", description="words that the context starts from; empty: N(0, 0.02), as published")
    n_ctx: int = Field(
        4, ge=1, le=70, description="context vectors, and tokens per class; 4, TCP scripts. With `ctx_init`: its words"
    )
    reduction: int = Field(4, ge=1, description="feature width over hidden width of the network; 4")
    layer: int = Field(
        8, ge=1, description="0-based text block that the tokens enter before, at most the last; 8 of 12"
    )
    weight: float = Field(8.0, ge=0, description="weight of the distance to frozen texts; 8, fixed in the code")

    def parameter_count(self, sizes: Sizes) -> int:
        context = self.length * sizes.text_width
        return (sizes.embed_dim // self.reduction) * (sizes.embed_dim + 1 + context) + 2 * context


class ClassAwareContext(Context):
    """The context and the network from a class's frozen text to its tokens."""

    def __init__(self, ctx: Tensor, dim: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__(ctx)
        self.down = linear_layer(dim, hidden, generator)
        self.up = linear_layer(hidden, ctx.numel(), generator)

    def prompts(self, classes: ClassSet, backbone: Backbone) -> TextPrompts:
        """The dataset's class texts with the context instead of the words before the name."""
        return overwrite_leading(backbone.class_tokens(classes, prompt_template(classes, len(self.ctx))), self.ctx)

    def tokens(self, teacher: Tensor) -> Tensor:
        """Tokens of each class, `(n_cls, n_ctx, width)`."""
        hidden = self.down(F.normalize(teacher, dim=-1))
        made: Tensor = self.up(hidden * torch.sigmoid(1.702 * hidden))
        return made.reshape(len(teacher), *self.ctx.shape)


def prompt_template(classes: ClassSet, n_ctx: int = 4) -> str:
    """The template of the learned class texts: an X for each context vector, and the words after them."""
    template, front = worded(TCP_PROMPT_WORDING, classes) or classes.template, "a photo of a "
    if n_ctx == len(front.split()) and template.startswith(front):
        rest = template.removeprefix(front)
    else:
        rest = "{}" + template.partition("{}")[2]
    return " ".join([*["X"] * n_ctx, rest])


RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="TCP configs/trainers/TCP, train.py (ImageNet, SUN397: 25 epochs); Adam's eps from its README and issue 3; "
    "printed for base-to-new and few-shot",
    optimizer="adam",
    lr=0.002,
    eps=1e-3,
    epochs=50,
    batch_size=32,
    by_dataset={"imagenet": {"epochs": 25}, "sun397": {"epochs": 25}},
)


@register_method
class TCP(TwoTowerMethod[TCPConfig]):
    """Cross-entropy with class-aware text tokens, plus the distance to the frozen texts."""

    wording = TCP_WORDING
    info = MethodInfo(
        name="tcp",
        version=2,
        title="TCP",
        family="text prompt",
        summary="A context that is replaced inside the text tower by tokens made from each class's frozen text.",
        paper="2311.18231",
        code="htyao89/Textual-based_Class-aware_prompt_tuning",
        citation="""@inproceedings{yao2024tcp,
  title = {TCP: Textual-based Class-aware Prompt Tuning for Visual-Language Model},
  author = {Yao, Hantao and Zhang, Rui and Xu, Changsheng},
  booktitle = {CVPR},
  year = {2024}
}""",
        config=TCPConfig,
        open_vocabulary=True,
        learns_text=True,
        tower_use=frozenset({"text_tokens"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )

    trainable: ClassAwareContext

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, b, g = self.config, self.backbone, self.generator
        ctx = initial_context(c.ctx_init, (c.n_ctx, b.text_width), b, g)
        self.trainable = ClassAwareContext(ctx, b.embed_dim, b.embed_dim // c.reduction, g).to(b.device)

    def teacher(self, classes: ClassSet) -> Tensor:
        """The frozen texts, unnormalised."""
        return self.frozen_text(classes, self.class_template(classes))

    def text_features(self, classes: ClassSet) -> Tensor:
        layer = min(self.config.layer, self.backbone.text_depth - 1)
        tokens = self.trainable.tokens(self.teacher(classes))
        name_start = 1 + self.config.length

        def enter(i: int, prefix: Tensor, suffix: Tensor) -> tuple[Tensor, Tensor]:
            if i != layer:
                return prefix, suffix
            rest = prefix[:, name_start:].expand(len(tokens), -1, -1)
            return prefix[:, :1], torch.cat([tokens, rest, suffix], dim=1)

        return self.backbone.encode_prompts(self.trainable.prompts(classes, self.backbone), before_block=enter)

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        return self.loss_near_texts(batch, self.teacher(self.support_classes), self.config.weight)
