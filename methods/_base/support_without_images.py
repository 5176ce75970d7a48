"""The support set of `prepare` when a stored model is loaded: classes without images."""

from typing import NoReturn

import torch

from datasets_registry import BenchError, ClassSet
from methods._base.batch import SupportView


class SupportImagesError(BenchError, RuntimeError):
    """A method read support images while a stored model was loaded."""


def support_without_images(method: str, classes: ClassSet, device: torch.device) -> SupportView:
    """A support set whose images cannot be read; reading them raises SupportImagesError."""

    def unavailable(*_: object) -> NoReturn:
        raise SupportImagesError(
            f"{method} reads support images in `prepare`, which a stored model does not have. Save what it computes "
            "from them in `tuned_state` and restore it in `restore_tuned_state`."
        )

    return SupportView(classes, torch.empty(0, dtype=torch.long, device=device), 1, unavailable, unavailable)
