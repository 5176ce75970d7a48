"""LP++: a linear probe whose logits add the text similarities, with a learned weight for each class.

Huang et al., "LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP", CVPR 2024. Official file: FereshteShakeri/
FewShot-CLIP-Strong-Baseline `methods/linear_probe_p2.py`:

    logits = W f + b + alpha_c (f . t_c)            f, t normalised, no temperature

Training is full-batch gradient descent with step sizes computed from the data: 4 N / lambda_max(F'F) for W and b, with
momentum, and N / (4 max_c sum_i (f_i . t_c)^2) for alpha, which is updated every tenth epoch. W starts at the *sum* of
a class's features. Alpha starts at the same value for all classes, 250 times the mean similarity of an image to its own
class. The official code never zeroes alpha's gradient, so each step uses the sum since the start. This is the default
here and a setting. The published epoch is the best on as many validation images as shots (the last if several are
equal); here on min(shots, 4).
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Classifier, MethodInfo, Sizes, Snapshots, SupportView, TrainableMethod, register_method
from methods._base.recipe import Recipe
from methods._parts.feature_methods import SELECT7_ON_IMAGENET, TextConfig, logits_accuracy, template_ensemble
from methods._parts.layers import linear_uniform


class LPPlusPlusConfig(TextConfig):
    """The updates of alpha, and the epoch that is kept."""

    alpha_every: int = Field(10, ge=1, description="epochs between steps of alpha; 10, official code")
    alpha_gradient: Literal["since_start", "since_step"] = Field(
        "since_start", description="gradients that a step of alpha follows: all so far (official code), or the new ones"
    )
    alpha_start: float = Field(250.0, description="factor on the mean similarity that alpha starts at; official code")
    selection: Literal["validation", "last"] = Field(
        "validation", description="epoch that is kept: the best on the few validation images, or the last"
    )
    crop_scale: tuple[float, float] = Field(
        (0.5, 1.0), description="area range of the one view that starts and step sizes come from; as in training"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        return sizes.n_classes * (sizes.embed_dim + 2)


RECIPE = Recipe(
    source="FewShot-CLIP-Strong-Baseline linear_probe_p2.py, 300 epochs; lr multiplies the step sizes from the data",
    lr=1.0,
    weight_decay=0.0,
    epochs=300,
    batch_size=0,
    schedule="constant",
    warmup="none",
    views=1,
    crop_scale=(0.5, 1.0),
)


@register_method
class LPPlusPlus(TrainableMethod[LPPlusPlusConfig]):
    """`W f + b + alpha_c (f . t_c)`."""

    trainable: nn.ParameterDict

    info = MethodInfo(
        name="lp_plus_plus",
        title="LP++",
        family="classifier",
        summary="A linear probe plus the text similarities, with a learned weight for each class.",
        paper="2404.02285",
        code="FereshteShakeri/FewShot-CLIP-Strong-Baseline",
        citation="""@inproceedings{huang2024lpp,
  title = {LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP},
  author = {Huang, Yunshi and Shakeri, Fereshteh and Dolz, Jose and others},
  booktitle = {CVPR},
  year = {2024}
}""",
        config=LPPlusPlusConfig,
        open_vocabulary=False,
        recipes={EvalProtocol.FEW_SHOT: RECIPE},
        config_by_protocol={EvalProtocol.FEW_SHOT: {"by_dataset": SELECT7_ON_IMAGENET}},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.text = template_ensemble(self.backbone, support.classes, self.config.templates)
        image = F.normalize(support.views(1, self.config.crop_scale)[0], dim=-1)
        members = F.one_hot(support.labels, len(support.classes)).to(image.dtype)
        similarity = image @ self.text.T
        true_similarity = (similarity * members).sum(dim=0) / members.sum(dim=0)
        bias = linear_uniform((len(support.classes),), image.shape[1], self.generator).to(image.device)
        alpha = torch.full_like(bias, self.config.alpha_start * float(true_similarity.mean()))
        self.trainable = nn.ParameterDict([("weight", members.T @ image), ("bias", bias), ("alpha", alpha)])
        n = len(image)
        self.weight_step = 4 * n / float(torch.linalg.eigvalsh(image.T @ image)[-1])
        self.alpha_step = n / (4 * float(similarity.square().sum(dim=0).max()))
        self.epochs = Snapshots(self.trainable)

    def parameter_groups(self) -> list[dict[str, Any]]:
        # alpha is in no group, so that no optimiser zeroes its gradient
        return [{"params": [self.trainable["weight"], self.trainable["bias"]], "lr_scale": self.weight_step}]

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        alpha = self.trainable["alpha"]
        if (epoch + 1) % self.config.alpha_every == 0 and alpha.grad is not None:
            with torch.no_grad():
                alpha.sub_(self.alpha_step * alpha.grad)
            if self.config.alpha_gradient == "since_step":
                alpha.grad = None
        if self.config.selection == "validation":
            self.epochs.take()

    def training_state(self) -> dict[str, Tensor]:
        return self.epochs.dump()

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        self.epochs.load(state)

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.text = template_ensemble(self.backbone, classes, self.config.templates)
        self.trainable = nn.ParameterDict([(name, state[name]) for name in ("weight", "bias", "alpha")])

    def calibrate(self, validation: SupportView) -> None:
        image = F.normalize(validation.features(), dim=-1)
        with torch.no_grad():
            self.tuning.evaluations += self.epochs.restore_best(
                lambda: logits_accuracy(self.logits(image), validation.labels), last_of_equals=True
            )

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        return lambda batch: self.logits(F.normalize(batch.features, dim=-1))

    def logits(self, image: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch n_cls"]:
        """Logits of normalised features."""
        part = self.trainable
        logits: Tensor = image @ part["weight"].T + part["bias"] + part["alpha"] * (image @ self.text.T)
        return logits
