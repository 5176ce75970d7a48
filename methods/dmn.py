"""DMN, static memory: each class's support images and text are read by their similarity to the image.

Zhang et al., "Dual Memory Networks: A Versatile Adaptation Approach for Vision-Language Models", CVPR 2024. Official
file: YBZh/DMN `dmn_main.py`. The memory of class c has its text and its support images as rows m_cj. With a normalised
image feature f, learned vectors b per class, which start at 0, and all sums normalised:

    r_c  = norm(norm(sum_j w_cj norm(m_cj + bv_c)) + bo_c)
    w_cj = exp(-beta (1 - norm(f + mean_c bq_c) . norm(m_cj + bk_c)))
    p    = softmax(scale f norm(t_c + bt_c)) + share softmax(scale f r_c)

Both terms are trained with their own cross-entropy. The official code searches the share on the test images; here the
default searches the same values on the few validation images, and `selection=oracle` chooses on test.

The dynamic memory of the paper, of earlier test images, is left out: its few-shot numbers learn from the stream of test
images, which no method does under the few-shot protocol of this benchmark. `dmn_zs` has it, without labelled images.
Official class texts are templates and CuPL's sentences from a language model; `--class-text descriptions:FILE` gives
such sentences, and otherwise the texts are the official templates. Crops for training are bicubic, as in all methods,
where the official code leaves torchvision's bilinear.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import (
    Batch,
    Classifier,
    MethodInfo,
    Recipe,
    Sizes,
    SupportView,
    TrainableMethod,
    register_method,
)
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._parts.citations import DMN_PAPER
from methods._parts.feature_methods import (
    GridSearchMethod,
    LogitScaleSetting,
    Template,
    TextConfig,
    correct_by_weight,
    template_ensemble,
    templates_setting,
)

SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Searched shares of the memory: `beta3_list` in dmn_main.py. The first of equally good ones wins."""


OFFICIAL_TEMPLATES: Mapping[str, Mapping[str, Any]] = {
    **{name: {"templates": ("select7",)} for name in ("caltech101", "imagenet", "sun397")},
    "stanford_cars": {"templates": ("a photo of a {}, a type of car.",)},
}
"""Texts that are not the dataset's own template: data/imagnet_prompts.py."""


class DMNConfig(TextConfig):
    """Sharpness and share of the memory."""

    templates: tuple[Template, ...] = templates_setting(
        "own",
        published="own, `a photo of a {}, a type of car.` for Cars, the list select7 for Caltech101, ImageNet and "
        "SUN397, each with CuPL's sentences",
    )
    beta: float = Field(5.5, gt=0, description="sharpness of the similarity to the rows; 5.5 in scripts/run.sh")
    share: float = Field(
        1.0, ge=0, description="share of the memory's probabilities where it is not searched; 1, the share of the text"
    )
    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="share searched on the few validation images, as it is, all values averaged, or best on test; the "
        "published numbers searched it on test",
    )
    logit_scale: LogitScaleSetting = None

    def parameter_count(self, sizes: Sizes) -> int:
        return 5 * sizes.n_classes * sizes.embed_dim


RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="DMN dmn_main.py (get_searched_param) and scripts/run.sh: AdamW 1e-4, decay 1e-4, cosine to 1e-7, 20 epochs "
    "or 100, crops of at least half the area",
    optimizer="adamw",
    lr=1e-4,
    eps=1e-8,
    weight_decay=1e-4,
    epochs=20,
    by_dataset={
        "imagenet": {"epochs": 100, "lr": 1e-5},
        "oxford_flowers": {"epochs": 100, "lr": 1e-3},
        "eurosat": {"epochs": 100, "lr": 1e-4},
        "eurosat@8": {"lr": 1e-3},
        "eurosat@16": {"lr": 1e-3},
        "food101": {"epochs": 20},
        "food101@8": {"epochs": 100},
        "food101@16": {"epochs": 100},
        **{name: {"epochs": 100} for name in ("dtd", "stanford_cars", "ucf101", "fgvc_aircraft")},
    },
    batch_size=128,
    drop_last=False,
    schedule="cosine",
    warmup="none",
    min_lr=1e-7,
    crop_scale=(0.5, 1.0),
)


class StaticMemory(nn.Module):
    """The memory and the learned vectors.

    Args:
        text: normalised class texts.
        rows: normalised rows of each class, zeros where it has fewer than others.
        filled: which rows exist.
        beta: sharpness of the similarity.
        share: of the memory's probabilities, where those of the text have 1.
    """

    text: Tensor
    rows: Tensor
    filled: Tensor
    share: Tensor

    def __init__(
        self,
        text: Float[Tensor, "n_cls dim"],
        rows: Float[Tensor, "n_cls n_rows dim"],
        filled: Bool[Tensor, "n_cls n_rows"],
        beta: float,
        share: float,
    ) -> None:
        super().__init__()
        for name, value in (("text", text), ("rows", rows), ("filled", filled), ("share", torch.tensor(share))):
            self.register_buffer(name, value)
        self.query, self.key, self.value, self.output, self.text_shift = (
            nn.Parameter(torch.zeros_like(text)) for _ in range(5)
        )
        self.beta = beta

    def forward(self, features: Float[Tensor, "batch dim"]) -> tuple[Tensor, Tensor]:
        """Cosines of images with the texts and with what they read from the memory, both `(batch, n_cls)`."""
        image = F.normalize(features, dim=-1)
        query = F.normalize(image + self.query.mean(dim=0), dim=-1)
        keys = F.normalize(self.rows + self.key[:, None], dim=-1)
        values = F.normalize(self.rows + self.value[:, None], dim=-1)
        weights = torch.exp(-self.beta * (1 - torch.einsum("bd,crd->bcr", query, keys))) * self.filled
        read = F.normalize(torch.einsum("bcr,crd->bcd", weights, values), dim=-1)
        read = F.normalize(read + self.output, dim=-1)
        text = F.normalize(self.text + self.text_shift, dim=-1)
        return image @ text.T, torch.einsum("bcd,bd->bc", read, image)


@register_method
class DMN(GridSearchMethod[DMNConfig], TrainableMethod[DMNConfig]):
    """`softmax(text) + share softmax(memory)`."""

    config: DMNConfig
    trainable: StaticMemory

    info = MethodInfo(
        name="dmn",
        title="DMN (static memory)",
        family="cache",
        summary="Each class is what an image reads, by similarity, from the class's support images and text.",
        paper="2403.17589",
        code="YBZh/DMN",
        uses=("outside texts",),
        citation=DMN_PAPER,
        config=DMNConfig,
        open_vocabulary=False,
        recipes={EvalProtocol.FEW_SHOT: RECIPE},
        config_by_protocol={EvalProtocol.FEW_SHOT: {"by_dataset": OFFICIAL_TEMPLATES}},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        text = template_ensemble(self.backbone, support.classes, self.config.templates)
        features = F.normalize(support.features(), dim=-1)
        counts = torch.bincount(support.labels, minlength=len(text))
        filled = torch.arange(int(counts.max()) + 1, device=counts.device) <= counts[:, None]
        rows = text.new_zeros(*filled.shape, text.shape[1])
        rows[:, 0] = text
        order = support.labels.argsort(stable=True)
        rows[:, 1:][filled[:, 1:]] = features[order]
        self.start(text, rows, filled)

    def start(self, text: Tensor, rows: Tensor, filled: Tensor) -> None:
        """Build the memory from these rows."""
        self.trainable = StaticMemory(text, rows, filled, self.config.beta, self.config.share).to(text.device)
        self.scale = float(self.config.logit_scale or self.backbone.logit_scale)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        text, memory = self.trainable(batch.features)
        return F.cross_entropy(self.scale * text, batch.labels) + F.cross_entropy(self.scale * memory, batch.labels)

    @torch.no_grad()
    def calibrate(self, validation: SupportView) -> None:
        if self.config.selection != "validation":
            return
        text, memory = self.probabilities(validation.features())
        correct = correct_by_weight(text, memory, SHARES, validation.labels).tolist()
        self.tuning.evaluations += len(SHARES)
        self.trainable.share.fill_(SHARES[correct.index(max(correct))])

    def probabilities(self, features: Float[Tensor, "n dim"]) -> tuple[Tensor, Tensor]:
        """Probabilities of the texts and of the memory, both `(n, n_cls)`."""
        text, memory = ((self.scale * cosines).softmax(dim=1) for cosines in self.trainable(features))
        return text, memory

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.start(*(state[name] for name in ("text", "rows", "filled")))
        self.trainable.load_state_dict(state)

    def selected(self, classes: ClassSet) -> Classifier:
        return self.shared_classifier(self.trainable.share)

    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each searched share."""
        return {f"share {share:g}": self.shared_classifier(self.trainable.share.new_tensor(share)) for share in SHARES}

    def shared_classifier(self, share: Tensor) -> Classifier:
        """The classifier with this share of the memory; its logits are the logarithms of summed probabilities."""

        def classify(batch: Batch) -> Tensor:
            text, memory = ((self.scale * cosines).log_softmax(dim=1) for cosines in self.trainable(batch.features))
            return torch.logaddexp(text, memory + share.log())

        return classify
