"""MMRL++: MMRL with one map per tower, a low-rank change per block, and tokens that keep part of their previous output.

Guo and Gu, "MMRL++: Parameter-Efficient and Interaction-Aware Representation Learning for Vision-Language Models",
IJCV 2026. Official files: yunncheng/MMRL `trainers/mmrlpp.py`, `trainers/config.py`, `clip/model_mmrlpp.py`. Loss and
logits are those of MMRL. With r the shared tokens, block i gets

    new_i = r (W + A_i B_i)^T + b_i;   tokens_i = new_share * new_i + (1 - new_share) * (their output of block i - 1)

The image tokens are projected by the frozen projection of the class token plus a low-rank change. As in MMRL, trained
classes use the fused logits and other classes those of the class token alone. The official test code treats each target
of domain generalisation as new. For few-shot and base-to-new, `new_share` and `weight` differ by dataset
(`BY_DATASET`). In transfer, `new_share` is 0.9 in training on ImageNet, and the test on each target has its own value
(`ON_TARGET`).
"""

import copy
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Classifier, Recipe, Sizes, register_method
from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodInfo
from methods._base.recipe import PUBLISHED, for_transfer
from methods._parts.layers import linear_layer, linear_uniform, normal_parameter
from methods.mmrl import MMRL, RECIPE, MMRLConfig


class MMRLPlusPlusConfig(MMRLConfig):
    """MMRL's settings, and the extension's ranks and blending weight."""

    later = frozenset({"new_share_by_target"})
    rank: int = Field(4, ge=1, description="rank of each block's change of the shared map; 4, MMRLpp vit_b16.yaml")
    projection_rank: int = Field(64, ge=1, description="rank of the change of the projection; 64, MMRLpp vit_b16.yaml")
    new_share: float = Field(
        0.9,
        ge=0,
        le=1,
        description="of a block's own tokens in those it reads; 0.9, MMRLpp vit_b16.yaml; 0.1 to 0.9 by dataset",
    )
    new_share_by_target: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description="other values of `new_share` in tests on these datasets; 0.3 to 0.9 by target in transfer, MMRL"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        changed = min(self.blocks, sizes.text_blocks, sizes.image_blocks)
        widths = sizes.text_width + sizes.image_width
        changes = changed * ((self.rank + 1) * widths + 2 * self.rank * self.dim)
        projection = self.projection_rank * (sizes.image_width + sizes.embed_dim)
        return (self.n_tokens + widths) * self.dim + changes + projection


class SharedMap(nn.Module):
    """One linear map for all blocks, with a low-rank change and a bias for each block; the changes start at zero.

    Args:
        generator: draws the linear layer as torch initialises it, and the factors A uniform in +-1/sqrt(rank).
    """

    def __init__(self, dim: int, width: int, blocks: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        first = linear_layer(dim, width, generator)
        self.weight = first.weight
        self.biases = nn.ParameterList([first.bias.detach().clone() for _ in range(blocks)])
        self.up = nn.ParameterList([linear_uniform((width, rank), rank, generator) for _ in range(blocks)])
        self.down = nn.ParameterList([torch.zeros(rank, dim) for _ in range(blocks)])

    def forward(self, tokens: Float[Tensor, "n dim"]) -> list[Float[Tensor, "n width"]]:
        """The tokens of each block."""
        changes = zip(self.up, self.down, self.biases, strict=True)
        return [F.linear(tokens, self.weight + up @ down, bias) for up, down, bias in changes]


class SharedRepresentation(nn.Module):
    """The shared tokens, a map to each tower, and the change of the projection of the image tokens."""

    def __init__(self, c: MMRLPlusPlusConfig, blocks: int, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        width, rank = backbone.vision_width, c.projection_rank
        self.tokens = normal_parameter((c.n_tokens, c.dim), generator)
        self.to_image = SharedMap(c.dim, width, blocks, c.rank, generator)
        self.to_text = SharedMap(c.dim, backbone.text_width, blocks, c.rank, generator)
        self.projection_up = nn.Parameter(linear_uniform((width, rank), rank, generator))
        self.projection_down = nn.Parameter(torch.zeros(rank, backbone.embed_dim))

    def image_tokens(self) -> list[Float[Tensor, "n_tokens width"]]:
        """The image tower's tokens, block by block."""
        tokens: list[Tensor] = self.to_image(self.tokens)
        return tokens

    def text_tokens(self) -> list[Float[Tensor, "n_tokens width"]]:
        """The text tower's tokens, block by block."""
        tokens: list[Tensor] = self.to_text(self.tokens)
        return tokens


BY_DATASET: dict[str, dict[str, Any]] = {
    name: {"new_share": share, "weight": weight}
    for name, share, weight in (
        ("imagenet", 0.9, 0.2),
        ("caltech101", 0.6, 3.0),
        ("oxford_pets", 0.7, 0.01),
        ("stanford_cars", 0.7, 6.0),
        ("oxford_flowers", 0.4, 7.0),
        ("food101", 0.1, 1.0),
        ("fgvc_aircraft", 0.9, 2.0),
        ("sun397", 0.5, 3.0),
        ("dtd", 0.9, 7.0),
        ("eurosat", 0.2, 0.01),
        ("ucf101", 0.9, 3.0),
    )
}
"""Settings by dataset for few-shot and base-to-new, MMRL trainers/config.py."""
ON_TARGET = {
    "imagenet_v2": 0.9, "imagenet_sketch": 0.7, "imagenet_a": 0.8, "imagenet_r": 0.9, "caltech101": 0.6,
    "oxford_pets": 0.6, "stanford_cars": 0.3, "oxford_flowers": 0.4, "food101": 0.3, "fgvc_aircraft": 0.9,
    "sun397": 0.7, "dtd": 0.5, "eurosat": 0.3, "ucf101": 0.9,
}  # fmt: skip
"""`new_share` by target of transfer, MMRL trainers/config.py; tuned on each target."""
TRANSFER_SETTINGS = {"weight": 0.1, "new_share_by_target": ON_TARGET}
BASE_TO_NEW = RECIPE.model_copy(
    update={"source": "MMRL configs/trainers/MMRLpp/vit_b16.yaml; ImageNet: vit_b16_imagenet.yaml"}
)
FEW_SHOT = RECIPE.model_copy(
    update={
        "source": "MMRL configs/trainers/MMRLpp/vit_b16_few_shot.yaml; ImageNet: vit_b16_imagenet.yaml",
        "by_dataset": {"imagenet": {"epochs": 5, "batch_size": 32, "lr": 1e-3}},
        "lr": 2e-3,
        "epochs": 100,
        "batch_size": 32,
    }
)
TRANSFER = RECIPE.model_copy(
    update={
        "name": PUBLISHED,
        "by_dataset": {},
        "source": "MMRL configs/trainers/MMRLpp/vit_b16_cross_datasets.yaml",
        "epochs": 1,
        "batch_size": 32,
        "warmup": "none",
    }
)
RECIPES: dict[EvalProtocol, Recipe] = {EvalProtocol.FEW_SHOT: FEW_SHOT, EvalProtocol.BASE_TO_NEW: BASE_TO_NEW}


@register_method
class MMRLPlusPlus(MMRL):
    """MMRL's loss, on tokens from shared maps that keep part of their output of the block before."""

    info = MethodInfo(
        name="mmrl_pp",
        title="MMRL++",
        family="multimodal prompt",
        summary="MMRL with one map per tower, low-rank changes per block, and tokens that keep part of their output.",
        paper="2505.10088",
        code="yunncheng/MMRL",
        citation="""@article{guo2026mmrlpp,
  title = {MMRL++: Parameter-Efficient and Interaction-Aware Representation Learning for Vision-Language Models},
  author = {Guo, Yuncheng and Gu, Xiaodong},
  journal = {International Journal of Computer Vision},
  year = {2026}
}""",
        config=MMRLPlusPlusConfig,
        needs=frozenset({"features", "hidden"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"prompt_states", "text_tokens"}),
        recipes=RECIPES | for_transfer(TRANSFER),
        config_by_protocol={
            EvalProtocol.FEW_SHOT: {"by_dataset": BY_DATASET},
            EvalProtocol.BASE_TO_NEW: {"by_dataset": BY_DATASET},
            EvalProtocol.CROSS_DATASET: TRANSFER_SETTINGS,
            EvalProtocol.DOMAIN_GENERALIZATION: TRANSFER_SETTINGS | {"fused": False},
        },
    )

    config: MMRLPlusPlusConfig
    trainable: SharedRepresentation  # type: ignore[assignment]

    @property
    def kept(self) -> float:
        return 1 - self.config.new_share

    def classifier(self, classes: ClassSet) -> Classifier:
        shares = self.config.new_share_by_target
        if classes.dataset not in shares:
            return super().classifier(classes)
        on_target = copy.copy(self)
        on_target.config = self.config.model_copy(
            update={"new_share": shares[classes.dataset], "new_share_by_target": {}}
        )
        return on_target.classifier(classes)

    def new_representation(self, blocks: int) -> SharedRepresentation:  # type: ignore[override]
        return SharedRepresentation(self.config, blocks, self.backbone, self.generator)

    def project_inserted(self, states: Tensor) -> Tensor:
        part = self.trainable
        frozen = self.backbone.image_tower.project_to_joint_space(states)
        return frozen + states @ part.projection_up @ part.projection_down
