"""TIMO: Gaussian discriminant analysis in which images weight the class texts, and texts are added to the images.

Li et al., "Text and Image Are Mutually Beneficial: Enhancing Training-Free Few-Shot Classification with CLIP", AAAI
2025. Official files: lyymuwu/TIMO `models.py`, `utils.py`, `extract_features_all.py`. There is no training:

    logits = alpha f t'_c + W_c f + b_c             m_cp = v_c . t_cp
    t'_c = sum_p softmax_p(gamma m_cp / |m_c|) t_cp, normalised

v_c is the normalised mean of a class's images and t_cp its texts. W and b are GDA's shrunk estimate (see `gda`) from
the augmented image vectors and the beta best texts of each class, each times its m_cp. By default beta is the number of
texts; a larger beta repeats them. The published search for alpha used the full validation split (for ImageNet the test
images); here it uses the few validation images.

The published texts are the dataset's template and CuPL's sentences from a language model, cut to the shortest list.
`--class-text descriptions:FILE` gives such sentences. Without it, the texts are templates, by default the dataset's and
CLIP's eighty.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Backbone, Batch, Classifier, MethodInfo, SupportView, register_method, template_features
from methods._parts.feature_methods import GridSearchMethod, Template, TextConfig, correct_by_weight, first_best
from methods.gda import gaussian_discriminant, shrunk_precision

ALPHAS = tuple(10.0**i for i in range(-4, 5))
"""Values of alpha, searched in this order; the first of equally good values wins. Official code."""
PUBLISHED_SETTINGS: Mapping[str, Any] = {"by_dataset": {"imagenet": {"gamma": 1.0}, "oxford_flowers": {"gamma": 100.0}}}
"""What differs from the defaults: `image_guide_text` in utils.py."""


class TIMOConfig(TextConfig):
    """The texts, and the numbers alpha, beta and gamma."""

    templates: tuple[Template, ...] = Field(
        ("own", "imagenet80"),
        min_length=1,
        description="texts of a class where it has no descriptions: `own` (the dataset's), `select7` or `imagenet80` "
        "(lists), or a text with {}; published: descriptions of a language model. Imported features need `own`",
    )
    alpha: float = Field(
        100.0, gt=0, description="factor on the cosine to the text where it is not searched; 100, CLIP's own"
    )
    gamma: float = Field(
        50.0, ge=0, description="how sharply images choose among texts; 1 for ImageNet, 100 for Flowers, else 50"
    )
    joining_texts: int | None = Field(
        None, ge=1, description="beta, the texts of a class that join its images; null: each once"
    )
    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="alpha searched on the few validation images, as it is, all values averaged, or best on test",
    )
    views: int = Field(10, ge=1, description="augmented views, each a vector of its own; 10 in all configs")
    crop_scale: tuple[float, float] = Field((0.5, 1.0), description="area range of their crops; official transform")


@register_method
class TIMO(GridSearchMethod[TIMOConfig]):
    """`alpha f t' + W f + b`."""

    config: TIMOConfig

    info = MethodInfo(
        name="timo",
        title="TIMO",
        family="classifier",
        summary="Gaussian discriminant analysis in which images choose among texts and texts join the images.",
        paper="2412.11375",
        code="lyymuwu/TIMO",
        uses=("outside texts",),
        citation="""@inproceedings{li2025timo,
  title = {Text and Image Are Mutually Beneficial: Enhancing Training-Free Few-Shot Classification with CLIP},
  author = {Li, Yayuan and Guo, Jintao and Qi, Lei and Li, Wenbin and Shi, Yinghuan},
  booktitle = {AAAI},
  year = {2025}
}""",
        config=TIMOConfig,
        open_vocabulary=False,
        config_by_protocol=dict.fromkeys(
            (EvalProtocol.FEW_SHOT, EvalProtocol.DOMAIN_GENERALIZATION), PUBLISHED_SETTINGS
        ),
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c = self.config
        self.texts = every_text(self.backbone, support.classes, c.templates)
        views = support.views(c.views, c.crop_scale)
        self.vectors = F.normalize(views.flatten(0, 1), dim=-1)
        self.labels = support.labels.repeat(c.views)
        members = F.one_hot(support.labels, len(self.texts)).to(views.dtype)
        image = F.normalize(members.T @ F.normalize(views.mean(dim=0), dim=-1), dim=-1)
        self.scores = torch.einsum("cd,cpd->cp", image, self.texts)
        self.alpha = c.alpha
        self.text = self.chosen_text(c.gamma)
        fixed = (c.joining_texts or self.texts.shape[1],)
        self.joining = fixed if c.selection == "fixed" else self.searched_joining(fixed)
        self.weights, self.biases = map(torch.stack, zip(*map(self.discriminant, self.joining), strict=True))

    def chosen_text(self, gamma: float) -> Float[Tensor, "n_cls dim"]:
        """The mean text of each class, weighted by similarity to its images, `(n_cls, dim)`."""
        weights = torch.softmax(gamma * F.normalize(self.scores, dim=1), dim=1)
        return F.normalize(torch.einsum("cp,cpd->cd", weights, self.texts), dim=-1)

    def discriminant(self, joining: int) -> tuple[Float[Tensor, "n_cls dim"], Float[Tensor, " n_cls"]]:
        """Weight and bias of the Gaussians of the images and the best `joining` texts of each class."""
        n_classes, n_texts, dim = self.texts.shape
        scores, order = self.scores.sort(dim=1, descending=True)
        position = torch.arange(joining, device=order.device) % n_texts
        texts = self.texts.gather(1, order[:, position, None].expand(-1, -1, dim)) * scores[:, position, None]
        text_labels = torch.arange(n_classes, device=order.device).repeat_interleave(joining)
        vectors = torch.cat([texts.flatten(0, 1), self.vectors])
        labels = torch.cat([text_labels, self.labels])
        members = F.one_hot(labels, n_classes).to(vectors.dtype)
        means = members.T @ vectors / members.sum(dim=0)[:, None]
        return gaussian_discriminant(means, shrunk_precision(vectors - means[labels]))

    def searched_gammas(self) -> Sequence[float]:
        """Values of gamma that a search tries; if there are none, the setting is used."""
        return ()

    def searched_joining(self, setting: Sequence[int]) -> Sequence[int]:
        """Numbers of added texts (beta) that a search tries; `setting` is the configured one."""
        return setting

    @torch.no_grad()
    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection != "validation":
            return
        image = F.normalize(validation.features(), dim=-1)
        if gammas := self.searched_gammas():
            guesses = [(image @ self.chosen_text(gamma).T).argmax(dim=1) for gamma in gammas]
            correct = [(guess == validation.labels).sum() for guess in guesses]
            self.text = self.chosen_text(gammas[first_best([torch.stack(correct)])])
        text = image @ self.text.T
        gaussians = [image @ w.T + b for w, b in zip(self.weights, self.biases, strict=True)]
        best = first_best(
            [correct_by_weight(gaussian_logits, text, ALPHAS, validation.labels) for gaussian_logits in gaussians]
        )
        self.tuning.evaluations += len(gammas) + len(gaussians) * len(ALPHAS)
        fit = best // len(ALPHAS)
        self.joining = self.joining[fit : fit + 1]
        self.weights, self.biases = self.weights[fit : fit + 1], self.biases[fit : fit + 1]
        self.alpha = ALPHAS[best % len(ALPHAS)]

    def tuned_state(self) -> dict[str, Tensor]:
        """The weighted class texts, alpha, and weight and bias of each candidate's Gaussians."""
        return {
            "text": self.text,
            "alpha": torch.tensor(self.alpha, dtype=torch.float64),
            "joining": torch.tensor(self.joining),
            "weights": self.weights,
            "biases": self.biases,
        }

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.text, self.weights, self.biases = state["text"], state["weights"], state["biases"]
        self.alpha, self.joining = float(state["alpha"]), tuple(state["joining"].tolist())

    def selected(self, classes: ClassSet) -> Classifier:
        return self.blended_classifier(self.alpha, 0)

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each searched beta and alpha, with the gamma of the settings."""
        return {
            f"{joining} texts, alpha {alpha:g}": self.blended_classifier(alpha, fit)
            for (fit, joining), alpha in product(enumerate(self.joining), ALPHAS)
        }

    def blended_classifier(self, alpha: float, fit: int) -> Classifier:
        """The classifier with this alpha and the Gaussians of candidate `fit`."""

        def classify(batch: Batch) -> Tensor:
            image = F.normalize(batch.features, dim=-1)
            return alpha * image @ self.text.T + (image @ self.weights[fit].T + self.biases[fit])

        return classify


def every_text(backbone: Backbone, classes: ClassSet, templates: Sequence[str]) -> Float[Tensor, "n_cls n_texts dim"]:
    """All texts of each class, normalised: descriptions, cut to the length of the shortest list, or the templates."""
    if classes.sentences is None:
        return F.normalize(template_features(backbone, classes, templates), dim=-1).transpose(0, 1)
    described = backbone.class_sentences(classes, classes.template)
    shortest = min(len(some) for some in described)
    return F.normalize(torch.stack([some[:shortest] for some in described]), dim=-1)
