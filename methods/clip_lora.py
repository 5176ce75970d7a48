"""CLIP-LoRA: low-rank changes of the attention projections in both towers.

Zanella and Ben Ayed, "Low-Rank Few-Shot Adaptation of Vision-Language Models", CVPR Workshops 2024. Official files:
MaxZanella/CLIP-LoRA `lora.py`, `loralib/layers.py`. Each chosen projection becomes
`W x + alpha / sqrt(rank) * B A dropout(x)`: the divisor is the root of the rank, not the rank. A starts uniform, B at
zero. One generic template serves every dataset, and the logit scale is fixed at 100 (here the backbone's own, which is
100 for OpenAI's weights). In training, every class's text has its own dropout masks, so no computation is shared
between texts. With dropout 0 and at test, the texts share their prefix. With dropout 0 the official code un-merges its
weights before the backward pass, which loses part of the gradient. This is not reproduced.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, SupportView, TwoTowerMethod, cosine_logits, frozen_prompts, image_views
from methods._base.method_info import MethodConfig, MethodInfo, Sizes
from methods._base.registry import register_method
from methods._parts.two_tower_methods import CLIP_LORA_RECIPE
from methods._text.templates import GENERIC_TEMPLATE
from methods._towers.blocks import BlockView


def uniform(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    """Numbers from U(0, 1) on a device.

    On a CPU they are drawn from `generator`. A GPU draws them with its own counter-based generator, seeded from
    `generator`, so they are repeatable but differ from those of a CPU.
    """
    if device.type != "cpu":
        seed = int(torch.randint(2**62, (), generator=generator))
        generator = torch.Generator(device).manual_seed(seed)
    return torch.rand(shape, generator=generator, device=device)


class LowRank(nn.Module):
    """`alpha / sqrt(rank) * B A dropout(x)`, zero at first.

    Args:
        width: size of x and of the output.
        alpha: the scale times the root of the rank.
        dropout: share of x that is dropped, when `forward` gets a generator.
        generator: draws A, uniform in +-1/sqrt(width) (torch's kaiming_uniform with a = sqrt 5); B starts at zero.
    """

    def __init__(self, width: int, rank: int, alpha: float, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        bound = width**-0.5
        self.down = nn.Parameter(torch.empty(rank, width).uniform_(-bound, bound, generator=generator))
        self.up = nn.Parameter(torch.zeros(width, rank))
        self.scale, self.dropout = alpha / rank**0.5, dropout

    def forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The change of the projection of x, both `(..., width)`. No dropout if `generator` is None."""
        if generator is not None and self.dropout:
            keep = uniform(x.shape, generator, x.device) >= self.dropout
            x = x * keep / (1 - self.dropout)
        change: Tensor = x @ self.down.T @ self.up.T * self.scale
        return change


class LowRankTower(nn.Module):
    """Changes of some projections in every block of a tower.

    Args:
        depth: number of blocks; 0 leaves the tower unchanged.
        targets: projections that change, among `q`, `k`, `v`, `o`.
        settings: width, rank, alpha, dropout and generator of each change.
    """

    def __init__(self, depth: int, targets: Sequence[str], *settings: int | float | torch.Generator) -> None:
        super().__init__()
        names = [name for name in "qkvo" if name in targets]
        self.blocks = nn.ModuleList(
            [nn.ModuleDict({name: LowRank(*settings) for name in names}) for _ in range(depth)]  # type: ignore[arg-type]
        )

    def views(self, frozen: Sequence[BlockView], generator: torch.Generator | None) -> list[BlockView]:
        """The tower's blocks with changed projections. No dropout if `generator` is None."""
        return [_changed(*pair, generator) for pair in zip(frozen, self.blocks, strict=True)]  # type: ignore[arg-type]


def _changed(view: BlockView, changes: nn.ModuleDict, generator: torch.Generator | None) -> BlockView:
    def qkv(normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (
            frozen + changes[name](normed, generator) if name in changes else frozen
            for name, frozen in zip("qkv", view.qkv(normed), strict=True)
        )
        return q, k, v

    def out(attended: Tensor) -> Tensor:
        frozen = view.out(attended)
        return frozen + changes["o"](attended, generator) if "o" in changes else frozen

    return replace(view, qkv=qkv, out=out)


class CLIPLoRAConfig(MethodConfig):
    """Which projections change, and the rank, scale and dropout of a change."""

    encoder: Literal["both", "text", "vision"] = Field("both", description="changed towers; both, paper section 4")
    targets: tuple[Literal["q", "k", "v", "o"], ...] = Field(
        ("q", "k", "v"), description="changed projections; q, k, v"
    )
    rank: int = Field(2, ge=1, description="rank of a change; 2, paper section 4")
    alpha: float = Field(1.0, gt=0, description="scale of a change times the root of the rank; 1")
    dropout: float = Field(0.25, ge=0, lt=1, description="dropout on the input of a change, in training; 0.25")
    template: str = Field(
        GENERIC_TEMPLATE, description="class texts; generic for every dataset. Empty: the dataset's own"
    )
    logit_scale: float | None = Field(None, gt=0, description="None: the backbone's own; the official code fixes 100")

    def parameter_count(self, sizes: Sizes) -> int:
        text = sizes.text_width * sizes.text_blocks * (self.encoder != "vision")
        image = sizes.image_width * sizes.image_blocks * (self.encoder != "text")
        return 2 * self.rank * len(set(self.targets)) * (text + image)


@register_method
class CLIPLoRA(TwoTowerMethod[CLIPLoRAConfig]):
    """Cross-entropy on `scale * cos(changed image, changed text)`."""

    info = MethodInfo(
        name="clip_lora",
        title="CLIP-LoRA",
        family="weight adapter",
        summary="Low-rank changes of the query, key and value projections in both towers.",
        paper="2405.18541",
        code="MaxZanella/CLIP-LoRA",
        citation="""@inproceedings{zanella2024cliplora,
  title = {Low-Rank Few-Shot Adaptation of Vision-Language Models},
  author = {Zanella, Maxime and Ben Ayed, Ismail},
  booktitle = {CVPR Workshops},
  year = {2024}
}""",
        config=CLIPLoRAConfig,
        needs=frozenset({"features", "pixels"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"image_blocks", "text_blocks"}),
        recipes={EvalProtocol.FEW_SHOT: CLIP_LORA_RECIPE, EvalProtocol.BASE_TO_NEW: CLIP_LORA_RECIPE},
        starts_as_zero_shot={},
    )

    @property
    def draws_on_device(self) -> bool:
        return self.config.dropout > 0

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        if self.config.encoder != "text":
            image_views(self.backbone.image_tower)  # raises for a tower without such blocks
        c, b = self.config, self.backbone
        settings = (c.rank, c.alpha, c.dropout, self.generator)
        self.text = LowRankTower(0 if c.encoder == "vision" else b.text_depth, c.targets, b.text_width, *settings)
        self.image = LowRankTower(0 if c.encoder == "text" else b.vision_depth, c.targets, b.vision_width, *settings)
        self.trainable = nn.ModuleDict({"text": self.text, "image": self.image}).to(b.device)

    def interpolated_parameters(self) -> list[nn.Parameter]:
        # the change is linear in the factor that starts at zero
        return [parameter for name, parameter in self.trainable.named_parameters() if name.endswith("up")]

    def train_classifier(self) -> Classifier:
        dropout = self.generator if self.config.dropout else None
        text, scale = self.text_features(self.support_classes, dropout), self._scale()
        return lambda batch: cosine_logits(self.image_features(batch, dropout), text, scale)

    def classifier(self, classes: ClassSet) -> Classifier:
        text, scale = self.text_features(classes), self._scale()
        return lambda batch: cosine_logits(batch.once(self.image_features), text, scale)

    def text_features(self, classes: ClassSet, dropout: torch.Generator | None = None) -> Tensor:
        template = self.config.template or classes.template
        if self.config.encoder == "vision":
            return self.frozen_text(classes, template)
        texts = self.backbone.class_tokens(classes, template)
        blocks = self.text.views(self.backbone.text_blocks, dropout)
        return self.backbone.encode_prompts(frozen_prompts(texts) if dropout is None else texts.split(0), blocks=blocks)

    def image_features(self, batch: Batch, dropout: torch.Generator | None = None) -> Tensor:
        if self.config.encoder == "text":
            return batch.features
        blocks = self.image.views(self.backbone.image_blocks, dropout)
        return self.backbone.encode_image(batch.pixels, blocks=blocks)

    def _scale(self) -> float:
        return self.config.logit_scale or self.backbone.logit_scale
