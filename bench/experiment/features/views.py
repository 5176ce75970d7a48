"""Views of images. A view is a pure function of (image digest, view), so its pixels and features can be stored.

Nothing here reads a global generator or depends on the order, batch or process in which images are visited. The crop
follows torchvision's RandomResizedCrop and the flip its RandomHorizontalFlip; the centre view is the backbone's test
transform, as open_clip's `image_transform_v2`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from bench.experiment.features.augmix import Mixing, Uniforms, draw_mixing, mixed
from methods import OPENAI_PREPROCESSING, Preprocessing, Recipe, on_device

_ASPECT_RATIO = (3 / 4, 4 / 3)
_CROP_TRIES = 10
_FLIP_PROBABILITY = 0.5
# Must change with the pixels of any view, so that stored features of older views are not used.
_VERSION = 1


CPU = torch.device("cpu")


class ViewKind(StrEnum):
    """How a view is made.

    `center`: the view of evaluation. `crop`: a random resized crop, mirrored with probability one half.
    `bilinear-crop`: the same, resized with torchvision's default filter in place of the backbone's. `augmix`: the
    latter, mixed with distorted copies of itself.
    """

    CENTER = "center"
    CROP = "crop"
    BILINEAR_CROP = "bilinear-crop"
    AUGMIX = "augmix"


@dataclass(frozen=True)
class View:
    """A rendering of any image; together with the image's digest it decides every pixel.

    Args:
        kind: the centre view ignores the other fields.
        crop_scale: range of the crop's share of the image area, 0..1, from the recipe.
        index: number of the view: the epoch, or the epoch modulo the number of views.
    """

    kind: ViewKind
    crop_scale: tuple[float, float] = (1.0, 1.0)
    seed: int = 0
    index: int = 0

    @cached_property
    def key(self) -> str:
        """The name of this view in the feature store; equal keys mean equal pixels."""
        if self.kind is ViewKind.CENTER:
            return f"center.v{_VERSION}"
        low, high = self.crop_scale
        return f"{self.kind}.v{_VERSION}-{float(low)!r}-{float(high)!r}-seed{self.seed}-{self.index}"


CENTER_VIEW = View(ViewKind.CENTER)
"""The view of evaluation."""


Crop = tuple[int, int, int, int]
"""A rectangle of an image in pixels, as torchvision gives it: top, left, height, width."""


@dataclass(frozen=True)
class ViewParams:
    """How to render one image.

    Args:
        crop: None shows the whole image, in the backbone's way.
        bilinear: whether the crop is resized with a bilinear filter in place of the backbone's.
        mixing: AugMix of the flipped crop; None leaves it as it is.
    """

    crop: Crop | None
    flip: bool
    bilinear: bool = False
    mixing: Mixing | None = None


def views_for_epoch(recipe: Recipe, seed: int, epoch: int) -> View:
    """The view of every training image in an epoch, counted from 0.

    `augment=False` gives the centre view; `views=0` a new view every epoch; `views=N` cycles N views.

    Example:
        >>> views_for_epoch(Recipe(views=4), seed=1, epoch=6).key
        'crop.v1-0.08-1.0-seed1-2'
    """
    if not recipe.augment:
        return CENTER_VIEW
    index = epoch % recipe.views if recipe.views else epoch
    return View(ViewKind.CROP, recipe.crop_scale, seed, index)


def view_params(image_digest: str, view: View, size: tuple[int, int]) -> ViewParams:
    """The crop, flip and mixing of one image of `size` (width, height) in pixels under one view.

    As torchvision's RandomResizedCrop: up to ten times, draw an area share uniformly from `view.crop_scale` and an
    aspect ratio log-uniformly from 3/4..4/3, and take the rectangle at a uniform place if it fits; otherwise the
    largest central rectangle with an allowed ratio.
    """
    if view.kind is ViewKind.CENTER:
        return ViewParams(crop=None, flip=False)
    draws = Uniforms(f"{view.key}|{image_digest}")
    # The flip comes first, so that it does not depend on how many tries the crop takes.
    flip = draws.next() < _FLIP_PROBABILITY
    crop = _draw_crop(draws, view.crop_scale, size)
    mixing = draw_mixing(draws) if view.kind is ViewKind.AUGMIX else None
    return ViewParams(crop, flip, view.kind in (ViewKind.BILINEAR_CROP, ViewKind.AUGMIX), mixing)


def render(
    image: Image.Image, params: ViewParams, size: int, how: Preprocessing = OPENAI_PREPROCESSING
) -> UInt8[np.ndarray, "size size 3"]:
    """Render a view of an RGB image: crop, resize to `size` x `size` with the filter of `how`, flip, mix.

    Every pixel equals the result of torchvision's functions on PIL images, but for the mixing, see `augmix`.
    """
    resample = Image.Resampling[how.interpolation.upper()]
    if params.crop is None:
        view = _whole(image, size, how, resample)
    else:
        top, left, height, width = params.crop
        cut = image.crop((left, top, left + width, top + height))
        view = cut.resize((size, size), Image.Resampling.BILINEAR if params.bilinear else resample)
    if params.flip:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.array(view, dtype=np.uint8) if params.mixing is None else mixed(view, params.mixing)


def to_pixels(
    images: UInt8[np.ndarray, "batch h w 3"],
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device = CPU,
) -> Float[Tensor, "batch 3 h w"]:
    """Scale bytes to 0..1 and normalise by mean and standard deviation of each channel; float32, channels first.

    The bytes are moved to `device` and computed there, which is a quarter of the transfer. The bits are those of the
    CPU: a difference and two quotients of IEEE numbers.
    """
    # channels last -> channels first, as the image tower expects
    pixels = on_device(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), device).float()
    white, means, stds = _constants(tuple(mean), tuple(std), device)
    return pixels.div_(white).sub_(means).div_(stds)


@lru_cache(maxsize=8)
def _constants(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """White, means and standard deviations as tensors: CUDA would multiply by the rounded inverse of a number."""
    per_channel = (1, 3, 1, 1)
    white, *rest = torch.tensor(255.0), torch.tensor(mean).view(per_channel), torch.tensor(std).view(per_channel)
    return white.to(device), rest[0].to(device), rest[1].to(device)


def _draw_crop(draws: Uniforms, scale: tuple[float, float], size: tuple[int, int]) -> Crop:
    width, height = size
    log_low, log_high = (math.log(ratio) for ratio in _ASPECT_RATIO)
    for _ in range(_CROP_TRIES):
        area = width * height * draws.between(*scale)
        ratio = math.exp(draws.between(log_low, log_high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = draws.integer_up_to(height - h)
            left = draws.integer_up_to(width - w)
            return top, left, h, w
    low, high = _ASPECT_RATIO
    w, h = width, height
    if width / height < low:
        h = round(width / low)
    elif width / height > high:
        w = round(height * high)
    return (height - h) // 2, (width - w) // 2, h, w


def _whole(image: Image.Image, size: int, how: Preprocessing, resample: Image.Resampling) -> Image.Image:
    """The evaluation view: a square of `size` pixels in the backbone's resize mode."""
    width, height = image.size
    if how.resize_mode == "squash":
        return image.resize((size, size), resample)
    if how.resize_mode == "longest":
        ratio = max(width, height) / size
        image = image.resize((max(1, round(width / ratio)), max(1, round(height / ratio))), resample)
        square = Image.new("RGB", (size, size), (how.fill_color,) * 3)
        square.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
        return square
    shorter = min(width, height)
    if shorter != size:
        # int() rounds the longer side down, as torchvision does.
        width, height = int(size * width / shorter), int(size * height / shorter)
        image = image.resize((width, height), resample)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))
