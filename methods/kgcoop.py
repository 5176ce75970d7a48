"""KgCoOp: CoOp's context with a penalty on the distance to the hand-written class texts.

Yao, Zhang and Xu, "Visual-Language Prompt Tuning with Knowledge-guided Context Optimization", CVPR 2023. Official file:
htyao89/KgCoOp `trainers/kgcoop.py`. The meta network, bias and adapter, which that file builds but never uses, are left
out. Loss: `CE + weight * (1 - mean_c cos(w_c, t_c))`, with w_c the learned and t_c the frozen text of class c. Contexts
with words always start at `a photo of a`. For DTD the wording of the frozen texts differs from CoOp's.
"""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Context, MethodInfo, Recipe, Sizes, SupportView, register_method
from methods._parts.prompts import WordedContextConfig, initial_context, word_count
from methods._parts.two_tower_methods import ContextMethod
from methods._text.templates import KGCOOP_WORDING


class KgCoOpConfig(WordedContextConfig):
    """The context and the weight of the penalty."""

    weight: float = Field(8.0, ge=0, description="weight of the distance to frozen texts; 8, paper section 4.1")
    worded_init: bool = Field(True, description="start at the words of `ctx_init`, the published setting")
    n_ctx: int = Field(
        4, ge=1, le=70, description="vectors of a random start; 4, KgCoOp scripts. With words: one for each"
    )

    @property
    def length(self) -> int:
        """Context vectors in effect."""
        return word_count(self.words) if self.words else self.n_ctx

    @property
    def words(self) -> str:
        """The words in effect; empty for a random start."""
        return self.ctx_init if self.worded_init else ""

    def parameter_count(self, sizes: Sizes) -> int:
        return self.length * sizes.text_width


RECIPE = Recipe(
    source="KgCoOp configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml; printed for both protocols, xd_train.sh",
    epochs=100,
    batch_size=128,
)


@register_method
class KgCoOp(ContextMethod[KgCoOpConfig]):
    """CoOp's cross-entropy plus the distance between learned and frozen class texts."""

    wording = KGCOOP_WORDING
    info = MethodInfo(
        name="kgcoop",
        title="KgCoOp",
        family="text prompt",
        summary="CoOp's context, kept near the hand-written class texts by a penalty.",
        paper="2303.13283",
        code="htyao89/KgCoOp",
        citation="""@inproceedings{yao2023kgcoop,
  title = {Visual-Language Prompt Tuning with Knowledge-guided Context Optimization},
  author = {Yao, Hantao and Zhang, Rui and Xu, Changsheng},
  booktitle = {CVPR},
  year = {2023}
}""",
        config=KgCoOpConfig,
        open_vocabulary=True,
        learns_text=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
        starts_as_zero_shot={"worded_init": True, "ctx_init": "a photo of a"},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        b = self.backbone
        ctx = initial_context(self.config.words, (self.config.n_ctx, b.text_width), b, self.generator)
        self.trainable = Context(ctx).to(b.device)

    def teacher(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """The frozen texts, unnormalised."""
        return self.frozen_text(classes, self.class_template(classes))

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        return self.loss_near_texts(batch, self.teacher(self.support_classes), self.config.weight)
