"""CoOp: learned context vectors before (or around) the class name; everything else is frozen.

Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022. Official file: KaiyangZhou/CoOp
`trainers/coop.py`. There, an initialisation with words silently turns class-specific contexts off and overrides the
number of vectors. Here the combination is an error, and the words of `ctx_init` always set the number of vectors.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from datasets_registry import EvalProtocol
from methods import Context, MethodInfo, Recipe, Sizes, SupportView, register_method
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._parts.prompts import SizedContextConfig, initial_context
from methods._parts.two_tower_methods import ContextMethod
from methods._text.prompt_embeddings import Position


class CoOpConfig(SizedContextConfig):
    """Length, position and initialisation of the context."""

    n_ctx: int = Field(16, ge=1, le=70, description="context vectors; 16, CoOp section 4.1. With `ctx_init`: its words")
    ctx_init: str = Field(
        "", description="words that initialise the context, such as `a photo of a`; empty: random, N(0, 0.02)"
    )
    class_position: Position = Field("end", description="position of the class name: end, middle or front")
    class_specific: bool = Field(False, description="a context for each class (CSC); ties the method to its classes")

    @model_validator(mode="after")
    def _words_are_shared(self) -> CoOpConfig:
        if self.class_specific and self.ctx_init:
            raise ValueError("class_specific contexts start at random in CoOp; drop ctx_init or class_specific.")
        return self

    def closed_vocabulary(self) -> bool:
        return self.class_specific

    def parameter_count(self, sizes: Sizes) -> int:
        return self.length * sizes.text_width * (sizes.n_classes if self.class_specific else 1)


RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="CoOp configs/trainers/CoOp/{vit_b16,vit_b16_ep50}.yaml, COOP.md (ImageNet: 50 epochs with any shots); "
    "weight decay: Dassl's default",
    epochs=200,
    epochs_by_shots={1: 50, 2: 100, 4: 100},
    by_dataset={"imagenet": {"epochs": 50}},
)


@register_method
class CoOp(ContextMethod[CoOpConfig]):
    """Cross-entropy on `scale * cos(frozen image feature, text of [ctx] name.)`."""

    info = MethodInfo(
        name="coop",
        title="CoOp",
        family="text prompt",
        summary="Learned context vectors in the text input, shared by all classes or one set per class.",
        paper="2109.01134",
        code="KaiyangZhou/CoOp",
        citation="""@article{zhou2022coop,
  title = {Learning to Prompt for Vision-Language Models},
  author = {Zhou, Kaiyang and Yang, Jingkang and Loy, Chen Change and Liu, Ziwei},
  journal = {International Journal of Computer Vision},
  year = {2022}
}""",
        config=CoOpConfig,
        open_vocabulary=True,
        learns_text=True,
        recipes={
            EvalProtocol.FEW_SHOT: RECIPE,
            EvalProtocol.BASE_TO_NEW: Recipe(
                name=PUBLISHED_BY_DATASET,
                source="CoCoOp's CoOp rows: CoOp configs/trainers/CoOp/{vit_b16_ctxv1,vit_b16_ep50_ctxv1}.yaml, "
                "COOP.md (ImageNet: 50 epochs in all settings)",
                epochs=200,
                by_dataset={"imagenet": {"epochs": 50}},
            ),
            EvalProtocol.CROSS_DATASET: Recipe(
                source="CoCoOp's CoOp row: CoOp configs/trainers/CoOp/vit_b16_ep50_ctxv1.yaml", epochs=50
            ),
            EvalProtocol.DOMAIN_GENERALIZATION: Recipe(
                source="CoOp's own table (M=16; set n_ctx=4 for its other row): vit_b16_ep50.yaml", epochs=50
            ),
        },
        config_by_protocol={
            EvalProtocol.BASE_TO_NEW: {"ctx_init": "a photo of a"},
            EvalProtocol.CROSS_DATASET: {"ctx_init": "a photo of a"},
        },
        starts_as_zero_shot={"ctx_init": "a photo of a"},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, width = self.config, self.backbone.text_width
        shape = (len(support.classes), c.length, width) if c.class_specific else (c.length, width)
        ctx = initial_context(c.ctx_init, shape, self.backbone, self.generator)
        self.trainable = Context(ctx, c.class_position).to(self.backbone.device)
