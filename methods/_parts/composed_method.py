"""Methods that consist of a table of parts: their logits are the cosine of image features and class texts."""

from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from datasets_registry import ClassSet
from methods._base.batch import Batch, SupportView
from methods._base.method import ConfigT
from methods._base.method_info import MethodInfo, Needs
from methods._parts.part_declarations import Part, Parts
from methods._parts.two_tower import TwoTowerMethod


def composed_info(parts: tuple[Part, ...], **facts: Any) -> MethodInfo:
    """The facts of a method made of these parts; `facts` adds or replaces facts."""
    slots = {part.slot for part in parts}
    prompted = bool(slots & {"visual_prompts", "coupling"})
    decided: dict[str, Any] = {
        "needs": frozenset({Needs.PIXELS if prompted else Needs.FEATURES}),
        "vision_transformer": prompted,
        "prompt_depths": {
            part.sizes[1]: "text" if part.slot == "text_context" else "image"
            for part in parts
            if part.slot in ("text_context", "visual_prompts") and part.sizes[1] in facts["config"].model_fields
        },
        "learns_text": "text_context" in slots,
        "open_vocabulary": True,
        "parameter_formula": " + ".join(part.parameter_formula for part in parts),
    }
    return MethodInfo(**(decided | facts))


class ComposedMethod(TwoTowerMethod[ConfigT]):
    """Base of the methods that consist of `Parts`.

    Attributes:
        parts: the table of parts, in the order in which they are initialised from the generator.
        template: template of the class texts if no text context is learned; None for the dataset's own.
    """

    parts: ClassVar[tuple[Part, ...]]
    template: ClassVar[str | None] = None
    trainable: Parts

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        built: dict[str, Any] = {p.slot: p.build(self.config, self.backbone, self.generator) for p in self.parts}
        self.trainable = Parts(**built).to(self.backbone.device)

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
