"""CLIP's loss for batches with repeated captions, and the loss of a caption task."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tools.train_demo_backbone.captions import CaptionTask
from tools.train_demo_backbone.scenes import Scene


def clip_loss(image: Tensor, text: Tensor, caption_of: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric loss over the distinct captions of a batch.

    Args:
        image: unit features, shape `(batch, dim)`.
        text: unit features of the distinct captions, shape `(captions, dim)`.
        caption_of: index of each image's caption, shape `(batch,)`.
        scale: the inverse temperature.
    """
    logits = scale * image @ text.T
    positive = F.one_hot(caption_of, len(text)).to(logits.dtype).T  # (captions, batch)
    per_image = F.cross_entropy(logits, caption_of)
    of_caption = -(F.log_softmax(logits.T, dim=-1) * positive).sum(dim=-1) / positive.sum(dim=-1)
    weight = positive.sum(dim=-1) / len(image)
    return (per_image + (weight * of_caption).sum()) / 2


def caption_task_loss(image: Tensor, text: Tensor, task: CaptionTask, scenes: Sequence[Scene], scale: Tensor) -> Tensor:
    """Cross-entropy of the true caption among all captions of a task, over the scenes it applies to."""
    answers = [task.true_index(scene) for scene in scenes]
    asked = [i for i, answer in enumerate(answers) if answer is not None]
    return F.cross_entropy(scale * image[asked] @ text.T, torch.tensor([answers[i] for i in asked]))
