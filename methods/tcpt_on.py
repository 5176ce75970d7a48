"""TCPT around another method: two penalties that calibrate its confidence. `tcpt_on:maple`; `tcpt_on` alone wraps CoOp.

Sharifdeen et al., "Towards Calibrating Prompt Tuning of Vision-Language Models", CVPR 2026. Official files:
ashshaksharifdeen/TCPT `trainers/regularizers.py` and `trainers/{coop,cocoop,maple,promptsrc}.py`. With m the margins of
a batch (the logit of an image's class minus its largest other logit), w the normalised texts that the host learns, and
t the normalised frozen ones of the dataset's template,

    loss = host's loss - margin_weight * mean(m) + margin_variance_weight * variance(m)
           + moment_weight * (|mean(w) - mean(t)|^2 + |covariance(w) - covariance(t)|^2)

Mean and covariance run over the training classes. The variance and the covariances divide by the number of images and
of classes, and |.| is the Frobenius norm. A host with texts for each image (CoCoOp) gets the mean of the last term over
the images of a batch; the official code takes the last image, and trains CoCoOp with batches of one.

The host is trained with its own settings, except CoOp, which has sixteen vectors from a random start. Its script for
base-to-new trains 50 epochs on all datasets, with the class name in the middle (and a ResNet-50). Some official hosts
differ: a tenth of the mean absolute cosine between texts replaces KgCoOp's penalty, and PromptSRC's teacher averages
eighty templates.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from datasets_registry import BenchError, EvalProtocol
from methods import Batch, Method, MethodInfo, Recipe, SupportView, register_method
from methods._base.wrapper import register_wrapper, wrapped_info
from methods._parts.compared_pair import ComparedPair
from methods.coop import CoOp
from methods.dept import dept_conflict
from methods.kgcoop import KgCoOp

CITATION = """@inproceedings{sharifdeen2026tcpt,
  title = {Towards Calibrating Prompt Tuning of Vision-Language Models},
  author = {Sharifdeen, Ashshak and Shamshad, Fahad and Munir, Muhammad Akhtar and Basu, Abhishek and others},
  booktitle = {CVPR},
  year = {2026}
}"""


class Calibrated(ComparedPair):
    """Mixin before a host: adds the two penalties."""

    def prepare(self, support: SupportView) -> None:
        if len(support.classes) < 2:
            raise BenchError(
                f"{self.info.name} compares the logits of two classes, and the training set has one class."
            )
        super().prepare(support)
        host: Any = self
        classes = support.classes
        if isinstance(host, KgCoOp):  # its frozen texts have a wording of their own
            frozen = host.teacher(classes)
        else:
            frozen = self.backbone.class_texts(classes, classes.template)
        self.frozen_moments = moments(frozen)

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        c = self.config
        classification, penalty = super().loss_terms(batch)
        margin = self.margins(batch.labels)
        mean, covariance = moments(self.compared_texts)
        frozen_mean, frozen_covariance = self.frozen_moments
        distance = (mean - frozen_mean).square().sum(-1) + (covariance - frozen_covariance).square().sum((-2, -1))
        added = (
            c.moment_weight * distance.mean()
            - c.margin_weight * margin.mean()
            + c.margin_variance_weight * margin.var(correction=0)
        )
        return classification, added if penalty is None else penalty + added

    def margins(self, labels: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The logit of each image's class minus its largest other logit."""
        scale = getattr(self.config, "logit_scale", None) or self.backbone.logit_scale
        image, text = (F.normalize(each, dim=-1) for each in (self.compared_images, self.compared_texts))
        logits = scale * (text @ image[:, :, None])[:, :, 0]
        true_class = labels[:, None]
        return logits.gather(1, true_class)[:, 0] - logits.scatter(1, true_class, -torch.inf).amax(dim=1)


def moments(
    texts: Float[Tensor, "*batch n_cls dim"],
) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "*batch dim dim"]]:
    """Mean and covariance over the classes of the normalised texts."""
    unit = F.normalize(texts, dim=-1)
    mean = unit.mean(dim=-2)
    centred = unit - mean[..., None, :]
    return mean, centred.mT @ centred / unit.shape[-2]


def tcpt_info(host: MethodInfo, name: str) -> MethodInfo:
    """The host's info with the weights of the penalties added."""
    source = "official code, trainers/coop.py"
    settings: dict[str, Any] = {
        "margin_weight": (float, Field(0.1, ge=0, description=f"weight of the mean margin; 0.1, {source}")),
        "margin_variance_weight": (
            float,
            Field(0.01, ge=0, description=f"weight of the variance of the margins; 0.01, {source}"),
        ),
        "moment_weight": (
            float,
            Field(5.0, ge=0, description=f"weight of the distance to the moments of the frozen texts; 5, {source}"),
        ),
    }
    return wrapped_info(
        host,
        name,
        title=f"{host.title} + TCPT",
        summary=f"{host.title} with penalties that calibrate its confidence.",
        paper="2602.19024",
        code="ashshaksharifdeen/TCPT",
        citation=CITATION,
        settings=settings,
        family=host.family,
        **(_published_around_coop(host) if host is CoOp.info else {}),
    )


def _published_around_coop(host: MethodInfo) -> dict[str, Any]:
    """The training of CoOp in the official scripts, as facts that differ from the host's."""
    recipes = {
        protocol: recipe.model_copy(update={"source": f"{host.title}'s: {recipe.source}"})
        for protocol, recipe in host.recipes.items()
    }
    recipes[EvalProtocol.BASE_TO_NEW] = Recipe(
        source="TCPT scripts/coop/base2new_train_coop_datasets.sh, configs/trainers/CoOp/rn50_ep50.yaml (50 epochs on "
        "all datasets); weight decay: Dassl's default",
        epochs=50,
    )
    return {
        "recipes": recipes,
        "config_by_protocol": {EvalProtocol.BASE_TO_NEW: {"class_position": "middle"}},
        "starts_as_zero_shot": {"ctx_init": "a photo of a", "class_position": "end"},
    }


def tcpt_conflict(host: type[Method[Any]]) -> str | None:
    """Why TCPT cannot wrap a method, to follow its name in a sentence; None if it can."""
    return "has these penalties already" if issubclass(host, Calibrated) else dept_conflict(host)


@register_method
class TCPTOn(Calibrated, CoOp):
    """CoOp with TCPT's penalties."""

    info = tcpt_info(CoOp.info, "tcpt_on")


register_wrapper("tcpt_on", Calibrated, tcpt_info, tcpt_conflict)
