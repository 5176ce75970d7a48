"""Methods that consist of learned parts: their logits are the cosine of image features and class texts."""

from abc import abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import ClassSet
from methods._base.batch import Batch, SupportView
from methods._base.method import ConfigT
from methods._parts.learned_prompts import Coupling, TextContext, VisualPrompts
from methods._parts.two_tower import TwoTowerMethod


class Parts(nn.Module):
    """Learned parts around a frozen backbone. A side without a part is frozen.

    `coupling` replaces `visual_prompts` and needs a `text_context`.
    """

    def __init__(
        self,
        *,
        visual_prompts: VisualPrompts | None = None,
        text_context: TextContext | None = None,
        coupling: Coupling | None = None,
        text_adapter: nn.Module | None = None,
        visual_adapter: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.visual_prompts = visual_prompts
        self.text_context = text_context
        self.coupling = coupling
        self.text_adapter = text_adapter
        self.visual_adapter = visual_adapter

    def visual_prompt_tokens(self) -> list[Tensor]:
        """Visual prompts by block; empty without any."""
        if self.coupling is not None and self.text_context is not None:
            coupled: list[Tensor] = self.coupling(self.text_context.layers())
            return coupled
        return list(self.visual_prompts.layers) if self.visual_prompts else []


class ComposedMethod(TwoTowerMethod[ConfigT]):
    """Base of the methods that consist of `Parts`.

    Attributes:
        template: template of the class texts if no text context is learned; None for the dataset's own.
    """

    template: ClassVar[str | None] = None
    trainable: Parts

    @abstractmethod
    def make_parts(self) -> Parts:
        """The newly initialised parts. Their order decides which numbers of the generator each of them gets."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.trainable = self.make_parts().to(self.backbone.device)

    def prompted_text(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """Text features before any adapter, unnormalised."""
        context = self.trainable.text_context
        return (
            context(classes, self.backbone) if context else self.frozen_text(classes, self.template or classes.template)
        )

    def text_features(self, classes: ClassSet) -> Float[Tensor, "*runs n_cls dim"]:
        return self.text_features_from(self.prompted_text(classes))

    def text_features_from(self, prompted: Float[Tensor, "n_cls dim"]) -> Float[Tensor, "*runs n_cls dim"]:
        """Text features after the text adapter, if there is one."""
        adapter = self.trainable.text_adapter
        return adapter(prompted) if adapter else prompted

    def image_features(self, batch: Batch) -> Float[Tensor, "*runs batch dim"]:
        prompts = self.trainable.visual_prompt_tokens()
        image = self.backbone.encode_image(batch.pixels, prompts=prompts) if prompts else batch.features
        return self.trainable.visual_adapter(image) if self.trainable.visual_adapter else image
