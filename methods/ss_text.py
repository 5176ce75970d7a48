"""SS-Text: a linear probe that stays near the class texts, solved in closed form.

Silva-Rodriguez et al., "Full Conformal Adaptation of Medical Vision-Language Models", IPMI 2025, and "Few-Shot, Now for
Real: Medical VLMs Adaptation without Balanced Sets or Validation", MICCAI 2025. Official file: jusiro/SS-Text
`solvers/sstext.py`:

    logits = scale cos(f, w_c)          w_c = scale / (N lambda_c) sum_{i of c} f_i + t_c,  lambda_c >= 0.001

N is the number of support images, and t_c the mean of the class's texts, not normalised again. The official texts are
medical prompts; here they are the templates. Images are the centre views. lambda, the weight of the texts, is 1 / N
here and 1 / (images of c) in SS-Text+. Nothing is searched. A class without images keeps its text.

Two of the three official models normalise their features first, and so does this method. The third (CONCH) does not;
this is `normalise=false`.
"""

from typing import Annotated, Literal, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, PositiveFloat
from torch import Tensor

from datasets_registry import ClassSet
from methods import Classifier, Method, MethodInfo, SupportView, cosine_logits, register_method
from methods._parts.feature_methods import LogitScaleSetting, TextConfig, template_features

SMALLEST_LAMBDA = 1e-3
"""Official code."""


TextWeight = Annotated[
    Literal["support", "class", "zero_shot"] | PositiveFloat,
    Field(
        description="lambda: 1 / support images, 1 / images of the class, the class's mean zero-shot probability on "
        "its own images, or a number (0.1 in the official code)"
    ),
]
Repel = Annotated[bool, Field(description="move each row one unit away from the others")]


class TextProbeConfig(TextConfig):
    """The class texts, and whether features are normalised."""

    normalise: bool = Field(True, description="normalise images and texts first; two of three official models do")
    logit_scale: LogitScaleSetting = None


class SSTextConfig(TextProbeConfig):
    """The weight of the texts, and the repulsion."""

    text_weight: TextWeight = "support"
    repel: Repel = False


ProbeConfigT = TypeVar("ProbeConfigT", bound=TextProbeConfig)
ConfigT = TypeVar("ConfigT", bound=SSTextConfig)


class TextProbe(Method[ProbeConfigT]):
    """`scale cos(f, w_c)`, with a row w_c for each class that `prepare` computes from images and class texts."""

    rows: Float[Tensor, "n_cls dim"]

    @property
    def scale(self) -> float:
        """The factor on the cosine."""
        return self.config.logit_scale or self.backbone.logit_scale

    def given(self, features: Float[Tensor, "*n dim"]) -> Float[Tensor, "*n dim"]:
        """Features of images or texts as the rows use them."""
        return F.normalize(features, dim=-1) if self.config.normalise else features

    def text(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """The mean of each class's texts, not normalised again."""
        return self.given(template_features(self.backbone, classes, self.config.templates)).mean(dim=0)

    def tuned_state(self) -> dict[str, Tensor]:
        """The rows of the classifier."""
        return {"rows": self.rows}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.rows = state["rows"]

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        return lambda batch: cosine_logits(batch.features, self.rows, self.scale)


@register_method
class SSText(TextProbe[ConfigT]):
    """`scale cos(f, w_c)` with `w_c` between the class's images and its text."""

    info = MethodInfo(
        name="ss_text",
        title="SS-Text",
        family="classifier",
        summary="A linear probe that stays near the class texts, in closed form and without any search.",
        paper="2506.06076",
        code="jusiro/SS-Text",
        citation="""@inproceedings{silvarodriguez2025fca,
  title = {Full Conformal Adaptation of Medical Vision-Language Models},
  author = {Silva-Rodriguez, Julio and Fillioux, Leo and Cournede, Paul-Henry and others},
  booktitle = {IPMI},
  year = {2025}
}""",
        config=SSTextConfig,
        open_vocabulary=False,
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        image, text = self.given(support.features()), self.text(support.classes)
        members = F.one_hot(support.labels, len(text)).to(image.dtype)
        share = self.text_weights(image, text, members).clamp(min=SMALLEST_LAMBDA) * len(image)
        self.rows = self.scale * (members.T @ image) / share[:, None] + text
        if self.config.repel:
            self.rows = self.rows - F.normalize(2 * self.rows - self.rows.mean(dim=0), dim=-1)

    def text_weights(
        self, image: Float[Tensor, "n dim"], text: Float[Tensor, "n_cls dim"], members: Float[Tensor, "n n_cls"]
    ) -> Float[Tensor, " n_cls"]:
        """Lambda of each class. If it depends on the number of images, it is infinite for a class without any."""
        weight, counts = self.config.text_weight, members.sum(dim=0)
        if weight == "class":
            return 1 / counts
        if weight == "zero_shot":
            true_class = (members * cosine_logits(image, text, self.scale).softmax(dim=1)).sum(dim=0) / counts
            return torch.where(counts > 0, true_class, true_class[counts > 0].mean())
        return torch.full_like(counts, 1 / len(image) if weight == "support" else weight)
