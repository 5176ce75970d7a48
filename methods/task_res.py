"""TaskRes: a learned residual added to each class's frozen text feature.

Yu et al., "Task Residual for Tuning Vision-Language Models", CVPR 2023. Official file: geekyutao/TaskRes
`trainers/taskres.py`. The residual is added to the *unnormalised* text feature, and class names keep their underscores;
both produced the published numbers. The variant with an enhanced base needs weights that were not released.
"""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import MethodInfo, Recipe, register_method
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._parts.feature_methods import PrototypeConfig, PrototypeMethod, Template, templates_setting


class TaskResConfig(PrototypeConfig):
    """Share of the residual, and the texts."""

    templates: tuple[Template, ...] = templates_setting("own", published="own, for ImageNet also the list select7")
    alpha: float = Field(0.5, gt=0, description="scale of the residual; 0.5 in the scripts, 1.0 for Flowers")


RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="TaskRes train_regular.sh, configs adam_lr2e-3_B256_ep{100,200}, for ImageNet adam_lr2e-4",
    optimizer="adam",
    lr=2e-3,
    by_dataset={"imagenet": {"lr": 2e-4}},
    batch_size=256,
    epochs=200,
    epochs_by_shots={1: 100, 2: 100, 4: 100},
)


@register_method
class TaskRes(PrototypeMethod[TaskResConfig]):
    """`scale * cos(f, t + alpha x)` with x from zero."""

    info = MethodInfo(
        name="task_res",
        title="TaskRes",
        family="feature adapter",
        summary="A learned residual on each class's frozen text feature.",
        paper="2211.10277",
        code="geekyutao/TaskRes",
        citation="""@inproceedings{yu2023taskres,
  title = {Task Residual for Tuning Vision-Language Models},
  author = {Yu, Tao and Lu, Zhihe and Jin, Xin and Chen, Zhibo and Wang, Xinchao},
  booktitle = {CVPR},
  year = {2023}
}""",
        config=TaskResConfig,
        open_vocabulary=False,
        recipes={EvalProtocol.FEW_SHOT: RECIPE},
        config_by_protocol={
            EvalProtocol.FEW_SHOT: {
                "by_dataset": {"imagenet": {"templates": ("select7", "own")}, "oxford_flowers": {"alpha": 1.0}}
            }
        },
        starts_as_zero_shot={},
    )

    def initial_vectors(self) -> Float[Tensor, "n_cls dim"]:
        return torch.zeros_like(self.base)

    def classifier_rows(self) -> Float[Tensor, "n_cls dim"]:
        return self.base + self.config.alpha * self.vectors
