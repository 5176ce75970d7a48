"""Five methods as their papers define them, with their published settings. Imports neither `bench` nor `methods`.

A method has `parameters` (its trained tensors by name), `logits(images)` on the classes it was trained on, and
`new_logits(images, names)` on others if it transfers. `images` are pixels `(n, 3, size, size)`, or features `(n, dim)`
where a method is built on `StoredFeatures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from plain_clip import PlainCLIP, cosine_logits
from torch import Tensor

Parameters = dict[str, Tensor]


@dataclass
class StoredFeatures:
    """In place of a CLIP: image features are given, and there is one text feature for each class."""

    class_texts: Tensor
    scale: float

    @property
    def dim(self) -> int:
        return self.class_texts.shape[1]

    def image(self, features: Tensor) -> Tensor:
        return features

    def texts(self, texts: Sequence[str]) -> Tensor:
        return self.class_texts


@dataclass(frozen=True)
class Training:
    """Published settings. `warmup`: `constant` at `warmup_lr`, or `linear` from it; empty: cosine by step."""

    optimizer: str
    lr: float
    weight_decay: float
    batch_size: int
    warmup: str = "constant"
    warmup_lr: float = 1e-5
    drop_last: bool = True
    crop_scale: tuple[float, float] = (0.08, 1.0)


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return 0.02 * torch.randn(shape, generator=generator)


def as_text(name: str) -> str:
    return name.replace("_", " ")


class CoOp:
    """IJCV 2022, as CoCoOp's paper trains it on base classes: four shared vectors that start at `a photo of a`."""

    training = Training("sgd", 0.002, 5e-4, 32)
    words = "a photo of a"

    def __init__(self, clip: PlainCLIP, names: Sequence[str], template: str, generator: torch.Generator) -> None:
        self.clip, self.names = clip, names
        embedded, _ = clip.embed([self.words])
        self.parameters: Parameters = {"ctx": embedded[0, 1:5].clone()}

    def new_logits(self, images: Tensor, names: Sequence[str]) -> Tensor:
        embedded, ends = self.clip.embed([f"X X X X {as_text(name)}." for name in names])
        ctx = self.parameters["ctx"].expand(len(names), -1, -1)
        text = self.clip.text(torch.cat([embedded[:, :1], ctx, embedded[:, 5:]], dim=1), ends)
        with torch.no_grad():
            features = self.clip.image(images)
        return cosine_logits(self.clip.scale, features, text)

    def logits(self, images: Tensor) -> Tensor:
        return self.new_logits(images, self.names)


class CLIPAdapter:
    """A bottleneck of a quarter of the width on the unnormalised image feature, with share 0.2."""

    training = Training("sgd", 0.002, 5e-4, 32)

    def __init__(
        self, clip: PlainCLIP | StoredFeatures, names: Sequence[str], template: str, generator: torch.Generator
    ) -> None:
        self.clip, hidden = clip, clip.dim // 4
        self.text = clip.texts([template.format(as_text(name)) for name in names])
        down, up = torch.empty(hidden, clip.dim), torch.empty(clip.dim, hidden)
        self.parameters: Parameters = {
            "down": down.uniform_(-(clip.dim**-0.5), clip.dim**-0.5, generator=generator),
            "up": up.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator),
        }

    def logits(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.clip.image(images)
        hidden = F.relu(F.linear(features, self.parameters["down"]))
        adapted = 0.2 * F.relu(F.linear(hidden, self.parameters["up"])) + 0.8 * features
        return cosine_logits(self.clip.scale, adapted, self.text)


class TipAdapterF:
    """ECCV 2022: keys are the support images' features, averaged over ten augmented views, and trained.

    alpha and beta are 1.17 and 1 in training; then they are searched on the few validation images.
    """

    training = Training("adamw", 1e-3, 0.01, 256, warmup="", drop_last=False, crop_scale=(0.5, 1.0))
    alpha, beta = 1.17, 1.0
    views = 10

    def __init__(
        self, clip: PlainCLIP | StoredFeatures, names: Sequence[str], template: str, generator: torch.Generator
    ) -> None:
        self.clip = clip
        self.text = F.normalize(clip.texts([template.format(as_text(name)) for name in names]), dim=-1)
        self.parameters: Parameters = {}

    def build_cache(self, views: Sequence[Tensor], labels: Tensor) -> None:
        """`views`: the support images under each augmented view."""
        with torch.no_grad():
            mean = torch.stack([self.clip.image(view) for view in views]).mean(dim=0)
        self.parameters = {"keys": F.normalize(mean, dim=-1)}
        self.values = F.one_hot(labels, len(self.text)).float()

    def logits(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            features = F.normalize(self.clip.image(images), dim=-1)
        cached = torch.exp(-self.beta * (1 - features @ self.parameters["keys"].T)) @ self.values
        return self.clip.scale * features @ self.text.T + self.alpha * cached

    @torch.no_grad()
    def search(self, images: Tensor, labels: Tensor) -> None:
        """The first of 200 values of beta times 20 of alpha with the highest accuracy."""
        features = F.normalize(self.clip.image(images), dim=-1)
        plain, affinity = self.clip.scale * features @ self.text.T, features @ self.parameters["keys"].T
        best = -1
        for b in range(200):
            cached = torch.exp(-(beta := 0.1 + b * (12 - 0.1) / 200) * (1 - affinity)) @ self.values
            for a in range(20):
                alpha = 0.1 + a * (10 - 0.1) / 20
                right = int(((plain + alpha * cached).argmax(dim=1) == labels).sum())
                if right > best:
                    best, self.alpha, self.beta = right, alpha, beta


class VPT:
    """Eight learned tokens before each block of the image tower; texts are `a photo of a NAME.`"""

    training = Training("sgd", 0.0025, 5e-4, 4)
    n = 8

    def __init__(self, clip: PlainCLIP, names: Sequence[str], template: str, generator: torch.Generator) -> None:
        self.clip, self.names = clip, names
        self.parameters: Parameters = {
            f"prompt{i}": normal(generator, self.n, clip.image_width) for i in range(len(clip.image_blocks))
        }

    def new_logits(self, images: Tensor, names: Sequence[str]) -> Tensor:
        text = self.clip.texts([f"a photo of a {as_text(name)}." for name in names])
        prompts = [p for name, p in self.parameters.items() if name.startswith("prompt")]
        return cosine_logits(self.clip.scale, self.clip.image(images, prompts), text)

    def logits(self, images: Tensor) -> Tensor:
        return self.new_logits(images, self.names)


class APEX:
    """EMNLP 2024: two tokens before each image block, two text tokens, a linear text adapter, an adaptive ensemble.

    The pretrained model of the ensemble is the clean CLIP.
    """

    EPS = 0.05
    training = Training("adadelta", 0.15, 1e-3, 16, warmup="linear", warmup_lr=0.01)

    def __init__(self, clip: PlainCLIP, names: Sequence[str], template: str, generator: torch.Generator) -> None:
        self.clip, self.names = clip, names
        self.parameters: Parameters = {
            f"prompt{i}": normal(generator, 2, clip.image_width) for i in range(len(clip.image_blocks))
        }
        embedded, _ = clip.embed(["a photo of a X."])
        self.parameters |= {
            "ctx": embedded[0, 1:3].clone(), "matrix": torch.eye(clip.dim), "bias": torch.zeros(1, clip.dim)
        }  # fmt: skip

    def _parts(self, images: Tensor, names: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Image features with prompts, text features before the adapter and after it."""
        embedded, ends = self.clip.embed([f"a photo of a {as_text(name)}." for name in names])
        ctx = self.parameters["ctx"].expand(len(names), -1, -1)
        text = self.clip.text(torch.cat([embedded[:, :1], ctx, embedded[:, 3:]], dim=1), ends)
        prompts = [p for name, p in self.parameters.items() if name.startswith("prompt")]
        adapted = text @ self.parameters["matrix"] + self.parameters["bias"]
        return self.clip.image(images, prompts), text, adapted

    def logits(self, images: Tensor) -> Tensor:
        image, _, adapted = self._parts(images, self.names)
        return cosine_logits(self.clip.scale, image, adapted)

    @torch.no_grad()
    def new_logits(self, images: Tensor, names: Sequence[str]) -> Tensor:
        image, text, adapted = self._parts(images, names)
        candidates, trained = (
            F.normalize(self.clip.texts([f"a photo of a {as_text(name)}." for name in some]), dim=-1)
            for some in (names, self.names)
        )
        cosine = candidates @ trained.T
        mean, nearest = 1 - cosine.mean(dim=1), 1 - cosine.max(dim=1).values
        alpha = torch.exp(-4.0 * mean * (nearest > self.EPS))[:, None]
        text = alpha * adapted + (1 - alpha) * text
        share = alpha.mean()
        return cosine_logits(self.clip.scale, share * image + (1 - share) * self.clip.image(images), text)


METHODS = {"coop": CoOp, "clip_adapter": CLIPAdapter, "tip_adapter_f": TipAdapterF, "vpt": VPT, "apex": APEX}
