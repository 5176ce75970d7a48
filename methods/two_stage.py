"""2SFS: tunes the norms of both towers, then freezes them and trains a classifier that starts from the tuned texts.

Farina et al., "Rethinking Few-Shot Adaptation of Vision-Language Models in Two Stages", CVPR 2025. Official file:
FarinaMatteo/rethinking_fewshot_vlms `fs/twostage.py`. Both stages minimise a cross-entropy on scaled cosines:

    first 60 % of the iterations:   image(norms) against text(norms)
    the rest:                       image(norms), now frozen, against one row per class, from the normalised texts

Each stage has its own AdamW and cosine schedule. At test, a trained class uses its row and any other class its tuned
text (selective inference). The paper tunes every LayerNorm. The code disables the gradient of the three outer ones, so
only those of the blocks were trained for the published numbers. All datasets use one generic template.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Backbone, Batch, SupportView, TwoTowerMethod, cosine_logits, frozen_prompts, register_method
from methods._base.method_info import MethodConfig, MethodInfo, Sizes
from methods._parts.two_tower_methods import CLIP_LORA_RECIPE
from methods._text.templates import GENERIC_TEMPLATE
from methods._towers.blocks import TunedNorms
from methods._towers.image_tower import image_views, outer_norms


class TwoStageConfig(MethodConfig):
    """The tuned norms, the length of the first stage, and the class texts."""

    first_share: float = Field(0.6, gt=0, lt=1, description="share of the iterations for the norms; 0.6, official code")
    norms: Literal["blocks", "all"] = Field(
        "blocks", description="tuned norms: the blocks' (what the official code trains), or all (what the paper says)"
    )
    template: str = Field(
        GENERIC_TEMPLATE, description="class texts; generic for every dataset. Empty: the dataset's own"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        blocks = 4 * (sizes.text_width * sizes.text_blocks + sizes.image_width * sizes.image_blocks)
        outer = 2 * sizes.text_width + 4 * sizes.image_width if self.norms == "all" else 0
        return blocks + outer + sizes.n_classes * sizes.embed_dim


class NormsAndRows(nn.Module):
    """Copies of the norms of both towers, and a classifier row per class."""

    def __init__(self, backbone: Backbone, rows: Tensor, *, outer: bool) -> None:
        super().__init__()
        text, image = backbone.text_tower, backbone.image_tower
        self.text = TunedNorms(text.views, [text.modules.ln_final] if outer else ())
        self.image = TunedNorms(image_views(image), outer_norms(image) if outer else ())
        self.rows = nn.Parameter(rows)


RECIPE = CLIP_LORA_RECIPE.model_copy(
    update={
        "source": "2SFS fs/twostage.py and its scripts; printed for few-shot and base-to-new",
        "steps_per_shot": 300,
    }
)


@register_method
class TwoStage(TwoTowerMethod[TwoStageConfig]):
    """Norms first, then a classifier row per class."""

    info = MethodInfo(
        name="two_stage",
        title="2SFS",
        family="weight adapter",
        summary="The norms of both towers, then a classifier on top; new classes keep the tuned text tower.",
        paper="2503.11609",
        code="FarinaMatteo/rethinking_fewshot_vlms",
        citation="""@inproceedings{farina2025twostage,
  title = {Rethinking Few-Shot Adaptation of Vision-Language Models in Two Stages},
  author = {Farina, Matteo and Mancini, Massimiliano and Iacca, Giovanni and Ricci, Elisa},
  booktitle = {CVPR},
  year = {2025}
}""",
        config=TwoStageConfig,
        needs=frozenset({"pixels"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"image_blocks", "text_blocks"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
        starts_as_zero_shot={},
    )

    trainable: NormsAndRows

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        rows = F.normalize(self.frozen_text(support.classes, self._template(support.classes)), dim=-1)
        self.trainable = NormsAndRows(self.backbone, rows, outer=self.config.norms == "all")
        self.stage = 0

    def stages(self) -> tuple[float, ...]:
        return (self.config.first_share, 1 - self.config.first_share)

    def begin_stage(self, stage: int) -> None:
        self.stage = stage
        if stage == 1:
            with torch.no_grad():
                self.trainable.rows.copy_(F.normalize(self.tuned_text(self.support_classes), dim=-1))

    def parameter_groups(self) -> list[dict[str, Any]]:
        part = self.trainable
        return [{"params": [part.rows] if self.stage else [*part.text.parameters(), *part.image.parameters()]}]

    def loss(self, batch: Batch) -> Tensor:
        if self.stage:
            with torch.no_grad():
                image = self.image_features(batch)
            text: Tensor = self.trainable.rows
        else:
            image, text = self.image_features(batch), self.tuned_text(self.support_classes)
        return F.cross_entropy(cosine_logits(image, text, self.backbone.logit_scale), batch.labels)

    def tuned_text(self, classes: ClassSet) -> Tensor:
        """Class texts through the tuned tower, unnormalised."""
        norms = self.trainable.text
        prompts = frozen_prompts(self.backbone.class_tokens(classes, self._template(classes)))
        blocks = norms.views(self.backbone.text_blocks)
        return self.backbone.encode_prompts(prompts, blocks=blocks, norm=norms.outer[0] if norms.outer else None)

    def text_features(self, classes: ClassSet) -> Tensor:
        place = {name: i for i, name in enumerate(self.support_classes.names)}
        is_trained = [name in place for name in classes.names]
        chosen = self.trainable.rows[[place.get(name, 0) for name in classes.names]]
        if all(is_trained):
            return chosen
        return torch.where(torch.tensor(is_trained, device=chosen.device)[:, None], chosen, self.tuned_text(classes))

    def image_features(self, batch: Batch) -> Tensor:
        norms = self.trainable.image
        blocks = norms.views(self.backbone.image_blocks)
        outer = (norms.outer[0], norms.outer[1]) if norms.outer else None
        return self.backbone.encode_image(batch.pixels, blocks=blocks, norms=outer)

    def _template(self, classes: ClassSet) -> str:
        return self.config.template or classes.template
