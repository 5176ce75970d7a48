"""LwEIB: small convolutions over neighbouring words and patches in every block, and sentences about each class.

Yang et al., "Learning with Enriched Inductive Biases for Vision-Language Models", IJCV 2025. Official files:
ZjjConan/VLM-LwEIB `trainers/lweib.py`, `clip/model.py`. In each block of both towers, depthwise convolutions C1 and C2
of three tokens (text) or three by three patches (image) change the input of attention and the inner MLP layer:

    x' = x + attention(n + s C1(n)), n = norm_1(x);   out = x' + W2 gelu(h + s C2(h)), h = W1 norm_2(x')

As in MMA, s applies to the forward pass and to the gradient of the input, but not to the convolutions' own gradients.
In training each block's s is multiplied by `fast_factor` in one step of five (slow-fast optimisation). The text of a
class is `a photo of a NAME, ` and a sentence about it, drawn again in each step; evaluation averages over all
sentences. In base-to-new, a step compares the classes of its batch with up to seven times as many others.

Sentences come from `--class-text descriptions:FILE`; the official code uses twenty from GPT-3 for each class. Without
sentences, the text is `a photo of a NAME.`. The last image block has no C2, since only its class token is used; the
official code has an unused one. A convolution also reads the next word, so classes share no prefix, and positions after
the end of a text matter.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet, EvalProtocol
from methods import Batch, Sizes, SupportView, TwoTowerMethod, cosine_logits, image_views, register_method
from methods._base.devices import on_device
from methods._base.method_info import MethodConfig, MethodInfo
from methods._base.recipe import Recipe, for_transfer
from methods._parts.layers import Scaled, linear_uniform
from methods._text.tokenizers import tokenize
from methods._towers.blocks import BlockView

WORDS = "a photo of a"
AT_ONCE = 256
"""Sentences encoded at a time in evaluation; it changes results by rounding only."""


class LwEIBConfig(MethodConfig):
    """Blocks and scale of the convolutions, and the classes compared in a step."""

    later = frozenset({"first_block", "last_block"})
    first_block: int = Field(1, ge=1, description="first block with convolutions, of both towers; 1, LwEIB base2new")
    last_block: int = Field(
        0,
        ge=0,
        description="last block with convolutions; 0: the tower's last, 12 of 12 in LwEIB base2new",
    )
    scale: float = Field(0.025, gt=0, description="scale of the convolutions; 0.025, LwEIB base2new.yaml, 0.075 x2d")
    fast_factor: float = Field(2.5, gt=0, description="factor on scale in a fast step of a block; 2.5, 7.5 x2d.yaml")
    slow_share: float = Field(0.8, ge=0, le=1, description="share of steps in which a block is slow; 0.8, LwEIB")
    negatives: int = Field(
        7, ge=-1, description="other classes in a step for each class of the batch; 7, -1 for all classes x2d.yaml"
    )

    def adapted(self, blocks: int) -> range:
        """Indices of those of a tower's blocks that have convolutions."""
        return range(self.first_block - 1, min(self.last_block or blocks, blocks))

    def config_error(self) -> str | None:
        if 0 < self.last_block < self.first_block:
            first, last = self.first_block, self.last_block
            return f"last_block={last} is before first_block={first}; set it to {first} or more, or to 0 for the last."
        return None

    def parameter_count(self, sizes: Sizes) -> int:
        text = 15 * sizes.text_width * len(self.adapted(sizes.text_blocks))
        image, last = self.adapted(sizes.image_blocks), sizes.image_blocks - 1
        return text + 45 * sizes.image_width * len(image) - (36 * sizes.image_width if last in image else 0)


class Convolutions(nn.Module):
    """The two depthwise convolutions of each adapted block of a tower, without biases.

    Args:
        adapted: indices of these blocks.
        grid: rows and columns of patches of an image tower, whose class token is left out; empty for a text tower.
        generator: draws torch's convolution weights, uniform in +-1/sqrt(taps).
    """

    def __init__(
        self, frozen: Sequence[BlockView], adapted: range, grid: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.grid, self.adapted = tuple(grid), adapted
        taps = (3, 3) if grid else (3,)
        layers: list[Any] = [frozen[i].mlp for i in adapted]

        def kernels(widths: Sequence[int]) -> nn.ParameterList:
            shapes = [(width, 1, *taps) for width in widths]
            return nn.ParameterList([linear_uniform(shape, 3 ** len(taps), generator) for shape in shapes])

        self.attention = kernels([mlp.c_fc.in_features for mlp in layers])
        # only the class token of the tower's last image block is used
        used = layers[:-1] if grid and len(frozen) - 1 in adapted else layers
        self.mlp = kernels([mlp.c_fc.out_features for mlp in used])

    def views(self, frozen: Sequence[BlockView], scales: Sequence[float]) -> list[BlockView]:
        """The tower's blocks with the convolutions, each at its scale."""
        views = list(frozen)
        for i, kernels in zip(self.adapted, zip_longest(self.attention, self.mlp), strict=True):
            views[i] = self._view(frozen[i], scales[i], *kernels)
        return views

    def _view(self, frozen: BlockView, scale: float, attention: Tensor, mlp: Tensor | None) -> BlockView:
        layers: Any = frozen.mlp

        def inner(normed: Tensor) -> Tensor:
            hidden = layers.c_fc(normed)
            out: Tensor = layers.c_proj(layers.gelu(hidden if mlp is None else self._added(hidden, mlp, scale)))
            return out

        return replace(frozen, qkv=lambda normed: frozen.qkv(self._added(normed, attention, scale)), mlp=inner)

    def _added(self, x: Float[Tensor, "n tokens width"], kernel: Tensor, scale: float) -> Tensor:
        """The tokens plus their scaled convolution."""
        y: Tensor = Scaled.apply(x, 1.0, scale)  # type: ignore[no-untyped-call]
        if self.grid:
            patches = y[:, 1:].transpose(1, 2).reshape(len(y), y.shape[2], *self.grid)
            y = F.conv2d(patches, kernel, padding=1, groups=len(kernel)).flatten(2).transpose(1, 2)
            y = F.pad(y, (0, 0, 1, 0))
        else:
            y = F.conv1d(y.transpose(1, 2), kernel, padding=1, groups=len(kernel)).transpose(1, 2)
        added: Tensor = x + Scaled.apply(y, scale, 1.0)  # type: ignore[no-untyped-call]
        return added


RECIPE = Recipe(
    source="LwEIB configs/trainers/LwEIB/base2new.yaml; printed for base-to-new, reused for few-shot; weight decay: "
    "Dassl's default. Its README says that some values differ slightly from the paper's and give a better average",
    lr=0.28,
    epochs=25,
    batch_size=16,
    warmup="none",
)
TRANSFER = RECIPE.model_copy(
    update={"source": "LwEIB configs/trainers/LwEIB/x2d.yaml", "lr": 0.15, "epochs": 10, "batch_size": 128}
)


@register_method
class LwEIB(TwoTowerMethod[LwEIBConfig]):
    """Cross-entropy on `scale * cos(image, a sentence of the class)` among some classes."""

    info = MethodInfo(
        name="lweib",
        title="LwEIB",
        family="weight adapter",
        summary="Depthwise convolutions in every block of both towers, trained on sentences about each class.",
        paper="doi:10.1007/s11263-025-02354-1",
        code="ZjjConan/VLM-LwEIB",
        uses=("outside texts",),
        citation="""@article{yang2025lweib,
  title = {Learning with Enriched Inductive Biases for Vision-Language Models},
  author = {Yang, Lingxiao and Zhang, Ru-Yuan and Chen, Qi and Xie, Xiaohua},
  journal = {International Journal of Computer Vision},
  year = {2025}
}""",
        config=LwEIBConfig,
        needs=frozenset({"pixels"}),
        open_vocabulary=True,
        learns_text=True,
        class_text_teacher=True,
        vision_transformer=True,
        tower_use=frozenset({"image_blocks", "text_tokens"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(TRANSFER),
        config_by_protocol=for_transfer({"scale": 0.075, "fast_factor": 7.5, "negatives": -1}),
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        b = self.backbone
        image = image_views(b.image_tower)  # raises for a tower without such blocks
        self.text = Convolutions(b.text_tower.views, self.adapted(b.text_depth), (), self.generator)
        grid = b.image_tower.visual.grid_size
        self.image = Convolutions(image, self.adapted(b.vision_depth), grid, self.generator)
        self.trainable = nn.ModuleDict({"text": self.text, "image": self.image}).to(b.device)
        self.sentences = self.tokens(support.classes)

    def adapted(self, blocks: int) -> range:
        """Indices of the blocks with convolutions; raises BenchError if a tower of that many blocks has none."""
        adapted = self.config.adapted(blocks)
        if not adapted:
            raise BenchError(f"first_block={self.config.first_block} on a tower of {blocks} blocks; use 1..{blocks}.")
        return adapted

    def tokens(self, classes: ClassSet) -> list[Int[Tensor, "n context"]]:
        """Tokens of each class's sentences, on the CPU; long sentences are cut."""
        sentences = classes.sentences or [None] * len(classes)
        texts = [
            [f"{WORDS} {name}."] if some is None else [f"{WORDS} {name}, {sentence}" for sentence in some]
            for name, some in zip(classes.prompt_names, sentences, strict=True)
        ]
        b = self.backbone
        return [tokenize(some, b.text_tower.context_length, b.tokenizer, truncate=True) for some in texts]

    def encode(self, tokens: Int[Tensor, "n context"], fast: Sequence[bool] = ()) -> Float[Tensor, "n dim"]:
        """Unnormalised features of texts. `fast` marks the fast blocks; empty: all are slow."""
        scales = self.scales(fast, self.backbone.text_depth)
        blocks = self.text.views(self.backbone.text_blocks, scales)
        return self.backbone.encode_whole_texts(tokens, blocks=blocks, reach=2 * len(blocks))

    def scales(self, fast: Sequence[bool], blocks: int) -> list[float]:
        """The scale of each block."""
        c = self.config
        return [c.scale * (c.fast_factor if is_fast else 1) for is_fast in fast or [False] * blocks]

    def text_features(self, classes: ClassSet) -> Tensor:
        tokens = self.tokens(classes)
        encoded = torch.cat([self.encode(some) for some in torch.split(torch.cat(tokens), AT_ONCE)])
        features = torch.split(F.normalize(encoded, dim=-1), [len(some) for some in tokens])
        return torch.stack([some.mean(dim=0) for some in features])

    def image_features(self, batch: Batch, fast: Sequence[bool] = ()) -> Tensor:
        scales = self.scales(fast, self.backbone.vision_depth)
        blocks = self.image.views(self.backbone.image_blocks, scales)
        return self.backbone.encode_image(batch.pixels, blocks=blocks)

    def draw(self, labels: Sequence[int]) -> tuple[list[int], list[int], list[bool], list[bool]]:
        """The random choices of a step with these labels.

        These are the compared classes, those of the batch first, in order; the index of each class's sentence in its
        list; and whether each text block and each image block is fast.
        """
        n, classes = len(self.sentences), list(range(len(self.sentences)))
        if self.config.negatives >= 0 and n > len(labels):
            chosen = sorted(set(labels))
            negatives = [c for c in classes if c not in chosen]
            order = torch.randperm(len(negatives), generator=self.generator)
            classes = chosen + [negatives[i] for i in order[: self.config.negatives * len(chosen)]]
        places = torch.rand(len(classes), generator=self.generator).tolist()
        sentences = [int(place * len(self.sentences[c])) for place, c in zip(places, classes, strict=True)]
        text, image = self.backbone.text_depth, self.backbone.vision_depth
        fast = (torch.rand(text + image, generator=self.generator) > self.config.slow_share).tolist()
        return classes, sentences, fast[:text], fast[text:]

    def loss(self, batch: Batch) -> Tensor:
        labels = batch.label_numbers
        classes, sentences, fast_text, fast_image = self.draw(labels)
        chosen = zip(classes, sentences, strict=True)
        text = self.encode(torch.stack([self.sentences[c][i] for c, i in chosen]), fast_text)
        image = self.image_features(batch, fast_image)
        place = {c: i for i, c in enumerate(classes)}
        targets = on_device(torch.tensor([place[label] for label in labels]), text.device)
        return F.cross_entropy(cosine_logits(image, text, self.backbone.logit_scale), targets)
