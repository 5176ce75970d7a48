"""Near-duplicates: neighbours against plain computations, and pictures with planted copies."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from limited import limited
from one_case import for_each
from PIL import Image, ImageFilter
from threadpoolctl import threadpool_limits

from bench.analysis.statistics import near_duplicates
from bench.analysis.statistics.near_duplicates import (
    CLOSE,
    NEIGHBOURS,
    SAME_PICTURE,
    close_pairs,
    nearest_neighbours,
    picture_likeness,
)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_neighbours_are_those_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "_QUERIES", 7)
    monkeypatch.setattr(near_duplicates, "_OTHERS", 3)  # fewer than the neighbours that are kept
    images = unit(np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32))
    own = np.arange(5, 25)
    positions, cosines = nearest_neighbours(images[own], images, own, 6)
    for row, query in enumerate(own):
        expected = images @ images[query]
        expected[query] = -np.inf
        assert positions[row].tolist() == np.argsort(-expected)[:6].tolist()
        np.testing.assert_allclose(cosines[row], np.sort(expected)[::-1][:6], rtol=1e-5)


def test_a_pair_is_close_within_half_of_the_median_distance_and_is_named_once() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 16))
    features[50] = features[3] + 0.05 * rng.normal(size=16)  # test and train
    features[51] = 3 * (features[52] + 0.05 * rng.normal(size=16))  # test and test; lengths do not matter
    features[7] = features[8]  # train and train are not of interest
    pairs = close_pairs(features, np.arange(50, 60))
    assert [{pair.image, pair.other} for pair in pairs[:2]] in ([{50, 3}, {51, 52}], [{51, 52}, {50, 3}])
    rows = unit(features)
    cosines = np.sort(rows[50:] @ rows.T, axis=1)[:, ::-1]  # the first is the image itself
    limit = 1 - CLOSE * np.median(1 - cosines[:, NEIGHBOURS])
    assert all(pair.cosine >= limit - 1e-6 for pair in pairs)
    assert pairs[0].cosine == pytest.approx(cosines[[0, 1], 1].max(), abs=1e-6)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are those of Linux")
def test_no_matrix_of_all_pairs_is_held() -> None:
    """The cosines of 6,000 queries and 30,000 images would take 720 MB."""
    features = np.random.default_rng(2).normal(size=(30_000, 8)).astype(np.float32)
    with threadpool_limits(1):  # threads do not survive the fork
        found = limited(lambda: len(close_pairs(features, np.arange(6_000))) > 0, memory=400 * 2**20)
    assert found == "True"


@pytest.mark.parametrize("n", [0, 1])
def test_without_another_image_nothing_is_close(n: int) -> None:
    assert close_pairs(np.ones((n, 4)), np.arange(n)) == []


# Pictures


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in an audit: the matrices are too small to be worth threads."""
    with threadpool_limits(1):
        yield


def photo(seed: int, side: int = 160) -> Image.Image:
    """Coloured clouds and edges at all sizes, as in photographs."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24, 48):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC), dtype=float) / cells
    total -= total.min()
    return Image.fromarray((255 * total / total.max()).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 60) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return Image.open(file).convert("RGB")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "same": lambda image: image,
    "half the size": lambda image: image.resize((80, 80), Image.Resampling.BICUBIC),
    "another aspect": lambda image: image.resize((120, 90)),
    "JPEG": jpeg,
    "crop of a corner": lambda image: image.crop((0, 0, 148, 150)),
    "crop of the middle": lambda image: image.crop((11, 7, 152, 151)),
    "crop of 15 %, smaller, JPEG": lambda image: jpeg(image.crop((3, 19, 140, 156)).resize((96, 96))),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned and cropped": lambda image: image.transpose(Image.Transpose.ROTATE_90).crop((5, 0, 160, 150)),
    "slightly blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
}


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR), dtype=np.float32)


@for_each("copy", COPIES)
def test_a_copy_is_the_same_picture_in_either_order(copy: str) -> None:
    one, other = pixels(photo(0)), pixels(COPIES[copy](photo(0)))
    assert picture_likeness(one, other) >= SAME_PICTURE
    assert picture_likeness(other, one) >= SAME_PICTURE


def test_other_pictures_and_other_colours_are_not_the_same() -> None:
    pictures = [pixels(photo(seed)) for seed in range(5)]
    found = [picture_likeness(one, other) for i, one in enumerate(pictures) for other in pictures[:i]]
    assert max(found) < 0.85
    assert picture_likeness(pictures[0], 255 - pictures[0]) < 0.85
    assert picture_likeness(pictures[0], pictures[0][..., ::-1]) < SAME_PICTURE


def test_the_likeness_of_a_whole_picture_is_that_of_its_definition() -> None:
    """Of windows that keep everything, against the plain formula at the compared size."""
    one, other = pixels(photo(1)), pixels(photo(1)) * 0.97 + 4
    small = [near_duplicates._orientations(picture, 32)[0].reshape(3, -1) for picture in (one, other)]
    variances = [(((colours - colours.mean(axis=1, keepdims=True)) ** 2).mean()) for colours in small]
    expected = 1 - ((small[0] - small[1]) ** 2).mean() / np.mean(variances)
    whole = ((1.0, 0.0),)
    found = near_duplicates._likeness(one, near_duplicates._orientations(other, 32)[:1], whole, whole)
    assert found.item() == pytest.approx(expected, abs=1e-4)


def test_a_plain_picture_shows_too_little_to_compare() -> None:
    plain = np.full((64, 64, 3), 120, dtype=np.float32)
    assert picture_likeness(plain, plain) == 0.0
