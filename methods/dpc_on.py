"""DPC around a text prompt: a parallel prompt learns the trained classes from hard negatives. `dpc_on` wraps CoOp.

Li et al., "DPC: Dual-Prompt Collaboration for Tuning Vision-Language Models", CVPR 2025. First the host is trained,
which gives its context P. Then a parallel context P' starts at P and is trained alone. The learned tensor is a mixture:

    M = base_share * P' + (1 - base_share) * P       so  P' = P + (M - P) / base_share
    classes of the training:  M          other lists:  new_share * P' + (1 - new_share) * P

A batch of the second stage has `parallel_batch` images. P ranks the classes for each of them. The best `top`, without
the image's own class and those that the batch has, are its hard negatives. If fewer than two are left, classes are
drawn until there are two or none is left. Each negative brings a random training image of its class. With normalised
image features f_i and texts w_i of their classes under P', in the order of the batch,

    loss = (CE of row i of L + CE of column i of L) / 2, the mean over i       L_ij = scale * f_i w_j, target i

The official repository (JREion/DPC at 01e6b59) is incomplete: its lists of images and modules that it imports are
absent, and the comparison with official code supplies them. In its `trainers/sple_coop.py`, the copy of P shares the
storage of the trained tensor, so in training P moves with M: P' has the value of M, and its gradient is divided by
`base_share`. The published numbers come from that code, so this is the default; with `host_moves=false` P stays, as the
paper says. Trained classes are tested with M, others with the P of the first stage. Apart from epochs and batch size,
both stages share one recipe. The official files of CoOp + DPC have batches of 2, 4, 8 and 16 with `top` 2, 8, 4 and 2.
The default is the file with the published weight of 0.2. No script names the training of the host. All those files name
one path, of CoOp with four vectors and 100 epochs, and around CoOp these are the defaults. The images of negatives are
centre views. Only features of all training images are stored, so a host that trains on pixels (MaPLe, PromptSRC) is
refused.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods import (
    Batch,
    Method,
    MethodInfo,
    Recipe,
    SupportView,
    TrainableMethod,
    cosine_logits,
    register_method,
)
from methods._base.devices import on_device
from methods._base.recipe import MOST_EPOCHS, PUBLISHED
from methods._base.wrapper import register_wrapper, wrapped_info
from methods._parts.two_tower_methods import ContextMethod
from methods.atprompt_on import Anchored
from methods.coop import CoOp
from methods.dept import Decoupled

CITATION = """@inproceedings{li2025dpc,
  title = {DPC: Dual-Prompt Collaboration for Tuning Vision-Language Models},
  author = {Li, Haoyang and Wang, Liang and Wang, Chao and Jiang, Jing and Peng, Yan and Long, Guodong},
  booktitle = {CVPR},
  year = {2025}
}"""


class Dual(ContextMethod[Any]):
    """Mixin before a host: a second stage that trains the parallel context."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.support = support
        self.trainable.register_buffer("tuned", self.trainable.ctx.detach().clone())
        self.trainable.register_buffer("is_dual", torch.tensor(False))
        self.stage = 0

    @property
    def tuned(self) -> Float[Tensor, "*n_cls n_ctx width"]:
        """P."""
        return self.trainable.get_buffer("tuned")

    def stages(self) -> tuple[float, ...]:
        return (1.0, 1.0)

    def stage_recipe(self, stage: int, recipe: Recipe) -> Recipe:
        """In the second stage, its own batch size and number of epochs, but no more epochs than in the first."""
        if stage == 0:
            return recipe
        c = self.config
        epochs = min(c.parallel_epochs, recipe.epochs_for(self.support.shots))
        own = {"epochs": epochs, "epochs_by_shots": {}, "steps": 0, "steps_per_shot": 0}
        return recipe.model_copy(update=own | {"batch_size": c.parallel_batch})

    def begin_stage(self, stage: int) -> None:
        self.stage = stage
        self.places: list[list[int]] = []
        if stage == 1:
            self.tuned.copy_(self.trainable.ctx.detach())
            self.trainable.get_buffer("is_dual").fill_(True)
            labels = self.support.labels.tolist()
            classes = range(len(self.support_classes))
            self.places = [[i for i, label in enumerate(labels) if label == c] for c in classes]

    def tuned_state(self) -> dict[str, Tensor]:
        """The state of `trainable`; before the second stage, P is the host's context."""
        state = super().tuned_state()
        before = {"tuned": state["ctx"].clone(), "is_dual": torch.ones_like(state["is_dual"])}
        return state if self.stage else state | before

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        super().restore_tuned_state(classes, state)
        self.stage = 1

    def context(self, share: float) -> Tensor:
        """`share * P' + (1 - share) * P`; where P moves, P' in training has the value of M."""
        if share == 1 and self.stage == 1 and self.config.host_moves:
            mixed: Tensor = self.trainable.ctx
            moving: Tensor = mixed.detach() + (mixed - mixed.detach()) / self.config.base_share
            return moving
        moved: Tensor = self.tuned + share / self.config.base_share * (self.trainable.ctx - self.tuned)
        return moved

    def encoded(self, classes: ClassSet, ctx: Tensor) -> Float[Tensor, "n_cls dim"]:
        """Texts of the classes with that context, unnormalised."""
        return self.backbone.encode_prompts(self.trainable.prompts_with(ctx, classes, self.backbone))

    def text_features(self, classes: ClassSet) -> Tensor:
        trained = set(classes.names) <= set(self.support_classes.names)
        if trained or not self.trainable.get_buffer("is_dual"):
            return super().text_features(classes)
        self.check_classes(classes)
        return self.encoded(classes, self.context(self.config.new_share))

    def loss(self, batch: Batch) -> Tensor:
        if self.stage == 0:
            return super().loss(batch)
        with torch.no_grad():
            ranked = cosine_logits(batch.features, self.encoded(self.support_classes, self.tuned), 1.0)
        order = ranked.topk(min(self.config.top, ranked.shape[1]), dim=1).indices.tolist()
        texts = self.encoded(self.support_classes, self.context(1.0))
        own = batch.label_numbers
        extra = self.negatives(own, order)
        chosen = [self.places[c][self.drawn(len(self.places[c]))] for c in extra]
        added, rows = (
            on_device(torch.tensor(each, dtype=torch.long), texts.device) for each in (chosen, [*own, *extra])
        )
        images = torch.cat([batch.features, self.support.features()[added]])
        return contrastive_loss(cosine_logits(images, texts[rows], self.backbone.logit_scale))

    def negatives(self, own: list[int], order: list[list[int]]) -> list[int]:
        """The hard negatives of a batch, in the order of its images.

        Args:
            own: the class of each image.
            order: the classes that P ranks best for each image.
        """
        used, found = set(own), []
        for label, best in zip(own, order, strict=True):
            new = [c for c in best if c != label and c not in used]
            left = [c for c in range(len(self.support_classes)) if c not in used and c not in new]
            while len(new) < 2 and left:
                new.append(left.pop(self.drawn(len(left))))
            used.update(new)
            found += new
        return found

    def drawn(self, n: int) -> int:
        """A random number from 0 to n - 1."""
        return int(torch.randint(n, (1,), generator=self.generator))


def contrastive_loss(logits: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """Cross-entropy of rows and of columns, each with the diagonal as its target."""
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def dpc_info(host: MethodInfo, name: str) -> MethodInfo:
    """The host's info with DPC's settings added."""
    source = "official configs/trainers/SPLE/CoOp/vit_b16_ep20_bs8top4.yaml"
    settings: dict[str, Any] = {
        "base_share": (float, Field(0.2, gt=0, le=1, description=f"share of P' for trained classes; 0.2, {source}")),
        "new_share": (
            float,
            Field(0.0, ge=0, le=1, description=f"share of P' for other lists of classes; 0, {source}"),
        ),
        "top": (
            int,
            Field(4, ge=2, description=f"classes that P ranks best, of which negatives are taken; 4, {source}"),
        ),
        "host_moves": (
            bool,
            Field(True, description="in the second stage P moves with M (official code), or stays (paper)"),
        ),
        "parallel_batch": (
            int,
            Field(8, ge=1, description=f"images per step of the second stage, without its negatives; 8, {source}"),
        ),
        "parallel_epochs": (
            int,
            Field(
                20,
                ge=1,
                le=MOST_EPOCHS,
                description=f"epochs of the second stage, at most those of the first; 20, {source}",
            ),
        ),
    }
    return wrapped_info(
        host,
        name,
        title=f"{host.title} + DPC",
        summary=f"{host.title}, then a parallel prompt for the trained classes, learned from hard negatives.",
        paper="2503.13443",
        code="JREion/DPC",
        citation=CITATION,
        settings=settings,
        family=host.family,
        starts_as_zero_shot=None,
        **(_published_around_coop(host) if host is CoOp.info else {}),
    )


def _published_around_coop(host: MethodInfo) -> dict[str, Any]:
    """The training of CoOp that the official files name, as facts that differ from the host's."""
    recipes = {
        protocol: recipe.model_copy(
            update={
                "name": PUBLISHED,
                "source": "CoOp's configs/trainers/CoOp/vit_b16_ep100.yaml, in the path of the trained host in all of "
                "DPC's configs/trainers/SPLE/CoOp; weight decay: Dassl's default",
                "epochs": 100,
                "epochs_by_shots": {},
                "by_dataset": {},
            }
        )
        for protocol, recipe in host.recipes.items()
    }
    return {"recipes": recipes, "config_by_protocol": {key: {"n_ctx": 4, "ctx_init": ""} for key in recipes}}


def dpc_conflict(host: type[Method[Any]]) -> str | None:
    """Why DPC cannot wrap a method, to follow its name in a sentence; None if it can."""
    if issubclass(host, TrainableMethod) and "pixels" in host.info.needs:
        return "trains on pixels, and hard negatives are chosen among stored features"
    if not issubclass(host, ContextMethod) or host.info.family == "ensemble":
        return "is not one learned context of the text input"
    if issubclass(host, Decoupled | Anchored | Dual):
        return "learns more than one context"
    if host.backward is not TrainableMethod.backward:
        return "changes the gradients of its own loss"
    return None


@register_method
class DPCOn(Dual, CoOp):
    """CoOp with DPC's parallel prompt."""

    info = dpc_info(CoOp.info, "dpc_on")


register_wrapper("dpc_on", Dual, dpc_info, dpc_conflict)
