"""Converts a trained method to the tensors of a model file, and back."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bench.tuned.model_file import ModelFileError
from bench.tuned.model_info import ModelInfo
from datasets_registry import BenchError, UnknownNameError
from methods import Backbone, Method, get_method, home_of

STATE = "state."
"""Prefix of the names of the method's own tensors in a file."""


def kept_state(method: Method[Any]) -> dict[str, Tensor]:
    """The tensors of a trained method, on the CPU, by their names in a model file."""
    return {f"{STATE}{name}": value.detach().cpu().clone() for name, value in method.tuned_state().items()}


def restored_method(info: ModelInfo, tensors: Mapping[str, Tensor], backbone: Backbone) -> Method[Any]:
    """The method of a stored model, ready to classify. Nothing is trained, and no image is read.

    Raises ModelFileError for another backbone, an unknown method, or tensors that do not fit the method.
    """
    spec = info.spec
    if backbone.digest != info.backbone_digest:
        raise ModelFileError(
            f"This model was tuned on {spec.backbone} with weights {info.backbone_digest[:12]}, but the weights of "
            f"{backbone.slug} are {backbone.digest[:12]}; give the file that it was tuned on."
        )
    try:
        cls = get_method(spec.method)
    except UnknownNameError:
        raise ModelFileError(
            f"This model was tuned with method {spec.method!r}, which is not installed; install its package."
        ) from None
    state = {
        name.removeprefix(STATE): value.to(home_of(value.dtype, backbone.device))
        for name, value in tensors.items()
        if name.startswith(STATE)
    }
    try:
        method = cls(backbone, cls.info.config.model_validate(spec.config), torch.Generator().manual_seed(0))
        with torch.no_grad():
            method.restore_tuned_state(info.classes.class_set, state)
    except (KeyError, RuntimeError, ValueError, IndexError) as error:
        if isinstance(error, BenchError):
            raise
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"The tensors of this model do not fit {spec.method} as it is installed ({reason}); keep the model again."
        ) from None
    return method
