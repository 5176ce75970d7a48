"""Images of the synthetic world as pixels of a training step."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from methods import CLIP_MEAN, CLIP_STD
from tools.train_demo_backbone.scenes import world_image


def _paint_block(start: int, stop: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(world_image(index)) for index in range(start, stop)])


def render_pool(count: int, processes: int = 2) -> Tensor:
    """Images 0 to `count - 1` of the world as uint8, shape `(count, 48, 48, 3)`."""
    edges = [*range(0, count, 1000), count]
    with ProcessPoolExecutor(processes) as workers:
        return torch.from_numpy(np.concatenate(list(workers.map(_paint_block, edges[:-1], edges[1:]))))


def normalised(pictures: Tensor) -> Tensor:
    """uint8 `(batch, h, w, 3)` to CLIP's normalised float `(batch, 3, h, w)`."""
    scaled = pictures.permute(0, 3, 1, 2).float() / 255
    return (scaled - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)


def augmented(pixels: Tensor, mirrored: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    """Pixels mirrored where `mirrored` is true, with mild crops: scale 0.85 to 1.1, shift up to 6 % of the side."""
    n = len(pixels)
    scale, shift = rng.uniform(0.85, 1.1, n), rng.uniform(-0.12, 0.12, (n, 2))
    theta = np.zeros((n, 2, 3), dtype=np.float32)
    theta[:, 0, 0], theta[:, 1, 1] = scale * np.where(mirrored, -1, 1), scale
    theta[:, :, 2] = shift
    grid = F.affine_grid(torch.from_numpy(theta), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
