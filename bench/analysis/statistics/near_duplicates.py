"""Near-duplicates: nearest neighbours in feature space, and a comparison of two pictures that decides.

Distinct images of one class can be close in feature space, so features only propose pairs. A pair is the same picture
if one is like a window of the other in its colours (`picture_likeness`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

NEIGHBOURS = 10
"""Neighbours of an image that are compared with it."""
CLOSE = 0.5
"""A neighbour is a candidate within this share of the median cosine distance to the last of the neighbours.

In Euclidean distance that is a ratio of 0.71, somewhat stricter than the 0.8 of Lowe (IJCV 2004, section 7.1).
"""
SAME_PICTURE = 0.95
"""Two pictures that are at least so much alike are the same picture; see `picture_likeness`.

Measured on 3,059 images of EuroSAT, DTD, Caltech101, Flowers102, Oxford Pets and ImageNet: of the 500 most similar
pairs of each, those of different scenes have at most 0.91, and the 15 pairs above 0.95 are of one scene. Copies of JPEG
quality 75, of two thirds of the size, or cropped by 8 % have a median above 0.97.
"""
PICTURE_SIDE = 64
"""Rows and columns of a picture that `picture_likeness` takes."""
_QUERIES, _OTHERS = 1024, 8192
_SMALL, _LARGE = 16, 32
_FLATTEST = 2.0
_WORTH_REFINING = 0.85

Picture = NDArray[np.floating[Any]]
Positions = tuple[tuple[float, float], ...]
"""Windows of one side: the share of the side that each keeps, and where it begins, as a share of the side."""


def nearest_neighbours(
    queries: Float[np.ndarray, "m dim"], images: Float[np.ndarray, "n dim"], own: Int[np.ndarray, " m"], k: int
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Positions and cosines of the k images nearest to each query, by decreasing cosine.

    Args:
        queries, images: features of length 1.
        own: position of each query among the images, which is left out.
        k: less than n.

    It holds the cosines of 1,024 queries and 8,192 images at a time.
    """
    positions = np.zeros((len(queries), k), dtype=np.int64)
    cosines = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for first in range(0, len(queries), _QUERIES):
        rows = slice(first, first + _QUERIES)
        here, wide = np.arange(len(queries[rows])), own[rows]
        for start in range(0, len(images), _OTHERS):
            found = queries[rows] @ images[start : start + _OTHERS].T
            inside = (wide >= start) & (wide < start + found.shape[1])
            found[here[inside], wide[inside] - start] = -np.inf
            most = min(k, found.shape[1])
            top = np.argpartition(-found, most - 1, axis=1)[:, :most]
            both = np.concatenate([cosines[rows], np.take_along_axis(found, top, axis=1)], axis=1)
            where = np.concatenate([positions[rows], top + start], axis=1)
            order = np.argsort(-both, axis=1, kind="stable")[:, :k]
            cosines[rows] = np.take_along_axis(both, order, axis=1)
            positions[rows] = np.take_along_axis(where, order, axis=1)
    return positions, cosines


@dataclass(frozen=True)
class Neighbour:
    """Two images that are close in feature space, by position; `cosine` is that of their features."""

    image: int
    other: int
    cosine: float


def close_pairs(features: Float[np.ndarray, "n dim"], queried: Int[np.ndarray, " m"]) -> list[Neighbour]:
    """Pairs of a queried image and any other that may be the same picture, each once, closest first.

    A pair is among the nearest `NEIGHBOURS` of the queried image, at a cosine distance of at most `CLOSE` times the
    median distance to the last of them. So the limit adapts to the backbone and the dataset.

    Args:
        features: of any length, not zero.
        queried: positions of the images whose neighbours are looked up, such as the test images.
    """
    k = min(NEIGHBOURS, len(features) - 1)
    if k < 1 or not len(queried):
        return []
    unit = np.asarray(features, dtype=np.float32)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True).clip(min=1e-12)
    positions, cosines = nearest_neighbours(unit[queried], unit, queried, k)
    limit = 1 - CLOSE * float(np.median(1 - cosines[:, -1]))
    found: dict[tuple[int, int], Neighbour] = {}
    for row, column in zip(*np.nonzero(cosines >= limit), strict=True):
        image, other = int(queried[row]), int(positions[row, column])
        found.setdefault((min(image, other), max(image, other)), Neighbour(image, other, float(cosines[row, column])))
    return sorted(found.values(), key=lambda pair: (-pair.cosine, pair.image, pair.other))


def picture_likeness(one: Float[np.ndarray, "64 64 3"], other: Float[np.ndarray, "64 64 3"]) -> float:
    """The highest likeness of one picture with a window of the other, in either direction; at most 1.

    The likeness of two pictures is 1 less the mean square of their difference over the mean of their variances. It is
    their correlation if brightness, contrast and hue agree, and lower if they do not. Windows keep 80 to 100 % of each
    side, and one of the pictures is tried mirrored and turned by quarters. So copies that were resized, compressed,
    cropped by up to a fifth, mirrored or turned have nearly 1. 0 for a picture whose colours have a standard deviation
    below 2, which shows too little to compare. A pair that is less alike than 0.85 at a quarter of the size is not
    compared more closely.

    Args:
        one, other: colours 0..255 of whole images scaled to a square.
    """
    if min(_spread(one), _spread(other)) < _FLATTEST:
        return 0.0
    best = _best_window(one, other)
    return best if best >= SAME_PICTURE else max(best, _best_window(other, one))


def _spread(picture: Picture) -> float:
    """Standard deviation of the colours around their mean colour."""
    return float(np.sqrt(picture.var(axis=(0, 1)).mean()))


def _best_window(picture: Picture, whole: Picture) -> float:
    table = _likeness(picture, _orientations(whole, _SMALL), _COARSE, _COARSE)
    best = float(table.max())
    if best < _WORTH_REFINING:
        return best
    row, column, turn = np.unravel_index(int(table.argmax()), table.shape)
    turned = _orientations(whole, _LARGE)[turn : turn + 1]
    return float(_likeness(picture, turned, _around(_COARSE[row]), _around(_COARSE[column])).max())


def _likeness(picture: Picture, turned: Picture, rows: Positions, columns: Positions) -> Picture:
    """Likeness of all windows to all orientations, `(rows, columns, orientations)`.

    Args:
        turned: `(orientations, 3, size, size)`, around middle grey.
    """
    size = turned.shape[-1]
    high, wide = (_sampler(one, size).reshape(-1, PICTURE_SIDE) for one in (rows, columns))
    windows = (high @ _channels(picture) @ wide.T).reshape(3, len(rows), size, len(columns), size)
    a = windows.transpose(1, 3, 0, 2, 4).reshape(-1, 3, size**2)
    b = turned.reshape(-1, 3, size**2)
    squares = [np.einsum("ijk,ijk->i", one, one) for one in (a, b)]
    spread = [
        square - size**2 * (one.mean(axis=2) ** 2).sum(axis=1) for square, one in zip(squares, (a, b), strict=True)
    ]
    products = a.reshape(len(a), -1) @ b.reshape(len(b), -1).T
    variances = (spread[0][:, None] + spread[1]).clip(min=2 * 3 * size**2 * _FLATTEST**2) / 2
    found: Picture = 1 - (squares[0][:, None] + squares[1] - 2 * products) / variances
    return found.reshape(len(rows), len(columns), len(b))


def _channels(picture: Picture) -> Picture:
    """Colours around middle grey, `(3, side, side)`."""
    return np.moveaxis(picture.astype(np.float32) - 128, -1, 0)


def _orientations(picture: Picture, size: int) -> Picture:
    """The eight orientations of a picture scaled to `size`, `(8, 3, size, size)`, around middle grey."""
    scale = _sampler(((1.0, 0.0),), size)[0]
    small = scale @ _channels(picture) @ scale.T
    return np.stack([np.rot90(side, k, axes=(1, 2)) for side in (small, small[:, :, ::-1]) for k in range(4)])


def _windows(shares: Iterable[float], starts: Iterable[float]) -> Positions:
    return tuple((share, start) for share in shares for start in starts if 0 <= start <= 1 - share + 1e-9)


_COARSE = _windows([1, 0.95, 0.9, 0.85, 0.8], [0, 0.05, 0.1, 0.15, 0.2])
"""Windows of one side, a twentieth apart."""


@cache
def _around(position: tuple[float, float]) -> Positions:
    """Windows near a coarse one, half and a quarter of a step apart."""
    share, start = position
    shares = [near for near in (share - 0.025, share, share + 0.025) if near <= 1]
    return _windows(shares, [start + step for step in (-0.025, -0.0125, 0.0, 0.0125, 0.025)])


@cache
def _sampler(positions: Positions, size: int) -> NDArray[np.float32]:
    """Weights that scale windows of one side from 64 pixels to `size`, by a triangle filter: `(n, size, 64)`."""
    centres, pixels = np.arange(size) + 0.5, np.arange(PICTURE_SIDE) + 0.5
    found = []
    for share, start in positions:
        step = share * PICTURE_SIDE / size
        weights = (1 - np.abs((start * PICTURE_SIDE + centres * step)[:, None] - pixels) / step).clip(min=0)
        found.append(weights / weights.sum(axis=1, keepdims=True))
    return np.stack(found).astype(np.float32)
