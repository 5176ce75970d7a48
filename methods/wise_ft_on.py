"""WiSE-FT around another method: `wise_ft_on:clip_lora`, `wise_ft_on:prolip`; `wise_ft_on` alone wraps CLIPFit.

Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", CVPR 2022. Official file: mlfoundations/wise-ft
`src/wise_ft.py`. The host is trained with its own settings. Then its parameters are interpolated with their initial
values:

    trained_share * trained + (1 - trained_share) * initial

The default of 0.5 is the paper's recommendation if nothing is known about the target. The initial model must be
zero-shot CLIP, so a host that starts from random prompts or layers is an error. A host whose start is a setting gets
the zero-shot start (`wise_ft_on:coop` starts at `a photo of a`, for few-shot too). Only one factor of a low-rank change
is interpolated, so that the weights themselves are interpolated linearly. ZS-LP and cross-modal adaptation have this
average as a setting of the same name; around them the wrapper only changes that setting's default.
"""

from typing import Any

import torch
from pydantic import Field

from datasets_registry import EvalProtocol
from methods import Method, MethodInfo, SupportView, TrainableMethod, register_method
from methods._base.wrapper import register_wrapper, wrapped_info
from methods.clip_fit import CLIPFit

CITATION = """@inproceedings{wortsman2022wiseft,
  title = {Robust Fine-Tuning of Zero-Shot Models},
  author = {Wortsman, Mitchell and Ilharco, Gabriel and Kim, Jong Wook and Li, Mike and Kornblith, Simon and others},
  booktitle = {CVPR},
  year = {2022}
}"""


class Interpolated(TrainableMethod[Any]):
    """Mixin before a host: interpolates what the host learned with its initial values."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self._start = [(parameter, parameter.detach().clone()) for parameter in self.interpolated_parameters()]

    def finalise(self) -> None:
        super().finalise()
        with torch.no_grad():
            for parameter, start in self._start:
                parameter.lerp_(start, 1 - self.config.trained_share)


def wise_ft_info(host: MethodInfo, name: str) -> MethodInfo:
    """The host's info with the setting `trained_share` added."""
    start = host.starts_as_zero_shot or {}

    class StartsAsZeroShot:
        def config_error(self) -> str | None:
            """Why the host does not start as the zero-shot model, and what to set; None if it does."""
            needed = ", ".join(f"{key}={value!r}" for key, value in start.items() if getattr(self, key) != value)
            if not needed:
                return None
            return (
                f"{host.title} starts as the zero-shot model only with {needed}. Set this, since "
                "WiSE-FT averages trained and initial weights."
            )

    share = Field(0.5, ge=0, le=1, description="share of the trained weights, the rest initial; 0.5, WiSE-FT section 4")
    changed = {*host.recipes, *host.config_by_protocol}
    protocols = [protocol for protocol in EvalProtocol if protocol in changed]
    return wrapped_info(
        host,
        name,
        title=f"{host.title} + WiSE-FT",
        summary=f"{host.title}, its trained weights averaged with those it started from.",
        paper="2109.01903",
        code="mlfoundations/wise-ft",
        citation=CITATION,
        settings={"trained_share": (float, share)},
        config_by_protocol={key: {**host.config_by_protocol.get(key, {}), **start} for key in protocols},
        config_mixin=StartsAsZeroShot,
    )


def wise_ft_conflict(host: type[Method[Any]]) -> str | None:
    """Why a method cannot be averaged with its initial weights, to follow its name in a sentence; None if it can."""
    if not issubclass(host, TrainableMethod):
        return "trains no weights"
    if host.info.family == "ensemble":
        return "is an ensemble already"
    if host.info.starts_as_zero_shot is None:
        return "does not start as the zero-shot model, so there is nothing to average its weights with"
    return None


@register_method
class WiSEFTOn(Interpolated, CLIPFit):
    """CLIPFit with WiSE-FT."""

    info = wise_ft_info(CLIPFit.info, "wise_ft_on")


register_wrapper("wise_ft_on", Interpolated, wise_ft_info, wise_ft_conflict)
