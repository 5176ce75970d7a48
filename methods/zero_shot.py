"""Zero-shot CLIP: class texts as the classifier; nothing is learned.

Radford et al., ICML 2021. Official files: CoOp `trainers/zsclip.py` for the templates and the arithmetic of the
ensemble (each template's features are normalised, averaged, and normalised again). CLIP's own lists of templates by
dataset (openai/CLIP `data/prompts.md`) are not used; `ensemble=imagenet80` is its list for ImageNet.
"""

from typing import Literal

from pydantic import Field

from datasets_registry import ClassSet
from methods import Classifier, Method, MethodConfig, MethodInfo, cosine_logits, register_method
from methods._parts.citations import CLIP_PAPER
from methods._parts.feature_methods import mean_of_normalised
from methods._text.templates import TEMPLATE_LISTS

ENSEMBLES: dict[str, tuple[str, ...]] = {"none": (), **TEMPLATE_LISTS}


class ZeroShotConfig(MethodConfig):
    """The class texts of the classifier."""

    template: str | None = Field(
        None, description="instead of the dataset's own template (CoOp's table)", pattern=r"\{\}"
    )
    ensemble: Literal["none", "select7", "imagenet80", "generic60"] = Field(
        "none", description="generic templates to average over"
    )
    own_template: bool = Field(
        True, description="an ensemble also averages the dataset's own template (CoOp; false for ImageNet)"
    )


@register_method
class ZeroShot(Method[ZeroShotConfig]):
    """`scale * cos(image, text)` with frozen features."""

    info = MethodInfo(
        name="zero_shot",
        title="Zero-shot CLIP",
        family="zero-shot",
        summary="The frozen model with class texts as the classifier; the baseline of every gain.",
        paper="2103.00020",
        code="openai/CLIP",
        citation=CLIP_PAPER,
        config=ZeroShotConfig,
        open_vocabulary=True,
    )

    def classifier(self, classes: ClassSet) -> Classifier:
        template = self.config.template or classes.template
        templates = ENSEMBLES[self.config.ensemble]
        if not templates or self.config.own_template:
            templates = (*templates, template)
        text = mean_of_normalised([self.backbone.class_texts(classes, t) for t in templates])
        return lambda batch: cosine_logits(batch.features, text, self.backbone.logit_scale)
