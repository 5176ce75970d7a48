"""CLIP-SVD: the singular values of every weight matrix in the blocks of both towers; their directions stay frozen.

Koleilat et al., "Singular Value Few-shot Adaptation of Vision-Language Models", 2025 (arXiv 2509.03740). Official
files: HealthX-Lab/CLIP-SVD `train.py`, `svf_utils/svf_torch.py`. With W = U diag(s) V, a layer computes

    x V^T diag(s) U^T + bias

for the query, key, value and output projections and both layers of the MLP. Only s is trained, starting at s0, the
singular values of the pretrained W. Weight decay pulls s towards zero, not towards s0. Here a layer's weight is
`W + U diag(s - s0) V`, so training starts exactly at the pretrained model.

The official base-to-new training uses a cosine with as many steps as epochs, so its learning rate falls and rises many
times (`schedule=wave`, the published setting; `schedule=cosine` is one decay). Few-shot and transfer decay once.

On medical datasets the official code tunes BiomedCLIP, with rates and epochs for each dataset (configs/few_shot,
configs/base2new). Those must be set by hand. With `rank` below 1, matrices lose their smallest singular values in all
blocks, trained or not.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, SupportView, cosine_logits, frozen_prompts, image_views, register_method
from methods._base.method_info import MethodConfig, MethodInfo, Sizes
from methods._base.recipe import PUBLISHED_BY_DATASET, for_transfer
from methods._parts.two_tower_methods import CLIP_LORA_RECIPE, TwoTowerMethod
from methods._text.templates import GENERIC_TEMPLATE
from methods._towers.blocks import BlockView

THIRDS = {"bottom": (0,), "middle": (1,), "top": (2,), "bottom_middle": (0, 1), "top_middle": (1, 2)}
THIRDS |= {"top_bottom": (0, 2), "all": (0, 1, 2)}
"""The trained thirds of a tower by the value of `layers`; 0 is the third next to the input."""


class CLIPSVDConfig(MethodConfig):
    """The trained blocks, the rank, and the scale of the logits."""

    later = frozenset({"layers", "rank", "template"})
    layers: Literal["all", "top", "middle", "bottom", "top_middle", "bottom_middle", "top_bottom"] = Field(
        "all",
        description="trained thirds of the blocks of both towers, `top` at the output; all, CLIP-SVD configs (one "
        "medical dataset: top_middle)",
    )
    rank: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the singular values of each matrix that are kept, the largest; a multiple of four of "
        "them; 1, CLIP-SVD main.py",
    )
    logit_scale: float | None = Field(None, gt=0, description="None: the backbone's own; the official code fixes 100")
    template: str = Field(
        "own",
        pattern=r"\{\}|^own$",
        description="class texts; `own`: the dataset's own, as in the CLIP-SVD configs, where three datasets differ in "
        "base-to-new and one in few-shot",
    )

    def trained(self, blocks: int) -> list[int]:
        """Indices of the trained ones of a tower's blocks. Of 12 blocks, a third is four."""
        bounds = [blocks * third // 3 for third in range(4)]
        return [i for third in THIRDS[self.layers] for i in range(bounds[third], bounds[third + 1])]

    def kept(self, full: int) -> int:
        """Number of singular values kept of `full`: a multiple of four, but at least one."""
        return max(int(full * self.rank) // 4 * 4, 1)

    def parameter_count(self, sizes: Sizes) -> int:
        text = self.kept(sizes.text_width) * len(self.trained(sizes.text_blocks))
        return 6 * (text + self.kept(sizes.image_width) * len(self.trained(sizes.image_blocks)))


class SingularValues(nn.Module):
    """The singular values of one frozen matrix `(out, inner)`, largest first; U and V are not learned.

    Args:
        config: says how many values are kept; the matrix loses the others.
        trained: whether the kept values are learned.
    """

    u: Tensor
    start: Tensor
    v: Tensor
    lost: Tensor | None

    def __init__(self, frozen: Float[Tensor, "out inner"], config: CLIPSVDConfig, trained: bool) -> None:
        super().__init__()
        u, s, v = torch.linalg.svd(frozen.detach(), full_matrices=False)
        kept = config.kept(len(s))
        lost = (u[:, kept:] * s[kept:]) @ v[kept:] if kept < len(s) else None
        u, s, v = u[:, :kept], s[:kept], v[:kept]
        if trained:
            self.values = nn.Parameter(s.clone())
        else:
            self.register_buffer("values", s, persistent=False)
        for name, tensor in (("u", u), ("start", s), ("v", v), ("lost", lost)):
            self.register_buffer(name, tensor, persistent=False)

    def change(self) -> Float[Tensor, "out inner"]:
        """The matrix that is added to the frozen one."""
        changed: Tensor = (self.u * (self.values - self.start)) @ self.v
        return changed if self.lost is None else changed - self.lost


class BlockSingularValues(nn.Module):
    """The singular values of one block's six matrices; the arguments are those of `SingularValues`."""

    def __init__(self, block: Any, config: CLIPSVDConfig, trained: bool) -> None:
        super().__init__()
        projections: Sequence[Tensor] = block.attn.in_proj_weight.chunk(3)
        self.qkv = nn.ModuleList([SingularValues(frozen, config, trained) for frozen in projections])
        self.out = SingularValues(block.attn.out_proj.weight, config, trained)
        self.inner = SingularValues(block.mlp.c_fc.weight, config, trained)
        self.outer = SingularValues(block.mlp.c_proj.weight, config, trained)

    def view(self, block: Any, frozen: BlockView) -> BlockView:
        """The block with the changed matrices."""
        attention, mlp = block.attn, block.mlp
        parts: Sequence[Any] = list(self.qkv)
        projections = attention.in_proj_weight + torch.cat([part.change() for part in parts])
        out = attention.out_proj.weight + self.out.change()
        inner, outer = mlp.c_fc.weight + self.inner.change(), mlp.c_proj.weight + self.outer.change()

        def qkv(normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            q, k, v = F.linear(normed, projections, attention.in_proj_bias).chunk(3, dim=-1)
            return q, k, v

        return replace(
            frozen,
            qkv=qkv,
            out=lambda attended: F.linear(attended, out, attention.out_proj.bias),
            mlp=lambda x: F.linear(mlp.gelu(F.linear(x, inner, mlp.c_fc.bias)), outer, mlp.c_proj.bias),
        )


class TowerSingularValues(nn.Module):
    """The singular values of every block of a tower; those of the blocks in `layers` are trained."""

    def __init__(self, blocks: Sequence[Any], config: CLIPSVDConfig) -> None:
        super().__init__()
        chosen = config.trained(len(blocks))
        self.blocks = nn.ModuleList([BlockSingularValues(block, config, i in chosen) for i, block in enumerate(blocks)])

    def views(self, blocks: Sequence[Any], frozen: Sequence[BlockView]) -> list[BlockView]:
        """The tower's blocks with the changed matrices."""
        parts: Sequence[Any] = list(self.blocks)
        return [part.view(*pair) for part, *pair in zip(parts, blocks, frozen, strict=True)]


FEW_SHOT = CLIP_LORA_RECIPE.model_copy(
    update={
        "source": "CLIP-SVD train.py (`run_training`), configs/few_shot, configs/cross_dataset",
        "lr": 5e-4,
        "steps_per_shot": 200,
    }
)
_TEN_EPOCHS = ("imagenet", "food101", "sun397", "stanford_cars", "oxford_flowers", "ucf101")
"""Datasets with fewer epochs in configs/base2new."""
BASE_TO_NEW = FEW_SHOT.model_copy(
    update={
        "name": PUBLISHED_BY_DATASET,
        "source": "CLIP-SVD train.py (`run_other_training`), configs/base2new (20 epochs, 10 on six datasets)",
        "by_dataset": {name: {"epochs": 10} for name in _TEN_EPOCHS},
        "lr": 4e-4,
        "steps_per_shot": 0,
        "epochs": 20,
        "schedule": "wave",
    }
)


@register_method
class CLIPSVD(TwoTowerMethod[CLIPSVDConfig]):
    """Cross-entropy on `scale * cos(image, text)` of towers with other singular values."""

    info = MethodInfo(
        name="clip_svd",
        title="CLIP-SVD",
        family="weight adapter",
        summary="The singular values of the weight matrices of both towers; the singular vectors stay frozen.",
        paper="2509.03740",
        code="HealthX-Lab/CLIP-SVD",
        citation="""@article{koleilat2025clipsvd,
  title = {Singular Value Few-shot Adaptation of Vision-Language Models},
  author = {Koleilat, Taha and Rivaz, Hassan and Xiao, Yiming},
  journal = {arXiv preprint arXiv:2509.03740},
  year = {2025}
}""",
        config=CLIPSVDConfig,
        needs=frozenset({"pixels"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"image_blocks", "text_blocks"}),
        recipes={EvalProtocol.FEW_SHOT: FEW_SHOT, EvalProtocol.BASE_TO_NEW: BASE_TO_NEW} | for_transfer(FEW_SHOT),
        config_by_protocol={
            EvalProtocol.FEW_SHOT: {"by_dataset": {"food101": {"template": "a photo of a {}, a type of food."}}},
            EvalProtocol.BASE_TO_NEW: {
                "by_dataset": {name: {"template": GENERIC_TEMPLATE} for name in ("dtd", "eurosat", "ucf101")}
            },
        },
        starts_as_zero_shot={"rank": 1.0},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        image = self.backbone.image_tower
        image_views(image)  # raises for a tower without such blocks
        self.frozen_blocks: Sequence[Any] = list(image.visual.transformer.resblocks)
        self.text = TowerSingularValues(self.backbone.text_tower.blocks, self.config)
        self.image = TowerSingularValues(self.frozen_blocks, self.config)
        self.trainable = nn.ModuleDict({"text": self.text, "image": self.image})

    def text_features(self, classes: ClassSet) -> Tensor:
        tower = self.backbone.text_tower
        template = classes.template if self.config.template == "own" else self.config.template
        prompts = frozen_prompts(self.backbone.class_tokens(classes, template))
        return self.backbone.encode_prompts(prompts, blocks=self.text.views(tower.blocks, tower.views))

    def image_blocks(self) -> list[BlockView]:
        """The blocks of the image tower with the changed matrices."""
        return self.image.views(self.frozen_blocks, image_views(self.backbone.image_tower))

    def image_features(self, batch: Batch, blocks: Sequence[BlockView] | None = None) -> Tensor:
        return self.backbone.encode_image(batch.pixels, blocks=blocks or self.image_blocks())

    def classifier(self, classes: ClassSet) -> Classifier:
        text, blocks = self.text_features(classes), self.image_blocks()
        scale = self.config.logit_scale or self.backbone.logit_scale
        return lambda batch: cosine_logits(self.image_features(batch, blocks), text, scale)
