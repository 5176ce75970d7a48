"""Base classes and helpers of methods on frozen features: class texts, prototypes, search on a grid, views of an image.

The most confident random views of a test image are used as in Shu et al., NeurIPS 2022.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet
from methods._backbones.backbone import Backbone
from methods._base.batch import Batch, Classifier, ProbabilityEnsemble, SupportView
from methods._base.method import ConfigT, Method, cosine_logits
from methods._base.method_info import MethodConfig, Sizes
from methods._base.recipe import Recipe
from methods._base.trainable_method import TrainableMethod
from methods._text.templates import TEMPLATE_LISTS

Template = Annotated[str, Field(pattern=r"\{\}|^(own|select7|imagenet80)$")]
LogitScaleSetting = Annotated[
    float | None,
    Field(gt=0, description="factor on the cosine to the text; null: the backbone's, 100 for OpenAI's (hard coded)"),
]


def templates_setting(*default: str, published: str) -> Any:
    """The setting `templates` with this default; `published` says what the paper's code averages."""
    return Field(
        default,
        min_length=1,
        description="texts to average: `own` (the dataset's), `select7` or `imagenet80` (lists), or a text with {}; "
        f"published: {published}",
    )


class TextConfig(MethodConfig):
    """The class texts that a method starts from."""

    templates: tuple[Template, ...] = templates_setting("own", published="own, for ImageNet the list select7")


SELECT7_ON_IMAGENET: Mapping[str, Mapping[str, Any]] = {"imagenet": {"templates": ("select7",)}}
"""The published `templates` by dataset, for a method's `by_dataset`.

Not for cross-dataset transfer: the texts of the targets would be ImageNet's.
"""


class CropsConfig(TextConfig):
    """Random crops of a test image beside its plain view, classified by CLIP's plain text."""

    templates: tuple[Template, ...] = templates_setting("a photo of a {}.", published="a photo of a {}.")
    views: int = Field(63, ge=1, description="random crops beside the plain view; 63 (a batch of 64)")
    crop_scale: tuple[float, float] = Field((0.08, 1.0), description="area range of the crops; torchvision's default")

    def views_of(self, batch: Batch) -> Float[Tensor, "n_views batch dim"]:
        """Normalised features of the plain view, which is the first one, and of the crops."""
        crops = batch.test_views(self.views, self.crop_scale, mixed=False)
        return F.normalize(torch.cat([batch.features[None], crops]), dim=-1)


def template_features(
    backbone: Backbone, classes: ClassSet, templates: Sequence[str], *, keep_underscores: bool = False
) -> Float[Tensor, "n_templates n_cls dim"]:
    """Unnormalised features of the class texts under each template; the name of a list means its templates.

    Sentences of the classes, if there are any, give a single row instead.
    """
    if classes.sentences is not None:
        return backbone.class_texts(classes, classes.template)[None]
    lists = {"own": (classes.template,), **TEMPLATE_LISTS}
    filled = [template for entry in templates for template in lists.get(entry, (entry,))]
    return torch.stack(
        [backbone.class_texts(classes, template, keep_underscores=keep_underscores) for template in filled]
    )


def logits_accuracy(logits: Float[Tensor, "n n_cls"], labels: Int[Tensor, " n"]) -> float:
    """Share of rows whose largest logit is that of the label, in [0, 1]."""
    return int((logits.argmax(dim=1) == labels).sum()) / len(labels)


def template_ensemble(backbone: Backbone, classes: ClassSet, templates: Sequence[str]) -> Float[Tensor, "n_cls dim"]:
    """Normalised class texts: `mean_of_normalised` of the `template_features`."""
    return mean_of_normalised(template_features(backbone, classes, templates))


def mean_of_normalised(features: Iterable[Float[Tensor, "n_cls dim"]]) -> Float[Tensor, "n_cls dim"]:
    """Template ensemble as CLIP does it: normalise each template's features, average, normalise again."""
    stacked = torch.stack([F.normalize(f, dim=-1) for f in features])
    return F.normalize(stacked.mean(dim=0), dim=-1)


class PrototypeConfig(TextConfig):
    """The class texts that the vectors start from."""

    keep_underscores: bool = Field(
        True,
        description="leave underscores in class names; the official code does, and it touches 0 to 76 % of a "
        "dataset's names",
    )

    def parameter_count(self, sizes: Sizes) -> int:
        return sizes.n_classes * sizes.embed_dim


POOLED_VIEWS_RECIPE = Recipe(
    source="CLAP configs/trainers/SGD_lr1e-1_B256_ep300 and its feature extraction of 20 augmented passes",
    lr=0.1,
    weight_decay=0.0,
    batch_size=256,
    epochs=300,
    views=20,
)
"""Recipe of ZS-LP and CLAP, which are from the same paper."""
EIGHT_TEXTS_ON_IMAGENET: Mapping[str, Mapping[str, Any]] = {"imagenet": {"templates": ("select7", "own")}}
"""The published `templates` of both by dataset."""
PrototypeConfigT = TypeVar("PrototypeConfigT", bound=PrototypeConfig)


class PrototypeMethod(TrainableMethod[PrototypeConfigT]):
    """`scale * cos(f, w_c)`, with `w` from learned vectors and a base, the mean of *unnormalised* class texts."""

    vectors: nn.Parameter
    """One learned vector per class, `(n_cls, dim)`; exists after `prepare`."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c = self.config
        texts = template_features(self.backbone, support.classes, c.templates, keep_underscores=c.keep_underscores)
        self.base = texts.mean(dim=0)
        self.vectors = nn.Parameter(self.initial_vectors().clone())
        self.trainable = nn.ParameterDict({"vectors": self.vectors}).to(self.backbone.device)

    def initial_vectors(self) -> Float[Tensor, "n_cls dim"]:
        """The vectors before training; by default the base."""
        return self.base

    def classifier_rows(self) -> Float[Tensor, "n_cls dim"]:
        """The classifier's rows, unnormalised; by default the vectors."""
        return self.vectors

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        rows = self.classifier_rows()
        return lambda batch: cosine_logits(batch.features, rows, self.backbone.logit_scale)


LOGITS_AT_ONCE = 2**20
"""Number of logits computed together: 4 MB, so that they stay in a processor's cache."""


def correct_by_weight(
    logits: Float[Tensor, "n n_cls"],
    added: Float[Tensor, "n n_cls"],
    weights: Sequence[float],
    labels: Int[Tensor, " n"],
) -> Int[Tensor, " n_weights"]:
    """For each weight w, the number of rows of `logits + w * added` whose largest logit is that of the label.

    The counts stay on the device, so that a search waits for a GPU once, at its end.
    """
    factors = torch.tensor(weights, dtype=logits.dtype, device=logits.device)[:, None, None]
    size = max(1, LOGITS_AT_ONCE // max(1, logits.numel()))
    return torch.cat(
        [((logits + some * added).argmax(dim=2) == labels).sum(dim=1) for some in torch.split(factors, size)]
    )


def first_best(counts: Sequence[Tensor]) -> int:
    """Index of the first maximum in the concatenated counts."""
    all_counts: list[int] = torch.cat(list(counts)).tolist()
    return all_counts.index(max(all_counts))


class GridSearchMethod(Method[ConfigT]):
    """Base of the methods whose `selection` is `validation`, `fixed`, `ensemble` or `oracle`.

    A subclass searches by validation in `calibrate`.
    """

    config: Any

    @abstractmethod
    def selected(self, classes: ClassSet) -> Classifier:
        """The classifier with the fixed values, or with the values that the search found."""

    @abstractmethod
    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each point of the grid of the ensemble and the oracle."""

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        if self.config.selection == "ensemble":
            return ProbabilityEnsemble(self.candidates(classes).values())
        return self.selected(classes)

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:
        if self.config.selection != "oracle":
            return {}
        self.check_classes(classes)
        return self.candidates(classes)


IMAGENET_SHIFTS = frozenset({"imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r"})
"""ImageNet's variants, for which official code has other views than for the fine-grained datasets."""


def most_confident(logits: Float[Tensor, "n_views n_cls"], share: float) -> Tensor:
    """Positions of the views with the lowest entropy, at least one."""
    entropies = entropy(logits.detach().log_softmax(dim=1))
    return entropies.argsort()[: max(1, int(len(logits) * share))]


def log_of_mean(logits: Float[Tensor, "n_views n_cls"]) -> Float[Tensor, " n_cls"]:
    """Logarithms of the mean of the views' probabilities."""
    return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))


def entropy(log_p: Float[Tensor, "*n n_cls"]) -> Float[Tensor, "*n"]:
    """Entropy, in nats, of probabilities given by their logarithms."""
    return -(log_p.exp() * log_p).sum(dim=-1)
