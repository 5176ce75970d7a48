"""The demo backbone: an ordinary small CLIP whose weights are part of the package.

`python -m tools.train_demo_backbone` trains it on the images of its module `scenes`. The asset has half-precision
weights and only the token rows that training used. All other rows are filled from a counter-based generator, so that
words without training are meaningless but distinct.
"""

import hashlib
from importlib import resources

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from datasets_registry import BenchError
from methods._backbones.backbone_spec import DEMO_CONFIG

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
    found = hashlib.sha256(content).hexdigest()
    if found != expected_sha256:
        raise BenchError(
            f"Demo weights {DEMO_ASSET!r} have SHA-256 {found}, expected {expected_sha256}. "
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
