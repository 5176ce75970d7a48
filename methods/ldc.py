"""LDC: adapters on four levels of the image tower, and a learned correction of CLIP's logits.

Li et al., "Logits DeConfusion with CLIP for Few-Shot Learning", CVPR 2025. Official files: LiShuo1001/LDC
`clip_ldc/model.py`, `ldc_train.py`. With tokens x_l after the last but six, four, two and zero blocks, the feature f,
class texts t, and M(.) = linear, batch norm, ReLU, linear without biases:

    v     = P sum_l s_l mean_tokens ReLU(norm(W_l x_l))                  s = 0.1, 0.2, 0.3, 0.4; P the frozen projection
    zero  = scale cos(f, t)
    mlp   = M_0(v)
    clear = zero + M_3(M_1(zero) + M_2(v))
    total = g mlp + (1 - g) clear                                        g = sigmoid(M_4(v)), one number for each image
    loss  = CE(mlp) + CE(clear) + CE(total) + mean |mlp - zero| + mean |clear - zero|

Logits are `total`. The published numbers are those of b mlp + (1 - b) clear, with b searched on the full validation
split, for ImageNet on the test images. In the official log they are 0.3 to 1.6 points above those of `total`, on
average over the datasets. `--set ldc.mlp_share=0.4` sets b. Official code for ResNets has other adapters, which are not
here. A tower of fewer than seven blocks lacks the first levels; there its first block stands for them.

Batch norm uses the statistics of the batch in training, and their running averages (momentum 0.1) at test. A batch of a
single image, at which the official code stops, uses the averages. On a GPU the official code trains the linear layers
in half precision; here all layers have single precision.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import (
    Batch,
    Classifier,
    MethodInfo,
    Recipe,
    Sizes,
    SupportView,
    TrainableMethod,
    cosine_logits,
    register_method,
)
from methods._parts.feature_methods import SELECT7_ON_IMAGENET, LogitScaleSetting, TextConfig, template_ensemble
from methods._parts.layers import drawn_from

STEP = 2
"""Blocks between two levels; official code."""


class LDCConfig(TextConfig):
    """Widths and shares."""

    hidden: int = Field(2048, ge=1, description="width of M_0; 2048, the official code for vision transformers")
    level_shares: tuple[float, float, float, float] = Field(
        (0.1, 0.2, 0.3, 0.4), description="shares of the levels, the first one first; fuse_type 2"
    )
    mlp_share: float | None = Field(None, ge=0, le=1, description="share of M_0 at test; null: g (tot_logits)")
    logit_scale: LogitScaleSetting = None

    def parameter_count(self, sizes: Sizes) -> int:
        width, dim, n = sizes.image_width, sizes.embed_dim, sizes.n_classes
        levels = len(self.level_shares) * (width + 2) * width
        return levels + self.hidden * (dim + n + 2) + dim * (2 * n + 5 * dim + 9)


RECIPE = Recipe(
    source="LDC ldc_train.py: AdamW 1e-4 (lr / 10), decay 1e-4, cosine to 0, 50 epochs, crops of at least 0.8",
    optimizer="adamw",
    lr=1e-4,
    eps=1e-4,
    weight_decay=1e-4,
    epochs=50,
    batch_size=64,
    drop_last=False,
    schedule="cosine",
    warmup="none",
    crop_scale=(0.8, 1.0),
)


def perceptron(inner: int, middle: int, out: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear."""
    return nn.Sequential(
        nn.Linear(inner, middle, bias=False), nn.BatchNorm1d(middle), nn.ReLU(), nn.Linear(middle, out, bias=False)
    )


def level_blocks(depth: int, levels: int) -> list[int]:
    """Number of blocks before each level."""
    return [max(1, depth - STEP * back) for back in reversed(range(levels))]


class Deconfusion(nn.Module):
    """The adapters of the levels and the perceptrons M_0 to M_4."""

    def __init__(self, c: LDCConfig, sizes: tuple[int, int], n_classes: int) -> None:
        super().__init__()
        width, dim = sizes
        self.shares = c.level_shares
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width, bias=False), nn.LayerNorm(width), nn.ReLU()) for _ in self.shares
        )
        self.mlp = perceptron(dim, c.hidden, n_classes)
        self.from_logits = perceptron(n_classes, dim, dim)
        self.from_image = perceptron(dim, dim, dim)
        self.correction = perceptron(dim, dim, n_classes)
        self.gate = perceptron(dim, dim, 1)

    def fused(self, tokens: Float[Tensor, "4 batch tokens width"]) -> Float[Tensor, "batch width"]:
        """The adapted levels, weighted, before the projection."""
        adapted = (adapter(level).mean(dim=1) for adapter, level in zip(self.levels, tokens, strict=True))
        return torch.stack(
            [share * adapted_level for share, adapted_level in zip(self.shares, adapted, strict=True)]
        ).sum(dim=0)

    def forward(
        self, zero_shot: Float[Tensor, "batch n_cls"], image: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, "batch n_cls"], Float[Tensor, "batch n_cls"], Float[Tensor, "batch 1"]]:
        """`mlp`, `clear` and g."""
        clear = zero_shot + self.correction(self.from_logits(zero_shot) + self.from_image(image))
        return self.mlp(image), clear, self.gate(image).sigmoid()


@register_method
class LDC(TrainableMethod[LDCConfig]):
    """`g mlp + (1 - g) clear`."""

    info = MethodInfo(
        name="ldc",
        title="LDC",
        family="feature adapter",
        summary="Adapters on four levels of the image tower, and a learned correction of CLIP's logits.",
        paper="2504.12104",
        code="LiShuo1001/LDC",
        citation="""@inproceedings{li2025logits,
  title = {Logits DeConfusion with CLIP for Few-Shot Learning},
  author = {Li, Shuo and Liu, Fang and Hao, Zehua and others},
  booktitle = {CVPR},
  year = {2025}
}""",
        config=LDCConfig,
        needs=frozenset({"pixels"}),
        open_vocabulary=False,
        vision_transformer=True,
        tower_use=frozenset({"prompt_states"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE},
        config_by_protocol={EvalProtocol.FEW_SHOT: {"by_dataset": SELECT7_ON_IMAGENET}},
    )

    trainable: Deconfusion

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        b, c = self.backbone, self.config
        self.text = template_ensemble(b, support.classes, c.templates)
        self.scale = c.logit_scale or b.logit_scale
        self.blocks = level_blocks(b.vision_depth, len(c.level_shares))
        sizes = b.vision_width, b.embed_dim
        with drawn_from(self.generator):
            self.trainable = Deconfusion(c, sizes, len(support.classes)).to(b.device)

    def image_inputs(self, batch: Batch) -> tuple[Float[Tensor, "batch n_cls"], Float[Tensor, "batch dim"]]:
        """Zero-shot logits, and v."""
        tower, tokens = self.backbone.image_tower, self.backbone.image_levels(batch.pixels, self.blocks)
        feature = tower.project_to_joint_space(tower.pool(tokens[-1], 0))
        fused = tower.project_to_joint_space(self.trainable.fused(tokens))
        return cosine_logits(feature, self.text, self.scale), fused

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor]:
        zero_shot, image = self.image_inputs(batch)
        self.trainable.train(len(image) > 1)
        mlp, clear, gate = self.trainable(zero_shot, image)
        total = gate * mlp + (1 - gate) * clear
        classification = torch.stack([F.cross_entropy(logits, batch.labels) for logits in (mlp, clear, total)]).sum()
        return classification, F.l1_loss(mlp, zero_shot) + F.l1_loss(clear, zero_shot)

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        share = self.config.mlp_share

        def classify(batch: Batch) -> Tensor:
            mlp, clear, gate = self.trainable.eval()(*self.image_inputs(batch))
            weight = gate if share is None else share
            logits: Tensor = weight * mlp + (1 - weight) * clear
            return logits

        return classify
