"""Weights of a backbone: builds the open_clip module and loads weights strictly, without unpickling code."""

import json
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from methods._backbones.backbone_spec import WeightsError
from methods._backbones.open_clip_import import open_clip
from methods._backbones.weights_file import UNEXPECTED_BIAS


class _Uninitialised(TorchFunctionMode):
    """A context in which new modules draw no random weights, because weights are loaded right after."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def build_model(config: dict[str, Any], *, initialise: bool = True) -> nn.Module:
    """An open_clip model from a configuration; `initialise=False` skips random weights if all are loaded later."""
    config = json.loads(json.dumps(config))
    hugging_face = "hf_model_name" in config["text_cfg"]
    if hugging_face:
        config["text_cfg"]["hf_model_pretrained"] = False  # the weights are loaded later, with the image tower's
    config["vision_cfg"].pop("timm_model_pretrained", None)
    custom_text = config.pop("custom_text", False) or hugging_face
    kind = "CoCa" if "multimodal_cfg" in config else "CustomTextCLIP" if custom_text else "CLIP"
    with nullcontext() if initialise else _Uninitialised():
        model: nn.Module = getattr(open_clip(), kind)(**config)
    return model.float().eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or from a checkpoint, without unpickling code.

    Raises WeightsError if the file cannot be read as tensors alone.
    """
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(str(path))
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise errors of many kinds for damaged files
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path} cannot be read as plain tensors ({first}). Save the state dict as safetensors and give that file; "
            "TorchScript archives and pickled models are not opened."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path} has no state dict of tensors; save the model's state dict as safetensors.")
    state = {re.sub(r"^module\.", "", k): v.float() if v.is_floating_point() else v for k, v in state.items()}
    for key in ("input_resolution", "context_length", "vocab_size", "attn_mask"):
        state.pop(key, None)
    return state


def load_state(model: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state dict into an open_clip model; every key and shape must match.

    Raises WeightsError naming the first few keys that are missing, unexpected, or of another shape.
    """
    own = model.state_dict()
    if "text.positional_embedding" in own and "positional_embedding" in state:
        state = open_clip().factory.convert_to_custom_text_state_dict(state)
    wrong = [
        f"{k} is {tuple(state[k].shape)}, needs {tuple(own[k].shape)}"
        for k in own
        if k in state and own[k].shape != state[k].shape
    ]
    missing = [f"{k} is missing" for k in own if k not in state]
    extra = [f"{k} is unexpected" for k in state if k not in own]
    if "logit_bias is unexpected" in extra:
        raise WeightsError(UNEXPECTED_BIAS.format(where=where))
    if problems := wrong + missing + extra:
        more = f" (and {len(problems) - 4} more)" if len(problems) > 4 else ""
        raise WeightsError(
            f"{where} does not fit the architecture: {'; '.join(problems[:4])}{more}. "
            "Give the architecture it was trained with."
        )
    model.load_state_dict(state)


def load_pretrained(model: nn.Module, file: Path, where: str) -> None:
    """Load open_clip's weights from their file, converted as open_clip does; raises WeightsError if they do not fit."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            open_clip().load_checkpoint(model, str(file), weights_only=True)
    except (RuntimeError, AttributeError, KeyError) as error:  # AttributeError: a bias for a model without
        first = " ".join(str(error).split())
        if model.logit_bias is None and ("logit_bias" in first or "'ndim'" in first):
            raise WeightsError(UNEXPECTED_BIAS.format(where=where)) from error
        raise WeightsError(f"{where}: the weights {file} do not fit its configuration ({first[:300]}).") from error
