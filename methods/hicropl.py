"""HiCroPL: deep prompts of both towers, mapped from text to image in early blocks and from image to text in late ones.

Zheng et al., "Hierarchical Cross-modal Prompt Learning for Vision-Language Models", ICCV 2025. Official files:
zzeoZheng/HiCroPL `trainers/hicropl.py`, `clip/model.py`. In the first `text_to_image` prompted blocks, the text tokens
of each block are pooled into one, and the image tokens of these blocks attend to all pooled tokens. In the later blocks
the roles are swapped. With w, f the prompted text and image features, t and f0 the frozen ones (all normalised),

    w' = w + t;  f' = f + f0;  CE(f', w') + weight * [(1 - mean cos(w', t)) + (1 - mean cos(f', f0))]

t is the mean over a language model's sentences if they are given (`--class-text descriptions:FILE`; the released
`gpt_file/*.json` have that format), else the dataset's template.

The official code copies the mapped values into the prompts (`.data.copy_`), so the mapping networks get no gradient and
keep their random start. The published numbers come from this code. `mapping=copied` maps the prompts before each step
and `test_maps` times before testing (the official code: once for every batch of an evaluation). `mapping=learned`
trains the networks, as the paper describes.

The official copy of Dassl (`dassl/config/defaults.py`, FINAL_MODEL best_val) evaluates after each epoch and keeps the
best one: on min(shots, 4) validation images per class, for ImageNet on the test images; transfer uses the last epoch.
Here the last epoch is used unless `--selection validation` is given. The official code trains in fp16.
"""

import copy
import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Recipe, Sizes, SupportView, TwoTowerMethod, cosine_logits, register_method
from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodInfo
from methods._base.recipe import PUBLISHED_BY_DATASET, for_transfer
from methods._parts.layers import drawn_from, normal_parameter
from methods._parts.prompts import TextContext, WordedContextConfig

HEADS = 8
"""Attention heads of the mapping networks, if the width allows."""


class HiCroPLConfig(WordedContextConfig):
    """The prompts, how they are mapped, and the weight of the distance to the frozen features."""

    n_ctx: int = Field(16, ge=1, le=70, description="tokens per block, in each tower; 16, HiCroPL configs, 2 transfer")
    depth: int = Field(12, ge=2, description="prompted blocks of both towers, at most all; 12 of 12, 6 transfer")
    text_to_image: int = Field(
        6, ge=1, description="first blocks that map text to image, at most all prompted but one; 6 of 12, 5 transfer"
    )
    weight: float = Field(12.0, ge=0, description="weight of the distance to frozen features; 12, HiCroPL configs")
    mapping: Literal["copied", "learned"] = Field(
        "copied", description="mapped values replace the prompts (code), or networks are trained through (paper)"
    )
    test_maps: int = Field(
        1, ge=0, description="with `copied`: maps before testing; the official code maps once for every test batch"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        prompted = min(self.depth, sizes.text_blocks, sizes.image_blocks)
        early = min(self.text_to_image, prompted - 1)
        text, image = sizes.text_width, sizes.image_width
        networks = 13 * (text**2 + image**2) + 4 * text * image + 16 * (text + image)
        maps = early * (4 * text + 9) * text + (prompted - early) * (4 * image + 9) * image
        return self.n_ctx * prompted * (text + image) + (networks + maps if self.mapping == "learned" else 0)


class Pooling(nn.Module):
    """Pools the tokens of a block into one by attention (the paper's layer-specific knowledge proxy)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, math.gcd(HEADS, width))
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, proxy: Float[Tensor, "1 width"], tokens: Float[Tensor, "n width"]) -> Float[Tensor, "1 width"]:
        """The pooled token; `proxy` is the query."""
        keys = self.norm_1(tokens)
        read = self.attention(self.norm_1(proxy), keys, keys, need_weights=False)[0]
        pooled: Tensor = self.norm_2(proxy + read)
        return pooled


class CrossMap(nn.Module):
    """Tokens of one tower attend to pooled tokens of the other (the paper's multi-scale knowledge mapper)."""

    def __init__(self, width: int, other: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, math.gcd(HEADS, width))
        self.query = nn.Linear(width, width)
        self.key, self.value = nn.Linear(other, width), nn.Linear(other, width)
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inner = nn.Linear(width, 4 * width)
        self.outer = nn.Linear(4 * width, width)

    def forward(self, tokens: Float[Tensor, "n width"], pooled: Float[Tensor, "m other"]) -> Float[Tensor, "n width"]:
        """The mapped tokens."""
        x, keys, values = self.query(tokens), self.norm_1(self.key(pooled)), self.norm_1(self.value(pooled))
        x = x + self.attention(self.norm_1(x), keys, values, need_weights=False)[0]
        hidden = self.inner(self.norm_2(x))
        mapped: Tensor = x + self.outer(hidden * torch.sigmoid(1.702 * hidden))
        return mapped


class PromptMapper(nn.Module):
    """The mapping networks between the prompts of both towers. Networks of one kind start with equal weights.

    Args:
        early: number of blocks that map text to image; `late` is the number that map image to text.
        text: width of the text tower; `image` is the width of the image tower.
    """

    def __init__(self, early: int, late: int, text: int, image: int) -> None:
        super().__init__()
        self.early = early
        self.to_image, self.to_text = CrossMap(image, text), CrossMap(text, image)
        text_pooling, image_pooling = Pooling(text), Pooling(image)
        self.text_pooling = nn.ModuleList([copy.deepcopy(text_pooling) for _ in range(early)])
        self.image_pooling = nn.ModuleList([copy.deepcopy(image_pooling) for _ in range(late)])
        text_proxy, image_proxy = (torch.empty(1, width).normal_() for width in (text, image))
        self.text_proxies = nn.ParameterList([text_proxy.clone() for _ in range(early)])
        self.image_proxies = nn.ParameterList([image_proxy.clone() for _ in range(late)])

    def forward(self, text: Sequence[Tensor], image: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Text and image prompts by block; the late text prompts and the early image prompts are mapped."""
        (text_from, text_to), (image_to, image_from) = (
            (list(prompts[: self.early]), list(prompts[self.early :])) for prompts in (text, image)
        )
        pooled_text = _pooled(self.text_pooling, self.text_proxies, text_from)
        pooled_image = _pooled(self.image_pooling, self.image_proxies, image_from)
        mapped_image = self.to_image(torch.cat(image_to), pooled_text).chunk(len(image_to))
        mapped_text = self.to_text(torch.cat(text_to), pooled_image).chunk(len(text_to))
        return [*text_from, *mapped_text], [*mapped_image, *image_from]


def _pooled(networks: nn.ModuleList, proxies: nn.ParameterList, prompts: list[Tensor]) -> Float[Tensor, "blocks width"]:
    return torch.cat([pool(*pair) for pool, *pair in zip(networks, proxies, prompts, strict=True)])


class HierarchicalPrompts(nn.Module):
    """Deep prompts of both towers, and the mapping networks if trained. All blocks have equal initial image prompts."""

    def __init__(
        self, c: HiCroPLConfig, depth: int, mapper: PromptMapper | None, b: Backbone, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.text = TextContext(c.n_ctx, depth, c.ctx_init, b, generator)
        first = normal_parameter((c.n_ctx, b.vision_width), generator)
        self.image = nn.ParameterList([first.detach().clone() for _ in range(depth)])
        self.mapper = mapper


RECIPE = Recipe(
    source="HiCroPL configs/trainers/HiCroPL/vit_b16_c2_ep50_batch32_16ctx_few_shot.yaml; weight decay: Dassl's",
    optimizer="adam",
    lr=0.0025,
    eps=1e-3,
    epochs=50,
    batch_size=32,
)
BASE_TO_NEW = RECIPE.model_copy(
    update={
        "name": PUBLISHED_BY_DATASET,
        "source": "HiCroPL vit_b16_c2_ep50_batch32_16ctx.yaml; ImageNet: vit_b16_c2_ep40_batch128_16ctx.yaml, which "
        "the test script names (the train script does not); weight decay: Dassl's",
        "by_dataset": {"imagenet": {"epochs": 40, "batch_size": 128}},
    }
)
TRANSFER = RECIPE.model_copy(update={"source": "HiCroPL vit_b16_c2_ep5_batch32_2ctx_cross_datasets.yaml", "epochs": 5})


@register_method
class HiCroPL(TwoTowerMethod[HiCroPLConfig]):
    """Cross-entropy on sums of prompted and frozen features, plus the distance of the sums to the frozen features."""

    info = MethodInfo(
        name="hicropl",
        version=2,
        title="HiCroPL",
        family="multimodal prompt",
        summary="Deep prompts of both towers that are mapped into each other; features are added to the frozen ones.",
        paper="2507.14976",
        code="zzeoZheng/HiCroPL",
        uses=("outside texts",),
        citation="""@inproceedings{zheng2025hicropl,
  title = {Hierarchical Cross-modal Prompt Learning for Vision-Language Models},
  author = {Zheng, Hao and Yang, Shunzhi and He, Zhuoxin and Yang, Jinfeng and Huang, Zhenhua},
  booktitle = {ICCV},
  year = {2025}
}""",
        config=HiCroPLConfig,
        needs=frozenset({"features", "pixels"}),
        open_vocabulary=True,
        learns_text=True,
        class_text_teacher=True,
        vision_transformer=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: BASE_TO_NEW} | for_transfer(TRANSFER),
        config_by_protocol=for_transfer({"n_ctx": 2, "depth": 6, "text_to_image": 5}),
    )

    trainable: HierarchicalPrompts

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, b = self.config, self.backbone
        depth = min(c.depth, b.text_depth, b.vision_depth)
        early = min(c.text_to_image, depth - 1)
        with drawn_from(self.generator):
            mapper = PromptMapper(early, depth - early, b.text_width, b.vision_width).to(b.device)
        self.learned = c.mapping == "learned"
        self.mapper = mapper.requires_grad_(self.learned)
        learned_mapper = mapper if self.learned else None
        self.trainable = HierarchicalPrompts(c, depth, learned_mapper, b, self.generator).to(b.device)

    def prompts(self) -> tuple[list[Tensor], list[Tensor]]:
        """Text and image prompts by block."""
        text, image = self.trainable.text.layers(), list(self.trainable.image)
        return self.mapper(text, image) if self.learned else (text, image)

    def text_features(self, classes: ClassSet) -> Tensor:
        deep = self.prompts()[0][1:]
        prompted = self.backbone.encode_prompts(self.trainable.text.prompts(classes, self.backbone), deep=deep)
        return F.normalize(prompted, dim=-1) + F.normalize(self.frozen_text(classes, classes.template), dim=-1)

    def image_features(self, batch: Batch) -> Tensor:
        prompted = self.backbone.encode_image(batch.pixels, prompts=self.prompts()[1])
        return F.normalize(prompted, dim=-1) + F.normalize(batch.features, dim=-1)

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        classes = self.support_classes
        text, image = self.text_features(classes), self.image_features(batch)
        texts = F.cosine_similarity(text, self.frozen_text(classes, classes.template)).mean()
        images = F.cosine_similarity(image, batch.features).mean()
        logits = cosine_logits(image, text, self.backbone.logit_scale)
        return F.cross_entropy(logits, batch.labels), self.config.weight * (2 - texts - images)

    def before_step(self) -> None:
        if not self.learned:
            self.copy_mapped()

    def finalise(self) -> None:
        for _ in range(0 if self.learned else self.config.test_maps):
            self.copy_mapped()

    def copy_mapped(self) -> None:
        """Replace the prompts by their mapped values."""
        text, image = self.trainable.text.layers(), list(self.trainable.image)
        with torch.no_grad():
            for prompts, mapped in zip((text, image), self.mapper(text, image), strict=True):
                for prompt, value in zip(prompts, mapped, strict=True):
                    prompt.copy_(value)
