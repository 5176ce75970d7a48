"""Small CLIPs that know the classes of EuroSAT a little, so that predictions tell trainings apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch.nn import functional

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Size:
    """Sizes of a CLIP, and the rate and epochs of its tuning."""

    embed: int
    text: tuple[int, int, int]
    vision: tuple[int, int, int]
    lr: float = 5e-4
    epochs: int = 25
    image: int = 32

    @property
    def config(self) -> dict[str, Any]:
        width, heads, layers = self.text
        text = {"context_length": 77, "vocab_size": 49408, "width": width, "heads": heads, "layers": layers}
        patch, width, layers = self.vision
        vision = {"image_size": self.image, "patch_size": patch, "width": width, "layers": layers}
        return {"embed_dim": self.embed, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}


CLIPS = {
    "tiny": Size(64, (64, 1, 3), (8, 128, 3)),
    "wide": Size(1024, (128, 2, 3), (8, 128, 3)),
    "published widths": Size(512, (512, 8, 3), (16, 768, 3), lr=1e-4, epochs=10),
    "published text tower": Size(512, (512, 8, 12), (16, 768, 3), lr=1e-4, epochs=10),
    "eight blocks": Size(64, (64, 1, 3), (8, 128, 8), epochs=10),
    "teacher": Size(768, (128, 2, 3), (16, 192, 3), epochs=10),
    "224 pixels": Size(64, (64, 1, 3), (56, 128, 3), epochs=10, image=224),
}
"""`wide` has 1024 features, those that say so have the widths of ViT-B/16, `teacher` the features of ViT-L/14; some
official files have these numbers as literals. LDC reads the tokens before the last six blocks.
"""


def tuned_clip(name: str, folder: Path, pixels: torch.Tensor, labels: torch.Tensor, names: list[str]) -> Path:
    """The folder of a tuned CLIP in open_clip's form, made if it is not there; its logit scale is 100."""
    size, place = CLIPS[name], folder / name.replace(" ", "-")
    if place.exists():
        return place
    part = place.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": size.config, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (part / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(5)
    model: Any = open_clip.CLIP(**size.config)
    _tune(model, size, pixels, labels, open_clip.tokenize([f"a centered satellite photo of {n}." for n in names]))
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, part / "open_clip_model.safetensors"
    )
    part.rename(place)
    return place


def _tune(model: Any, size: Size, pixels: torch.Tensor, labels: torch.Tensor, tokens: torch.Tensor) -> None:
    tuned = [p for name, p in model.named_parameters() if "token_embedding" not in name and "logit_scale" not in name]
    optimizer = torch.optim.AdamW(tuned, lr=size.lr, weight_decay=0.05)
    for _ in range(size.epochs):
        order = torch.randperm(len(pixels))
        for some in order.split(40):
            images = model.encode_image(pixels[some] + 0.1 * torch.randn_like(pixels[some]))
            texts = functional.normalize(model.encode_text(tokens), dim=-1)
            loss = functional.cross_entropy(20 * functional.normalize(images, dim=-1) @ texts.T, labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        model.logit_scale.fill_(math.log(100))
