"""Cross-modal adaptation: a linear head trained on image features and, as more samples, on features of class texts.

Lin et al., "Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning with Multimodal Models", CVPR 2023. Official
file: linzhiqiu/cross_modal_adaptation `train.py`. Half of each batch is text. Features are normalised before the head;
the rows of the head are not. For the published numbers, three things are chosen on the few validation images: the best
of every 100th step, one of 12 settings (rate, decay, batch) and one of two averages with the zero-shot weights. Here
one setting of that grid is trained, the step is chosen as published, and the average is the setting `trained_share`
(WiSE-FT, Wortsman et al., CVPR 2022). The official image features include the mirrored image; here only the centre view
is used. The rows start from the texts, as in README.md and adapter.sh; linear_probe.sh has random ones (`init`).
Training the last image layer (`partial`) is left out.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import MethodInfo, Recipe, Sizes, Snapshots, TrainableMethod, register_method
from methods._base.batch import Batch, Classifier, SupportView
from methods._base.devices import on_device
from methods._parts.feature_methods import SELECT7_ON_IMAGENET, TextConfig, logits_accuracy, template_features
from methods._parts.layers import BottleneckAdapter, linear_uniform

EVAL_EVERY = 100
"""Steps between the states that are compared on validation images; official train.py."""


class CrossModalConfig(TextConfig):
    """The head, its training samples and the step that is kept."""

    modality: Literal["cross", "image"] = Field("cross", description="train on texts as well, or on images alone")
    head: Literal["linear", "adapter"] = Field("linear", description="linear, or a bottleneck adapter in front of it")
    init: Literal["zero_shot", "random"] = Field("zero_shot", description="rows from the texts, or torch's default")
    reduction: int = Field(4, ge=1, description="the adapter's hidden width is the feature's divided by this; 4")
    ratio: float = Field(0.2, ge=0, le=1, description="share of the adapter's output; 0.2")
    selection: Literal["validation", "last"] = Field(
        "validation", description="step that is kept: the best of each 100th on the few validation images, or the last"
    )
    trained_share: float = Field(
        1.0, ge=0, le=1, description="share of the trained rows at evaluation, the rest zero-shot; 1, or 0.5 (WiSE-FT)"
    )
    logit_scale: float | None = Field(
        None, gt=0, description="factor on the logits; null: the backbone's, 100 for OpenAI's (fixed in the official)"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        bottleneck = 2 * sizes.embed_dim * (sizes.embed_dim // self.reduction)
        return sizes.n_classes * sizes.embed_dim + (bottleneck if self.head == "adapter" else 0)


RECIPE = Recipe(
    source="cross_modal_adaptation engine/optimizer/default.py, one point of its grid; batch 8 = 4 images + 4 texts",
    optimizer="adamw",
    lr=1e-3,
    weight_decay=0.01,
    steps=12_800,
    batch_size=4,
    schedule="cosine",
    warmup="linear",
    warmup_steps=50,
    augment=False,
)


class CosineHead(nn.Module):
    """A linear layer without bias on normalised features, after an adapter if one is given."""

    def __init__(self, rows: Float[Tensor, "n_cls dim"], adapter: BottleneckAdapter | None) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.clone())
        self.adapter = adapter

    def forward(self, features: Float[Tensor, "n dim"], rows: Float[Tensor, "n_cls dim"] | None = None) -> Tensor:
        """Products `(n, n_cls)` of the features, which may be unnormalised, with `rows` or with the head's own."""
        x = F.normalize(features, dim=-1)
        return (self.adapter(x) if self.adapter else x) @ (self.rows if rows is None else rows).T


@register_method
class CrossModal(TrainableMethod[CrossModalConfig]):
    """`scale * f w_c` with normalised f, of images and of texts."""

    trainable: CosineHead

    info = MethodInfo(
        name="cross_modal",
        title="Cross-modal adaptation",
        family="classifier",
        summary="A linear head from the class texts, trained on images and on texts as further samples.",
        paper="2301.06267",
        code="linzhiqiu/cross_modal_adaptation",
        citation="""@inproceedings{lin2023crossmodal,
  title = {Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning with Multimodal Models},
  author = {Lin, Zhiqiu and Yu, Samuel and Kuang, Zhiyi and Pathak, Deepak and Ramanan, Deva},
  booktitle = {CVPR},
  year = {2023}
}""",
        config=CrossModalConfig,
        open_vocabulary=False,
        recipes={EvalProtocol.FEW_SHOT: RECIPE},
        config_by_protocol={EvalProtocol.FEW_SHOT: {"by_dataset": SELECT7_ON_IMAGENET}},
        starts_as_zero_shot={"init": "zero_shot", "head": "linear"},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, dim = self.config, self.backbone.embed_dim
        texts = template_features(self.backbone, support.classes, c.templates)
        self.zero_shot = F.normalize(texts.mean(dim=0), dim=-1)
        self.texts = texts.transpose(0, 1).flatten(0, 1)
        self.text_labels = torch.arange(len(support.classes), device=texts.device).repeat_interleave(len(texts))
        random = linear_uniform((len(support.classes), dim), dim, self.generator)
        adapter = BottleneckAdapter(dim, dim // c.reduction, c.ratio, self.generator) if c.head == "adapter" else None
        rows = self.zero_shot if c.init == "zero_shot" else random
        self.trainable = CosineHead(rows, adapter).to(self.backbone.device)
        self.scale = c.logit_scale or self.backbone.logit_scale
        self.order = self.text_labels[:0]
        self.steps = 0
        self.candidates = Snapshots(self.trainable)

    def draw_texts(self, n: int) -> Int[Tensor, " n"]:
        """Indices of the next n texts of repeated shuffled passes; the incomplete end of a pass is dropped."""
        n = min(n, len(self.texts))
        if len(self.order) < n:
            self.order = on_device(torch.randperm(len(self.texts), generator=self.generator), self.texts.device)
        drawn, self.order = self.order[:n], self.order[n:]
        return drawn

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        features, labels = batch.features, batch.labels
        if self.config.modality == "cross":
            drawn = self.draw_texts(len(labels))
            features = torch.cat([features, self.texts[drawn]], dim=-2)
            labels = torch.cat([labels, self.text_labels[drawn]], dim=-1)
        return F.cross_entropy(self.scale * self.trainable(features), labels)

    def before_step(self) -> None:
        # the states after 1, 101, ... updates are compared, as in the official code
        if self.config.selection == "validation" and self.steps % EVAL_EVERY == 1:
            self.candidates.take()
        self.steps += 1

    def training_state(self) -> dict[str, Tensor]:
        counted = {"order": self.order.cpu(), "steps": torch.tensor(self.steps)}
        return counted | {f"candidates.{name}": value for name, value in self.candidates.dump().items()}

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        self.order, self.steps = state.pop("order").to(self.texts.device), int(state.pop("steps"))
        self.candidates.load({name.removeprefix("candidates."): value for name, value in state.items()})

    def calibrate(self, validation: SupportView) -> None:
        features = validation.features()
        with torch.no_grad():
            self.tuning.evaluations += self.candidates.restore_best(
                lambda: logits_accuracy(self.trainable(features), validation.labels)
            )

    def interpolated_parameters(self) -> tuple[()]:
        return ()  # `trained_share` already averages

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        share = self.config.trained_share
        rows = None if share == 1 else share * self.trainable.rows + (1 - share) * self.zero_shot
        return lambda batch: self.scale * self.trainable(batch.features, rows)
