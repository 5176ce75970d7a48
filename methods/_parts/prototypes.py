"""Methods that train one vector per class on frozen features, starting from class texts (ZS-LP, CLAP, TaskRes)."""

from typing import TypeVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet
from methods._base.batch import Classifier, SupportView
from methods._base.method import TrainableMethod, cosine_logits
from methods._base.method_info import Sizes
from methods._base.recipe import Recipe
from methods._parts.feature_space import TextConfig, template_features


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
ConfigT = TypeVar("ConfigT", bound=PrototypeConfig)


class ClassVectors(nn.Module):
    """One learned vector per class, `(n_cls, dim)`."""

    def __init__(self, start: Float[Tensor, "n_cls dim"]) -> None:
        super().__init__()
        self.vectors = nn.Parameter(start.clone())


class PrototypeMethod(TrainableMethod[ConfigT]):
    """`scale * cos(f, w_c)`, with `w` from learned vectors and a base, the mean of *unnormalised* class texts."""

    trainable: ClassVectors

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c = self.config
        texts = template_features(self.backbone, support.classes, c.templates, keep_underscores=c.keep_underscores)
        self.base = texts.mean(dim=0)
        self.trainable = ClassVectors(self.initial_vectors()).to(self.backbone.device)

    def initial_vectors(self) -> Float[Tensor, "n_cls dim"]:
        """The vectors before training; by default the base."""
        return self.base

    def classifier_rows(self) -> Float[Tensor, "*runs n_cls dim"]:
        """The classifier's rows, unnormalised; by default the vectors."""
        return self.trainable.vectors

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        rows = self.classifier_rows()
        return lambda batch: cosine_logits(batch.features, rows, self.backbone.logit_scale)
