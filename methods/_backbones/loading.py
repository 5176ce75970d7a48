"""Loads a backbone from its spec: builds the open_clip module and loads its weights strictly, without unpickling code.

The weights of the demo backbone are part of the package. `python -m tools.train_demo_backbone` trains them on the
images of its module `scenes`. The asset has half-precision weights and only the token rows that training used. All
other rows are filled from a counter-based generator, so that words without training are meaningless but distinct.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from datasets_registry import BenchError
from methods._backbones.backbone import Backbone
from methods._backbones.backbone_names import find_imported
from methods._backbones.backbone_spec import DEMO_ARCH, DEMO_CONFIG, DEMO_TAG, BackboneSpec, Precision
from methods._backbones.imported_features import ImportedBackbone
from methods._backbones.model_folders import WeightsError
from methods._backbones.open_clip_library import open_clip
from methods._backbones.weights_files import UNEXPECTED_BIAS, fetch_weights


class _Uninitialised(TorchFunctionMode):
    """A context in which new modules draw no random weights, because weights are loaded right after."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        if getattr(func, "__name__", "").endswith(("normal_", "uniform_")):  # also `kaiming_uniform_`
            return args[0] if args else keywords["tensor"]
        return func(*args, **keywords)


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


_POSITION_IDS = "text.transformer.embeddings.position_ids"
"""0, 1, 2, ..., which transformers stored in checkpoints before version 4.31."""


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
    for key in ("input_resolution", "context_length", "vocab_size", "attn_mask", _POSITION_IDS):
        state.pop(key, None)
    return state


def load_state(model: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state dict into an open_clip model; every key and shape must match.

    Raises WeightsError naming the first few keys that are missing, unexpected, or of another shape.
    """
    expected = model.state_dict()
    if "text.positional_embedding" in expected and "positional_embedding" in state:
        state = open_clip().factory.convert_to_custom_text_state_dict(state)
    wrong = [
        f"{k} is {tuple(state[k].shape)}, needs {tuple(expected[k].shape)}"
        for k in expected
        if k in state and expected[k].shape != state[k].shape
    ]
    missing = [f"{k} is missing" for k in expected if k not in state]
    extra = [f"{k} is unexpected" for k in state if k not in expected]
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


DEMO_ASSET = "vit_demo.safetensors"
DEMO_SHA256 = "7391f1445d65217b6b96c872f855d4ad41d0663b0cafcb8280871d673f839de5"
"""Hex SHA-256 of the asset file; training prints the new one."""

UNREAD_TOKEN_STD = 0.02
_UNREAD_TOKEN_KEY = 20_482


def unread_token_rows(vocab_size: int, width: int) -> Tensor:
    """Token rows before training, from N(0, 0.02²), equal on every machine; shape `(vocab_size, width)`."""
    rng = np.random.Generator(np.random.Philox(key=_UNREAD_TOKEN_KEY))
    return torch.from_numpy(rng.standard_normal((vocab_size, width), dtype=np.float32) * np.float32(UNREAD_TOKEN_STD))


def demo_state_dict() -> dict[str, Tensor]:
    """The demo backbone's weights in float32 under open_clip's names.

    Raises BenchError if the packaged weights are not those of this version.
    """
    content = resources.files("methods").joinpath("_assets", DEMO_ASSET).read_bytes()
    return unpack_weights(content, expected_sha256=DEMO_SHA256)


def unpack_weights(content: bytes, *, expected_sha256: str) -> dict[str, Tensor]:
    """The full state dict of a packed asset whose SHA-256 must be the expected one."""
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected_sha256:
        raise BenchError(
            f"Demo weights {DEMO_ASSET!r} have SHA-256 {digest}, expected {expected_sha256}. "
            "Install the package again, or put the new digest into DEMO_SHA256 after training."
        )
    state = {name: tensor.float() for name, tensor in load_safetensors(content).items() if name != "token_ids"}
    token_ids = load_safetensors(content)["token_ids"].long()
    text = DEMO_CONFIG["text_cfg"]
    table = unread_token_rows(text["vocab_size"], text["width"])
    table[token_ids] = state.pop("token_rows")
    return {**state, "token_embedding.weight": table}


def pack_weights(state: dict[str, Tensor], token_ids: Tensor) -> dict[str, Tensor]:
    """The content of the asset: half precision, and only the rows `token_ids` of the token table."""
    small = {name: tensor.half().contiguous() for name, tensor in state.items() if name != "token_embedding.weight"}
    rows = state["token_embedding.weight"][token_ids].half().contiguous()
    return {**small, "token_rows": rows, "token_ids": token_ids.int().contiguous()}


def load_backbone(spec: BackboneSpec, *, device: str = "cpu", precision: Precision = Precision.FP32) -> Backbone:
    """Load a backbone; open_clip fetches named weights into its own cache the first time.

    Raises WeightsError if weights do not fit, cannot be read, or cannot be fetched.
    """
    if spec.imported:
        return ImportedBackbone(spec, find_imported(spec.tag), device)
    config = spec.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(config, initialise=spec.tag == "random")
    if spec.described is not None and (file := spec.path or fetch_weights(spec)) is not None:
        load_pretrained(model, file, spec.slug)
    elif spec.path is not None:
        load_state(model, read_weights(spec.path), str(spec.path))
    elif spec.arch == DEMO_ARCH and spec.tag == DEMO_TAG:
        load_state(model, demo_state_dict(), "the demo weights")
    elif (file := fetch_weights(spec)) is not None:
        if spec.published is not None:
            load_state(model, read_weights(file), spec.slug)
        else:
            load_pretrained(model, file, spec.slug)
    return Backbone(spec, model.to(device), precision=precision)
