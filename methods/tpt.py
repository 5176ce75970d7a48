"""TPT: one gradient step per test image makes the prompt's predictions on views of the image more confident.

Shu et al., "Test-Time Prompt Tuning for Zero-Shot Generalization in Vision-Language Models", NeurIPS 2022. Official
files: azshue/TPT `tpt_classification.py`, `clip/custom_clip.py` and `data/datautils.py`. The tenth of an image's views
with the lowest entropies is selected. AdamW lowers the entropy of their mean probability, and the adapted prompt
classifies the plain view. The next image starts again from the words of `ctx_init`.

Views are random crops. Except on ImageNet and its variants, they are mixed with distorted copies of themselves
(AugMix). The official step is in half precision, ours in fp32.

The adapted prompt is discarded with its image. A run therefore counts as untrained, with 0 parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Method, StreamClassifier, cosine_logits, register_method
from methods._base.method_info import MethodConfig, MethodInfo
from methods._parts.feature_methods import IMAGENET_SHIFTS, entropy, log_of_mean, most_confident
from methods._parts.prompts import Context, check_words, context_from_words, word_count


class TPTConfig(MethodConfig):
    """The views, their selection, and the gradient step."""

    ctx_init: str = Field("a photo of a", min_length=1, description="words that initialise the context; official")
    views: int = Field(63, ge=1, description="random crops beside the plain view; 63 (a batch of 64)")
    augmix: bool = Field(
        True,
        description="whether crops are mixed with distorted copies of themselves; yes, except on ImageNet and its "
        "variants (official tpt_classification.py, `augmix=len(set_id)>1`)",
    )
    crop_scale: tuple[float, float] = Field((0.08, 1.0), description="area range of the crops; torchvision's default")
    selected: float = Field(0.1, gt=0, le=1, description="share of the views, the most confident ones; 0.1")
    steps: int = Field(1, ge=1, description="gradient steps for each image; 1")
    lr: float = Field(5e-3, gt=0, description="learning rate of AdamW; 0.005")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW; 0.01, torch's default")

    _words_fit = field_validator("ctx_init")(check_words)

    @property
    def length(self) -> int:
        """Context vectors: one for each word of `ctx_init`."""
        return word_count(self.ctx_init)


TPTConfigT = TypeVar("TPTConfigT", bound=TPTConfig)


@register_method
class TPT(Method[TPTConfigT]):
    """A separate prompt for each test image."""

    info = MethodInfo(
        name="tpt",
        title="TPT",
        family="test-time",
        summary="One gradient step for each test image makes the prompt confident on random views of it.",
        paper="2209.07511",
        code="azshue/TPT",
        citation="""@inproceedings{shu2022test,
  title = {Test-Time Prompt Tuning for Zero-Shot Generalization in Vision-Language Models},
  author = {Shu, Manli and Nie, Weili and Huang, De-An and others},
  booktitle = {NeurIPS},
  year = {2022}
}""",
        config=TPTConfig,
        config_by_protocol={
            EvalProtocol.TEST_TIME: {
                "by_dataset": {name: {"augmix": False} for name in ("imagenet", *sorted(IMAGENET_SHIFTS))}
            }
        },
        open_vocabulary=True,
        learns_text=True,
        needs=frozenset({"features", "test_views", "test_stream"}),
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        words = context_from_words(self.config.ctx_init, self.backbone, self.config.length)
        return StreamClassifier(partial(self.adapt_and_classify, classes, words))

    def adapt_and_classify(
        self, classes: ClassSet, words: Float[Tensor, "n_ctx width"], batches: Iterator[Batch]
    ) -> Iterator[Tensor]:
        """Logits of each image under a prompt that is adapted to it."""
        for batch in batches:
            plain = batch.features
            views = batch.test_views(self.config.views, self.config.crop_scale, mixed=self.config.augmix)
            views = torch.cat([plain[None], views])
            yield torch.cat([self.adapted_logits(views[:, i], classes, words) for i in range(len(plain))])

    def adapted_logits(
        self, views: Float[Tensor, "n_views dim"], classes: ClassSet, words: Float[Tensor, "n_ctx width"]
    ) -> Float[Tensor, "1 n_cls"]:
        """Logits of the plain view, the first one, after the steps on all views of one image."""
        c = self.config
        context = Context(words.clone()).to(self.backbone.device)
        optimizer = torch.optim.AdamW(context.parameters(), lr=c.lr, weight_decay=c.weight_decay)
        chosen = None
        with torch.enable_grad():
            for _ in range(c.steps):
                text = self.texts(context, classes)
                logits = cosine_logits(views, text, self.backbone.logit_scale)
                if chosen is None:
                    chosen = most_confident(logits, c.selected)
                optimizer.zero_grad()
                torch.autograd.backward(self.loss(logits[chosen], text))
                optimizer.step()
        with torch.no_grad():
            return cosine_logits(views[:1], self.texts(context, classes), self.backbone.logit_scale)

    def texts(self, context: Context, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """Unnormalised features of the class texts under a context."""
        return self.backbone.encode_prompts(context.prompts(classes, self.backbone))

    def loss(self, logits: Float[Tensor, "n_views n_cls"], text: Float[Tensor, "n_cls dim"]) -> Tensor:
        """The entropy of the mean probability of the confident views."""
        return entropy(log_of_mean(logits))
