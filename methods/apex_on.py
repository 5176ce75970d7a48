"""APEX's adaptive ensemble around another method: `apex_on:maple`, `apex_on:kgcoop`; `apex_on` alone wraps CoOp.

This combination is unpublished. It tests whether difficulty-aware blending helps methods other than APEX. The host is
trained with its own settings. At inference each candidate class gets APEX's weight (Yang et al., EMNLP 2024, see
`apex.py`) and

    text(e) = weight(e) * t(e) + (1 - weight(e)) * t0(e)            t: the host's text, t0: the frozen one
    image   = mean(weight) * z + (1 - mean(weight)) * z0            z: the host's image feature, z0: the frozen one

on unnormalised features. Trained classes have weight 1, which gives the host itself. APEX blends the output of its
adapter with the adapter's input, a learned prompt. A host has no such input, so it is blended with zero-shot CLIP.
"""

from typing import Any

from pydantic import Field

from datasets_registry import ClassSet
from methods import Classifier, Method, MethodInfo, TwoTowerMethod, register_method
from methods._base.wrapper import register_wrapper, wrapped_info
from methods._parts.apex_parts import APEX_CITATION, blended, class_distances, ensemble_weight
from methods._text.templates import GENERIC_TEMPLATE
from methods.coop import CoOp


class Blended(TwoTowerMethod[Any]):
    """Mixin before a host: blends the host's features with the frozen ones."""

    def classifier(self, classes: ClassSet) -> Classifier:
        if set(classes.names) <= set(self.support_classes.names):
            return super().classifier(classes)  # every weight is 1
        candidates = self.frozen_text(classes, GENERIC_TEMPLATE)
        trained = self.frozen_text(self.support_classes, GENERIC_TEMPLATE)
        distances = class_distances(candidates, trained, "max")
        weight = ensemble_weight(*distances, beta=self.config.blend_beta, eps=self.config.blend_eps)
        return blended(
            adapted_text=self.text_features(classes),
            plain_text=self.frozen_text(classes, classes.template),
            text_weight=weight,
            adapted_image=lambda batch: batch.once(self.image_features),
            plain_image=lambda batch: batch.features,
            image_weight=float(weight.mean()),
            scale=self.backbone.logit_scale,
        )


def apex_on_info(host: MethodInfo, name: str) -> MethodInfo:
    """The host's info with the ensemble's two settings added."""
    settings: dict[str, Any] = {
        "blend_beta": (float, Field(4.0, ge=0, description="sharpness of the ensemble weight; 4, APEX Table 12")),
        "blend_eps": (float, Field(0.05, ge=0, description="a class nearer than this counts as trained; 0.05, APEX")),
    }
    return wrapped_info(
        host,
        name,
        title=f"{host.title} + APEX ensemble",
        summary=f"{host.title}, blended with the pretrained model by a class's distance.",
        paper="2311.15569",
        code="YangYongJin/APEX",
        citation=APEX_CITATION,
        settings=settings,
        needs=host.needs | {"features"},
        starts_as_zero_shot=None,
    )


def apex_on_conflict(host: type[Method[Any]]) -> str | None:
    """Why a method cannot be blended, to follow its name in a sentence; None if it can be."""
    if not issubclass(host, TwoTowerMethod) or host.info.family == "ensemble":
        return "has no single pair of text and image features"
    return None if host.one_pair else "compares more than one pair of features"


@register_method
class APEXOn(Blended, CoOp):
    """CoOp with APEX's ensemble."""

    info = apex_on_info(CoOp.info, "apex_on")


register_wrapper("apex_on", Blended, apex_on_info, apex_on_conflict)
