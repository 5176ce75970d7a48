"""DePT: a second head learns the trained classes, so that a prompt method keeps its knowledge of other classes.

Zhang et al., "DePT: Decoupled Prompt Tuning", CVPR 2024. `dept` is DePT around KgCoOp; `dept_on:coop`,
`dept_on:cocoop`, `dept_on:maple` and so on put it around others. With f an image's feature and w_y the host's text
feature of its class, both unnormalised as the host computes them,

    head(f) = W (a_f * f + b_f) + c,    head(w_y) = W (a_w * w_y + b_w) + c
    loss = (1 - head_share) * host's CE + head_share * CE(head of every f and w_y of the batch) + host's penalties

For trained classes the logits are `(1 - head_share) * host's + head_share * head(f)`. For a subset of them, the head's
rows of that subset are used. All other classes have the host's logits. The paper mixes probabilities, the official code
logits, as here. That code adds KgCoOp's penalty in full, with the weight 2. We do the same with the penalties of all
hosts. In warm-up epochs with a constant rate, host and head have the same rate. A host that averages its weights
(PromptSRC) also averages the head's. None of the official code (GPL-2) was used.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet
from methods import Method, MethodConfig, MethodInfo, Recipe, Sizes, TrainableMethod, register_method
from methods._base.batch import Batch, Classifier, SupportView
from methods._base.recipe import PUBLISHED
from methods._base.wrapper import register_wrapper, wrapped_info
from methods._parts.compared_pair import ComparedPair
from methods._parts.layers import linear_layer
from methods._parts.two_tower_methods import TwoTowerMethod
from methods.cocoop import CoCoOp
from methods.kgcoop import KgCoOp, KgCoOpConfig
from methods.lweib import LwEIB
from methods.skip_tuning import SkipTuning

CITATION = """@inproceedings{zhang2024dept,
  title = {DePT: Decoupled Prompt Tuning},
  author = {Zhang, Ji and Wu, Shihan and Gao, Lianli and Shen, Heng Tao and Song, Jingkuan},
  booktitle = {CVPR},
  year = {2024}
}"""


class SecondHead(nn.Module):
    """A linear classifier of the trained classes, after one channel-wise map for images and one for texts."""

    def __init__(self, dim: int, n_classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.image_scale, self.text_scale = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.image_shift, self.text_shift = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.rows = linear_layer(dim, n_classes, generator)

    def image_logits(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch n_cls"]:
        """Logits of images."""
        logits: Tensor = self.rows(self.image_scale * features + self.image_shift)
        return logits

    def text_logits(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch n_cls"]:
        """Logits of texts."""
        logits: Tensor = self.rows(self.text_scale * features + self.text_shift)
        return logits


class Decoupled(ComparedPair):
    """Mixin before a host: adds the head."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.head = SecondHead(self.backbone.embed_dim, len(support.classes), self.generator).to(self.backbone.device)
        self.trainable.add_module("head", self.head)

    def parameter_groups(self) -> list[dict[str, Any]]:
        head_parameters = set(self.head.parameters())
        hosts = [
            {**group, "params": [p for p in group["params"] if p not in head_parameters]}
            for group in super().parameter_groups()
        ]
        return [*hosts, {"params": list(self.head.parameters()), "lr_scale": self.config.head_rate}]

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        share = self.config.head_share
        host, penalty = super().loss_terms(batch)
        images, texts = self.compared_images, self.compared_texts
        true_texts = texts[batch.labels] if texts.dim() == 2 else texts[torch.arange(len(texts)), batch.labels]
        logits = torch.cat([self.head.text_logits(true_texts), self.head.image_logits(images)])
        return (1 - share) * host + share * F.cross_entropy(logits, batch.labels.repeat(2)), penalty

    def train_classifier(self) -> Classifier:
        host = super().train_classifier
        if host.__func__ is not TrainableMethod.train_classifier:  # type: ignore[attr-defined]
            return host()
        # the default is the evaluation's classifier, which here has both heads
        return super().classifier(self.support_classes)  # type: ignore[safe-super]

    def classifier(self, classes: ClassSet) -> Classifier:
        host = super().classifier(classes)  # type: ignore[safe-super]
        trained = self.support_classes.names
        if not set(classes.names) <= set(trained):
            return host
        # two classes may have the same name, but each has its own row
        rows = list(range(len(trained))) if classes.names == trained else [trained.index(n) for n in classes.names]
        share: float = self.config.head_share

        def classify(batch: Batch) -> Tensor:
            matched = (1 - share) * host(batch)
            return matched + share * self.head.image_logits(self.compared_images)[:, rows]

        return classify


def recipe_on(host: Recipe, title: str) -> Recipe:
    """DePT's settings for a host trained by SGD, as all hosts in the paper are; otherwise the host's settings."""
    if host.optimizer != "sgd":
        return host.model_copy(update={"source": f"{title}'s (DePT prints none for its optimiser): {host.source}"})
    return host.model_copy(
        update={
            "source": f"DePT: rate, epochs and batch, printed for base-to-new; the rest is {title}'s: {host.source}",
            "lr": 0.0035,
            "epochs": 10,
            "epochs_by_shots": {},
            "by_dataset": {},
            "name": PUBLISHED,
            "batch_size": 4,
        }
    )


class HeadConfig(MethodConfig):
    """Mixin before a host's settings: counts the head, too."""

    def parameter_count(self, sizes: Sizes) -> int:
        head = 4 * sizes.embed_dim + sizes.n_classes * (sizes.embed_dim + 1)
        return super().parameter_count(sizes) + head


_KGCOOP_WEIGHT = Field(
    2.0, ge=0, description="weight of the distance to frozen texts; 2, DePT configs/trainers/ExtrasLinearProbeKgCoOp"
)
"""The weight of KgCoOp's penalty in DePT's code, a fourth of KgCoOp's own."""


def dept_info(host: MethodInfo, name: str) -> MethodInfo:
    """The host's info with DePT's two settings and the head's parameters added."""
    return wrapped_info(
        host,
        name,
        title=f"{host.title} + DePT",
        summary=f"{host.title} with a second head for the trained classes.",
        paper="2309.07439",
        code="Koorye/DePT",
        citation=CITATION,
        settings={
            "head_share": (
                float,
                Field(0.7, ge=0, le=1, description="lambda: share of the head in loss and logits; 0.7"),
            ),
            "head_rate": (float, Field(6.5, gt=0, description="learning rate of the head divided by the host's; 6.5")),
        }
        | ({"weight": (float, _KGCOOP_WEIGHT)} if host.config is KgCoOpConfig else {}),
        version=host.version + 1,
        config_mixin=HeadConfig,
        family=host.family,
        recipes={protocol: recipe_on(recipe, host.title) for protocol, recipe in host.recipes.items()},
        starts_as_zero_shot=None,
    )


def dept_conflict(host: type[Method[Any]]) -> str | None:
    """Why DePT cannot wrap a method, to follow its name in a sentence; None if it can."""
    if not issubclass(host, TwoTowerMethod | CoCoOp) or host.info.family == "ensemble" or issubclass(host, Decoupled):
        return "has no single pair of text and image features"
    if issubclass(host, TwoTowerMethod) and not host.one_pair:
        return "compares more than one pair of features"
    if issubclass(host, LwEIB | SkipTuning):
        return "compares each image with only some of the classes"
    if host.backward is not TrainableMethod.backward:
        return "changes the gradients of its own loss"
    if host.stages is not TrainableMethod.stages:
        return "trains in several stages"
    if host.loss is not TrainableMethod.loss:
        return "does not tell its cross-entropy from its penalties"
    return None


@register_method
class DePT(Decoupled, KgCoOp):
    """DePT around KgCoOp."""

    info = dept_info(KgCoOp.info, "dept")


register_wrapper("dept_on", Decoupled, dept_info, dept_conflict)
