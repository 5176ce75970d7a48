"""PromptKD: a student with visual prompts learns the probabilities of a larger tuned teacher on unlabelled images.

Li et al., "PromptKD: Unsupervised Prompt Distillation for Vision-Language Models", CVPR 2024. Official file:
zhengli97/PromptKD `trainers/promptkd.py`. With features f of the prompted student, u and t of the teacher's image and
text towers, the logits of student and teacher and the loss of a batch are

    s = scale cos(P(f), t)        P(f) = B relu(norm(A f))        A: student_dim -> teacher_dim, B: teacher_dim squared
    q = teacher's scale cos(u, t)                                 both have biases; norm is batch normalisation
    weight T^2 mean_{image, class} softmax(q / T) (log softmax(q / T) - log softmax(s / T))

The projection P is made of 1x1 convolutions there, which are linear layers. The student has no texts: it is tested with
the teacher's t. The classes of the softmax are all whose images are in the unlabelled pool of the run, so that
`--unlabelled train+new` is the published base-to-new setting. As there, the images of the support set are in the
training set, too. Its labels are in the teacher alone (`--teacher`, in the paper PromptSRC on ViT-L/14).

The official code keeps the epoch with the best accuracy on the test images of the base classes. Here, the last counts.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import BenchError, ClassSet, EvalProtocol
from methods import (
    Batch,
    Classifier,
    MethodConfig,
    MethodInfo,
    Recipe,
    Sizes,
    SupportView,
    Teacher,
    VisualPrompts,
    cosine_logits,
    register_method,
)
from methods._parts.layers import linear_layer
from methods._parts.two_tower_methods import ComposedMethod, Parts

SMALL_WEIGHTS = {"by_dataset": {name: {"weight": 200.0} for name in ("fgvc_aircraft", "oxford_flowers", "dtd")}}
"""From a comment in `scripts/promptkd/base2new_train.sh`."""


class PromptKDConfig(MethodConfig):
    """Prompts of the student, and the loss."""

    n_visual: int = Field(4, ge=1, description="visual tokens per block; 4, vit_b16_c2_ep20_batch8_4+4ctx.yaml")
    visual_depth: int = Field(9, ge=1, description="prompted image blocks, at most all; 9 of 12, the same file")
    temperature: float = Field(1.0, gt=0, description="of both softmaxes; 1, scripts/promptkd/base2new_train.sh")
    weight: float = Field(
        1000.0, gt=0, description="of the loss; 1000, same script, which has 200 for Aircraft, Flowers and DTD"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        """With the paper's teacher, ViT-L/14, whose features have 768 values."""
        teacher_dim = 768
        prompts = self.n_visual * sizes.image_width * min(self.visual_depth, sizes.image_blocks)
        return prompts + teacher_dim * (sizes.embed_dim + teacher_dim + 4)


def projection(dim: int, teacher_dim: int, generator: torch.Generator) -> nn.Module:
    """Two linear layers with batch normalisation and a ReLU between, from the student's width to the teacher's."""
    layers = {
        "first": linear_layer(dim, teacher_dim, generator),
        "norm": nn.BatchNorm1d(teacher_dim),
        "relu": nn.ReLU(),
        "second": linear_layer(teacher_dim, teacher_dim, generator),
    }
    return nn.Sequential(OrderedDict(layers))


RECIPE = Recipe(
    source="PromptKD configs/trainers/PromptKD/vit_b16_c2_ep20_batch8_4+4ctx.yaml", lr=0.005, epochs=20, batch_size=8
)


@register_method
class PromptKD(ComposedMethod[PromptKDConfig]):
    """Visual prompts and a projection to the teacher's features, trained without labels."""

    one_pair = False  # its features are not in the space of its own backbone's texts
    info = MethodInfo(
        name="promptkd",
        title="PromptKD",
        family="multimodal prompt",
        summary="Visual prompts that learn a larger tuned model's probabilities on unlabelled images.",
        paper="2403.02781",
        code="zhengli97/PromptKD",
        citation="""@inproceedings{li2024promptkd,
  title = {PromptKD: Unsupervised Prompt Distillation for Vision-Language Models},
  author = {Li, Zheng and Li, Xiang and Fu, Xinyi and others},
  booktitle = {CVPR},
  year = {2024}
}""",
        config=PromptKDConfig,
        needs=frozenset({"pixels", "teacher", "unlabelled_batches"}),
        open_vocabulary=True,
        vision_transformer=True,
        reads_text=False,
        recipes={
            EvalProtocol.BASE_TO_NEW: RECIPE,
            EvalProtocol.FEW_SHOT: RECIPE.model_copy(update={"source": f"{RECIPE.source}, base-to-new"}),
        },
        config_by_protocol={EvalProtocol.BASE_TO_NEW: SMALL_WEIGHTS, EvalProtocol.FEW_SHOT: SMALL_WEIGHTS},
    )

    teacher: Teacher | None = None
    """None for a kept student, which has the texts of its training classes only."""

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        return Parts(
            visual_prompts=VisualPrompts(c.n_visual, min(c.visual_depth, b.vision_depth), b, g),
            visual_adapter=projection(b.embed_dim, next(iter(self.texts.values())).shape[1], g),
        )

    def prepare(self, support: SupportView) -> None:
        self.teacher = support.teacher()
        self.texts: dict[ClassSet, Tensor] = {}
        self.text_features(self.teacher.classes)  # its width is that of the projection
        super().prepare(support)

    def text_features(self, classes: ClassSet) -> Float[Tensor, "n_cls teacher_dim"]:
        """The teacher's features of these classes, unnormalised; computed once per class list."""
        if classes not in self.texts:
            if self.teacher is None:
                raise BenchError(
                    "A kept model of promptkd classifies its training classes only: other names need the text tower of "
                    "its teacher, which the model file does not have."
                )
            self.texts[classes] = self.teacher.text_features(classes)
        return self.texts[classes]

    def loss_terms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        c, teacher = self.config, self.teacher
        assert teacher is not None  # only a kept student has none, and it is not trained
        pixels, text = batch.pixels, self.text_features(teacher.classes)
        if len(pixels) == 1:
            raise BenchError("promptkd normalises by batch, so a training batch needs 2 images; use a larger one.")
        self.trainable.train()
        target = cosine_logits(teacher.image_features(pixels), text, teacher.logit_scale) / c.temperature
        logits = cosine_logits(self.image_features(batch), text, self.backbone.logit_scale) / c.temperature
        terms = F.kl_div(logits.log_softmax(1), target.log_softmax(1), reduction="none", log_target=True)
        return c.weight * c.temperature**2 * terms.mean(), None

    def classifier(self, classes: ClassSet) -> Classifier:
        classify = super().classifier(classes)

        def with_running_statistics(batch: Batch) -> Tensor:
            self.trainable.eval()
            return classify(batch)

        return with_running_statistics

    def tuned_state(self) -> dict[str, Tensor]:
        """The state of `trainable`, and the teacher's features of the training classes."""
        return super().tuned_state() | {"texts": self.text_features(self.support_classes)}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.support_classes = classes
        self.texts = {classes: state["texts"]}
        self.trainable = self.make_parts().to(self.backbone.device)
        self.trainable.load_state_dict({name: value for name, value in state.items() if name != "texts"})
