"""Initial weights, and their conversion back to the shapes of the demo configuration."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets_registry._synthetic.drawing import generator
from methods._backbones.backbone_spec import DEMO_CONFIG
from methods._backbones.loading import unread_token_rows
from tools.train_demo_backbone.captions import CompactVocabulary


def compact_config(vocabulary: CompactVocabulary, context: int) -> dict[str, Any]:
    """The demo configuration with the small vocabulary and only as many positions as captions use."""
    text = {**DEMO_CONFIG["text_cfg"], "vocab_size": len(vocabulary.token_ids), "context_length": context}
    return {**DEMO_CONFIG, "text_cfg": text}


def cosine_filters(width: int, patch: int) -> Tensor:
    """Patch filters to start from: the lowest cosine waves, in grey and two colour contrasts in turn.

    Returns: shape `(width, 3, patch, patch)`. A constant filter counts a quarter, else brightness would drown the rest.
    """
    k = np.arange(patch)
    waves = np.cos(math.pi * (k + 0.5) * k[:, None] / patch) * np.where(k == 0, 1, math.sqrt(2))[:, None]
    lowest = sorted(((u, v) for u in k for v in k), key=lambda uv: (uv[0] + uv[1], uv[0]))
    contrasts = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
    filters = [
        np.multiply.outer(contrasts[i % 3], np.outer(waves[u], waves[v])) * (0.25 if u + v == 0 else 1)
        for i, (u, v) in ((i, lowest[i // 3]) for i in range(width))
    ]
    return torch.from_numpy(0.3 / patch * np.stack(filters)).float()


def sine_positions(count: int, width: int) -> Tensor:
    """Position rows to start from: none for the class token, sines of row and column for the patches."""
    side = math.isqrt(count - 1)
    rates = 100.0 ** -(np.arange(width // 4) / (width // 4))
    row, column = (axis.reshape(-1, 1) * rates for axis in np.mgrid[0:side, 0:side])
    waves = np.concatenate([np.sin(column), np.cos(column), np.sin(row), np.cos(row)], axis=1)
    return torch.from_numpy(0.3 * np.concatenate([np.zeros((1, width)), waves])).float()


def full_state(state: dict[str, Tensor], token_ids: Tensor) -> dict[str, Tensor]:
    """A compact model's weights in the demo configuration's shapes.

    Token rows go back to their places; positions beyond the longest caption were never trained and are filled with
    small seeded noise, as before training.
    """
    text = DEMO_CONFIG["text_cfg"]
    table = unread_token_rows(text["vocab_size"], text["width"])
    table[token_ids] = state["token_embedding.weight"]
    known = state["positional_embedding"]
    rng = generator("positions beyond the longest caption")
    noise = rng.standard_normal((text["context_length"], text["width"])).astype(np.float32) * np.float32(0.01)
    positions = torch.from_numpy(noise)
    positions[: len(known)] = known
    return {**state, "token_embedding.weight": table, "positional_embedding": positions}
