"""CLIP-Adapter: a small bottleneck network on the image feature, blended with the feature itself.

Gao et al., "CLIP-Adapter: Better Vision-Language Models with Feature Adapters", IJCV 2024 (arXiv 2110.04544). Official
file: gaopengcuhk/CLIP-Adapter `clip_adapter.py`. The network has no biases and a ReLU after both layers. It acts on the
unnormalised feature of the image side only.

The recipe is that of the released code, which produced the comparisons of later papers. The paper has a rate of 1e-5
(`--set clip_adapter.recipe.lr=1e-5`) and searches the ratio for each dataset.
"""

from pydantic import Field

from datasets_registry import EvalProtocol
from methods import BottleneckAdapter, MethodConfig, MethodInfo, Recipe, Sizes, register_method
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._parts.two_tower_methods import ComposedMethod, Parts


class CLIPAdapterConfig(MethodConfig):
    """Width and blending ratio of the adapter."""

    ratio: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of the adapter's output; 0.2 in the released file, searched for each dataset in the paper",
    )
    reduction: int = Field(4, ge=1, description="hidden width is the feature's divided by this; 4 in the released file")

    def parameter_count(self, sizes: Sizes) -> int:
        return 2 * sizes.embed_dim * (sizes.embed_dim // self.reduction)


SOURCE = (
    "released clip_adapter.py reuses CoOp's Dassl settings (it has no config of its own); ImageNet: CoOp's 50 epochs"
)
RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source=SOURCE,
    epochs=200,
    epochs_by_shots={1: 50, 2: 100, 4: 100},
    by_dataset={"imagenet": {"epochs": 50}},
)


@register_method
class CLIPAdapter(ComposedMethod[CLIPAdapterConfig]):
    """`cos(r A(f) + (1 - r) f, text)` with frozen class texts of the dataset's template."""

    info = MethodInfo(
        name="clip_adapter",
        title="CLIP-Adapter",
        family="feature adapter",
        summary="A residual bottleneck adapter on the frozen image feature.",
        paper="2110.04544",
        code="gaopengcuhk/CLIP-Adapter",
        citation="""@article{gao2024clipadapter,
  title = {CLIP-Adapter: Better Vision-Language Models with Feature Adapters},
  author = {Gao, Peng and Geng, Shijie and Zhang, Renrui and others},
  journal = {International Journal of Computer Vision},
  year = {2024}
}""",
        config=CLIPAdapterConfig,
        open_vocabulary=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )

    def make_parts(self) -> Parts:
        c, dim = self.config, self.backbone.embed_dim
        return Parts(visual_adapter=BottleneckAdapter(dim, dim // c.reduction, c.ratio, self.generator))
