"""IVLP: independent deep prompts in both towers, trained together.

The baseline of the MaPLe paper (Khattak et al., CVPR 2023). Official file: muzairkhattak/multimodal-prompt-learning
`trainers/independentVL.py`. More than four text tokens start at random in that file, because the initial words are
`a photo of a`.
"""

from pydantic import Field

from datasets_registry import EvalProtocol
from methods import ComposedMethod, Family, Recipe, composed_info, register_method
from methods._parts.citations import MAPLE_PAPER
from methods._parts.context_initialisation import WordedContextConfig
from methods._parts.part_declarations import text_context, visual_prompts


class IVLPConfig(WordedContextConfig):
    """Number and depth of the prompts of both towers."""

    n_text: int = Field(2, ge=1, le=70, description="text tokens per block; 2, MaPLe repository")
    n_visual: int = Field(2, ge=1, description="visual tokens per block; 2, MaPLe repository")
    text_depth: int = Field(0, ge=0, description="prompted text blocks, 0 = every one (12 of 12 published)")
    visual_depth: int = Field(0, ge=0, description="prompted image blocks, 0 = every one (12 of 12 published)")
    worded_init: bool = Field(True, description="start the input context at `ctx_init`, if it has enough words")


RECIPE = Recipe(
    source="MaPLe repository, configs/trainers/IVLP; printed for base-to-new, reused for few-shot",
    lr=0.0035,
    epochs=5,
    batch_size=4,
)


@register_method
class IVLP(ComposedMethod[IVLPConfig]):
    """Cross-entropy on `scale * cos(prompted image, prompted text)`."""

    parts = (text_context(words="ctx_init if worded_init else ''"), visual_prompts())
    info = composed_info(
        parts,
        name="ivlp",
        title="IVLP",
        family=Family.MULTIMODAL_PROMPT,
        summary="Independent deep prompts in the text and in the image tower.",
        citation=MAPLE_PAPER,
        config=IVLPConfig,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )
