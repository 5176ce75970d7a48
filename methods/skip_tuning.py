"""Skip Tuning: fine-tunes the last blocks of both towers, each batch against the classes that resemble it most.

Wu et al., "Skip Tuning: Pre-trained Vision-Language Models are Effective and Efficient Adapters Themselves", CVPR 2025.
Official files: Koorye/SkipTuning `trainers/skip_tuning.py`, `trainers/feature_loader.py` (no licence; none of its code
was used).

Layer-wise skipping: the first `skipped` blocks and the embeddings of both towers stay frozen, so class texts enter the
trained blocks as stored hidden states, and images as `Batch.hidden`. The remaining blocks, the last norms and the
projections are trained by the cross-entropy of the scaled cosines, those of the image tower at another rate.

Class-wise skipping: the classes are ranked by their largest cosine between a feature of the batch and the zero-shot
text of the class; the labels of the batch come first. K of C classes always stay in the loss. With x = 0..5 over the
other ranks, rank x stays with the probability `e^(-x / spread)`, scaled to end at 0. The ranks are drawn once per run.

From four shots on, the images of a batch of four have the same label, as in the official code. Images that do not fill
such a batch are mixed here; there they are left out. If a batch has more labels than K, they all stay here.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet, EvalProtocol
from methods import Batch, Recipe, Sizes, SupportView, cosine_logits, image_views, register_method
from methods._base.devices import on_device
from methods._base.method_info import MethodConfig, MethodInfo
from methods._base.recipe import PUBLISHED_BY_DATASET, for_transfer
from methods._parts.two_tower_methods import TwoTowerMethod
from methods._text.templates import SKIP_TUNING_WORDING
from methods._towers.blocks import TowerEnd, with_modules
from methods._towers.image_tower import wrap_image_tower
from methods._towers.text_hidden_states import TextHidden


class SkipTuningConfig(MethodConfig):
    """The skipped blocks and classes."""

    skipped: int = Field(6, ge=0, description="frozen first blocks of each tower, at most all but one; 6, train.py")
    kept_share: float = Field(0.5, gt=0, le=1, description="share of the classes that always stay; 0.5, train.py")
    kept_most: int = Field(50, ge=1, description="most classes that always stay; 50, train.py")
    image_rate: float = Field(
        0.25,
        gt=0,
        description="learning rate of the image tower divided by that of the text tower; 5e-6 / 2e-5 base-to-new, 1 "
        "few-shot, 0.1 transfer, its configs",
    )
    spread: float = Field(0.3, gt=0, description="lambda: how slowly other classes become unlikely; 0.3, train.py")

    def first_of(self, blocks: int) -> int:
        """Index of the first trained one of a tower's blocks."""
        return min(self.skipped, blocks - 1)

    def frozen_blocks(self, sizes: Sizes) -> int:
        return self.first_of(sizes.image_blocks)

    def parameter_count(self, sizes: Sizes) -> int:
        towers = ((sizes.text_width, sizes.text_blocks), (sizes.image_width, sizes.image_blocks))
        blocks = sum((n - self.first_of(n)) * (12 * width + 13) * width for width, n in towers)
        return blocks + (sizes.text_width + sizes.image_width) * (2 + sizes.embed_dim)


RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="Skip Tuning configs/trainers/SkipTuning/vit_b16_bs4.yaml, trainers/skip_tuning.py (a quarter of the epochs "
    "on ImageNet, SUN397 and Food101)",
    lr=2e-5,
    epochs=20,
    by_dataset={name: {"epochs": 5} for name in ("imagenet", "sun397", "food101")},
    batch_size=4,
    warmup_lr=1e-6,
)
FEW_SHOT = RECIPE.model_copy(
    update={
        "source": RECIPE.source.replace("bs4.yaml", "bs4_few_shot.yaml"),
        "lr": 1e-5,
        "epochs": 40,
        "by_dataset": {name: {"epochs": 10} for name in ("imagenet", "sun397", "food101")},
        "warmup": "none",
    }
)
TRANSFER = RECIPE.model_copy(
    update={"source": RECIPE.source.replace("bs4.yaml", "bs4_cross_datasets.yaml"), "lr": 1e-5, "warmup_lr": 1e-8}
)


@register_method
class SkipTuning(TwoTowerMethod[SkipTuningConfig]):
    """Cross-entropy on `scale * cos(tuned image, tuned text)` over some of the classes."""

    wording = SKIP_TUNING_WORDING
    info = MethodInfo(
        name="skip_tuning",
        version=2,
        title="Skip Tuning",
        family="weight adapter",
        summary="The last blocks of both towers, trained from stored states against the most similar classes.",
        paper="2412.11509",
        code="Koorye/SkipTuning",
        citation="""@inproceedings{wu2025skip,
  title = {Skip Tuning: Pre-trained Vision-Language Models are Effective and Efficient Adapters Themselves},
  author = {Wu, Shihan and Zhang, Ji and Zeng, Pengpeng and Gao, Lianli and Song, Jingkuan and Shen, Heng Tao},
  booktitle = {CVPR},
  year = {2025}
}""",
        config=SkipTuningConfig,
        needs=frozenset({"hidden"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"image_blocks", "image_projection", "text_blocks"}),
        recipes={EvalProtocol.FEW_SHOT: FEW_SHOT, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(TRANSFER),
        config_by_protocol={EvalProtocol.FEW_SHOT: {"image_rate": 1.0}} | for_transfer({"image_rate": 0.1}),
        starts_as_zero_shot={},
    )

    trainable: nn.ModuleDict

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, b = self.config, self.backbone
        image: Any = b.image_tower.visual
        text: Any = b.text_tower.modules
        image_views(b.image_tower)  # raises for a tower without such blocks
        if image.attn_pool is not None:
            raise BenchError("This image tower pools by attention, which skip_tuning does not train; choose a CLIP.")
        self.first, self.first_text = c.first_of(b.vision_depth), c.first_of(b.text_depth)
        image_end = TowerEnd(image.transformer.resblocks[self.first :], image.ln_post, image.proj)
        text_end = TowerEnd(text.transformer.resblocks[self.first_text :], text.ln_final, text.text_projection)
        self.trainable = nn.ModuleDict({"image": image_end, "text": text_end})
        self.tower = wrap_image_tower(
            with_modules(
                image,
                transformer=image_end.transformer(image.transformer),
                ln_post=image_end.norm,
                proj=image_end.projection,
            )
        )
        self.text_tower = type(b.text_tower)(
            with_modules(
                text,
                transformer=text_end.transformer(text.transformer),
                ln_final=text_end.norm,
                text_projection=text_end.projection,
            )
        )
        n = len(support.classes)
        always_kept = min(math.ceil(c.kept_share * n), c.kept_most)  # of the most similar classes
        self.kept_ranks = drawn_ranks(n, always_kept, c.spread, self.generator)
        self.shots, self.labels = support.shots, support.labels.tolist()

    def parameter_groups(self) -> list[dict[str, Any]]:
        image, text = self.trainable["image"], self.trainable["text"]
        rate = self.config.image_rate
        return [{"params": list(text.parameters())}, {"params": list(image.parameters()), "lr_scale": rate}]

    def arrange(self, batches: Sequence[Tensor]) -> Iterable[Tensor]:
        size = len(batches[0])
        return batches if self.shots < size else one_class_batches(torch.cat(list(batches)), self.labels, size)

    def hidden_texts(self, classes: ClassSet) -> TextHidden:
        """Hidden states of the class texts before the first trained block."""
        return self.frozen_text_hidden(classes, self.class_template(classes), self.first_text)

    def text_features(self, classes: ClassSet) -> Tensor:
        return self.backbone.continue_text(self.hidden_texts(classes), tower=self.text_tower)

    def image_features(self, batch: Batch) -> Tensor:
        tokens = self.backbone.continue_image(batch.hidden(self.first), self.first, tower=self.tower)
        return self.tower.project_to_joint_space(self.tower.pool(tokens, 0))

    def kept_classes(self, images: Float[Tensor, "batch dim"], batch: Batch) -> list[int]:
        """The classes in the loss of a batch, in order."""
        classes = self.support_classes
        if len(self.kept_ranks) == len(classes):
            return list(range(len(classes)))
        similar = cosine_logits(images, self.frozen_text(classes, self.class_template(classes)), 1.0).amax(dim=0)
        similar[batch.labels] = torch.inf
        ranking = similar.argsort(descending=True).tolist()
        labels = len(set(batch.label_numbers))
        return sorted(c for rank, c in enumerate(ranking) if rank < labels or rank in self.kept_ranks)

    def loss_terms(self, batch: Batch) -> tuple[Tensor, None]:
        images = self.image_features(batch)
        classes = self.kept_classes(images.detach(), batch)
        hidden = self.hidden_texts(self.support_classes).select(classes)
        texts = self.backbone.continue_text(hidden, tower=self.text_tower)
        labels = torch.searchsorted(on_device(torch.tensor(classes), images.device), batch.labels)
        return F.cross_entropy(cosine_logits(images, texts, self.backbone.logit_scale), labels), None


def drawn_ranks(n_classes: int, always: int, spread: float, generator: torch.Generator) -> frozenset[int]:
    """The ranks, from 0, whose classes stay in the loss: the first `always`, and some of the others."""
    density = torch.exp(-torch.linspace(0.0, 5.0, n_classes - always) / spread)
    share = (density - density.amin()) / (density.amax() - density.amin()) if len(density) > 1 else 0 * density
    stays = torch.rand(len(share), generator=generator) < share
    return frozenset(range(always)) | {always + int(rank) for rank in stays.nonzero()}


def one_class_batches(order: Tensor, labels: Sequence[int], size: int) -> Iterator[Tensor]:
    """Batches of images with the same label, as they fill up in the given order; then mixed ones of those left."""
    waiting: dict[int, list[int]] = {}
    for i in order.tolist():
        mine = waiting.setdefault(labels[i], [])
        mine.append(i)
        if len(mine) == size:
            yield torch.tensor(waiting.pop(labels[i]))
    left = [i for mine in waiting.values() for i in mine]
    yield from (part for part in torch.split(torch.tensor(left, dtype=torch.long), size) if len(part) == size)
