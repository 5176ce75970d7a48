"""MMA: small adapters beside the last blocks of both towers; the towers share the adapters' inner layer.

Yang et al., "MMA: Multi-Modal Adapter for Vision-Language Models", CVPR 2024. Official files: ZjjConan/
VLM-MultiModalAdapter `trainers/mmadapter.py`, `clip/gsl.py`. With x the input of a block and n its frozen first norm,

    x' = x + attention(n(x));   out = x' + mlp(n2(x')) + scale * up(relu(shared(relu(down(n(x))))))

The scale of 0.001 applies to the forward pass and to the gradient of x, but not to the adapters' own gradients. All
layers start kaiming-normal with zero biases, so the start is nearly, not exactly, the frozen model. All datasets use
one generic template. Adapted blocks are counted from the end, so that the blocks of the two towers form pairs. The
earlier blocks are frozen: texts pass through them once per class list, and `Batch.hidden` gives their output for
images.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, BlockView, Recipe, SupportView, TwoTowerMethod, image_views, register_method
from methods._base.method_info import MethodConfig, MethodInfo, Sizes
from methods._base.recipe import PUBLISHED, PUBLISHED_BY_DATASET, for_transfer
from methods._parts.layers import Scaled, kaiming_linear_layer
from methods._text.templates import GENERIC_TEMPLATE


class MMAConfig(MethodConfig):
    """Number, width and scale of the adapters."""

    blocks: int = Field(8, ge=1, description="adapted last blocks of both towers, at most all; 8 of 12, 4 in transfer")
    hidden: int = Field(32, ge=1, description="inner width; 32, MMA vit_b16_ep5.yaml")
    scale: float = Field(0.001, gt=0, description="scale of the adapters' output; 0.001, MMA vit_b16_ep5.yaml")

    def frozen_blocks(self, sizes: Sizes) -> int:
        return sizes.image_blocks - min(self.blocks, sizes.text_blocks, sizes.image_blocks)

    def parameter_count(self, sizes: Sizes) -> int:
        adapted = min(self.blocks, sizes.text_blocks, sizes.image_blocks)
        outer_layers = (2 * self.hidden + 1) * (sizes.text_width + sizes.image_width)
        return adapted * (outer_layers + self.hidden * (self.hidden + 3))


class Adapters(nn.Module):
    """One adapter per block and tower, and one inner layer per pair of blocks."""

    def __init__(self, n: int, text: int, image: int, config: MMAConfig, generator: torch.Generator) -> None:
        super().__init__()
        h, self.scale = config.hidden, config.scale

        def layers(inner: int, out: int) -> nn.ModuleList:
            return nn.ModuleList([kaiming_linear_layer(inner, out, generator) for _ in range(n)])

        self.text_down, self.text_up = layers(text, h), layers(h, text)
        self.image_down, self.image_up = layers(image, h), layers(h, image)
        self.shared = layers(h, h)

    def views(self, frozen: Sequence[BlockView], down: nn.ModuleList, up: nn.ModuleList) -> list[BlockView]:
        """A tower's blocks, with the adapters beside the last ones."""
        first = len(frozen) - len(down)
        adapted = [
            replace(view, beside=self._adapter(*layers))
            for view, *layers in zip(frozen[first:], down, self.shared, up, strict=True)
        ]
        return [*frozen[:first], *adapted]

    def _adapter(self, down: nn.Module, shared: nn.Module, up: nn.Module) -> Any:
        def added(normed: Tensor) -> Tensor:
            hidden = torch.relu(down(Scaled.apply(normed, 1.0, self.scale)))  # type: ignore[no-untyped-call]
            result: Tensor = Scaled.apply(up(torch.relu(shared(hidden))), self.scale, 1.0)  # type: ignore[no-untyped-call]
            return result

        return added


RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="MMA configs/trainers/MultiModalAdapter/vit_b16_ep5.yaml; ImageNet: vit_b16_ep5_imnet.yaml; printed for "
    "base-to-new, reused for few-shot",
    by_dataset={"imagenet": {"batch_size": 128}},
    lr=0.0015,
    epochs=5,
    batch_size=16,
    warmup="none",
)
TRANSFER = RECIPE.model_copy(
    update={
        "name": PUBLISHED,
        "by_dataset": {},
        "source": "MMA vit_b16_ep5_imnet.yaml, with the 1 epoch and the first block 9 that the paper has for transfer, "
        "since the repository has no file for it",
        "epochs": 1,
        "batch_size": 128,
    }
)


@register_method
class MMA(TwoTowerMethod[MMAConfig]):
    """Cross-entropy on `scale * cos(adapted image, adapted text)`."""

    info = MethodInfo(
        name="mma",
        title="MMA",
        family="weight adapter",
        summary="Small adapters beside the last blocks of both towers, with a shared inner layer.",
        paper="https://openaccess.thecvf.com/content/CVPR2024/papers/Yang_MMA_Multi-Modal_Adapter_for_Vision-Language_Models_CVPR_2024_paper.pdf",
        code="ZjjConan/VLM-MultiModalAdapter",
        citation="""@inproceedings{yang2024mma,
  title = {MMA: Multi-Modal Adapter for Vision-Language Models},
  author = {Yang, Lingxiao and Zhang, Ru-Yuan and Wang, Yanchen and Xie, Xiaohua},
  booktitle = {CVPR},
  year = {2024}
}""",
        config=MMAConfig,
        needs=frozenset({"hidden"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"image_blocks", "text_blocks"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(TRANSFER),
        config_by_protocol=for_transfer({"blocks": 4}),
    )

    trainable: Adapters

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        b = self.backbone
        image_views(b.image_tower)  # raises for a tower without such blocks
        self.first_image = self.config.frozen_blocks(b.sizes)
        n = b.vision_depth - self.first_image
        self.first_text = b.text_depth - n
        self.trainable = Adapters(n, b.text_width, b.vision_width, self.config, self.generator).to(b.device)

    def text_features(self, classes: ClassSet) -> Tensor:
        part, views = self.trainable, self.backbone.text_blocks
        hidden = self.frozen_text_hidden(classes, GENERIC_TEMPLATE, self.first_text)
        return self.backbone.continue_text(hidden, blocks=part.views(views, part.text_down, part.text_up))

    def image_features(self, batch: Batch) -> Tensor:
        part, tower, first = self.trainable, self.backbone.image_tower, self.first_image
        blocks = part.views(self.backbone.image_blocks, part.image_down, part.image_up)
        tokens = self.backbone.continue_image(batch.hidden(first), first, blocks=blocks)
        return tower.project_to_joint_space(tower.pool(tokens, 0))
