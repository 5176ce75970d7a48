"""Similarity of each patch of an image to the class texts, in the frozen image tower."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from bench.tuned import ModelInfo
from methods import Method, image_hidden_states, outer_norms


@torch.no_grad()
def patch_similarity(
    info: ModelInfo, method: Method[Any], pixels: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n n_cls rows columns"]:
    """Cosine of each patch token after the last block with each class text, less its mean over the classes.

    The tower and the texts are the pretrained ones. Raises BenchError for a tower without plain patch tokens.
    """
    classes, backbone = info.classes.class_set, method.backbone
    tower = backbone.image_tower
    _, last_norm = outer_norms(tower)
    tokens = image_hidden_states(tower, pixels, tower.depth)[:, 1:]
    patches = F.normalize(tower.project_to_joint_space(last_norm(tokens)), dim=-1)
    text = F.normalize(backbone.class_texts(classes, classes.template), dim=-1)
    cosine = patches @ text.T
    side = round(cosine.shape[1] ** 0.5)
    relative = cosine - cosine.mean(dim=2, keepdim=True)
    return relative.transpose(1, 2).reshape(len(pixels), len(classes), side, -1)
