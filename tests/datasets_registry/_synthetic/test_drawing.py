"""Synthetic images are deterministic: equal parameters give equal images in any order."""

import hashlib
import json

import numpy as np
import pytest
from one_case import for_each
from PIL import Image

from datasets_registry import DataError
from datasets_registry._synthetic import drawing


def dots(label: int, rng: np.random.Generator) -> Image.Image:
    canvas = drawing.blank((20.0 * label, 0, 0))
    drawing.add_noise(canvas, rng, 20)
    return drawing.to_image(canvas)


@pytest.fixture
def images() -> drawing.SyntheticImages:
    return drawing.SyntheticImages("dots", {"noise": 20}, dots, 3)


def test_equal_parts_give_equal_streams_and_different_parts_different_ones() -> None:
    assert drawing.generator("a", 1).random(4).tolist() == drawing.generator("a", 1).random(4).tolist()
    assert drawing.generator("a", 1).random(4).tolist() != drawing.generator("a", 2).random(4).tolist()
    assert drawing.generator("a", 12).random() != drawing.generator("a1", 2).random()


def test_an_image_does_not_depend_on_what_was_painted_before(images: drawing.SyntheticImages) -> None:
    alone = images.load("2/5").tobytes()
    other = drawing.SyntheticImages("dots", {"noise": 20}, dots, 3)
    for key in ("0/0", "2/4", "1/5"):
        other.load(key)
    assert other.load("2/5").tobytes() == alone


def test_changing_a_loaded_image_does_not_change_the_next_load(images: drawing.SyntheticImages) -> None:
    first = images.load("0/0")
    before = first.tobytes()
    first.paste((255, 255, 255), (0, 0, drawing.SIZE, drawing.SIZE))
    assert images.load("0/0").tobytes() == before


def test_digests_follow_key_and_parameters(images: drawing.SyntheticImages) -> None:
    assert images.digest("1/1") == drawing.SyntheticImages("dots", {"noise": 20}, dots, 3).digest("1/1")
    assert images.digest("1/1") != images.digest("1/2")
    assert images.digest("1/1") != drawing.SyntheticImages("dots", {"noise": 21}, dots, 3).digest("1/1")
    assert images.digest("1/1") != drawing.SyntheticImages("spots", {"noise": 20}, dots, 3).digest("1/1")
    text = json.dumps([drawing.DRAWING_VERSION, "dots", {"noise": 20}, "1/1"], sort_keys=True)
    assert images.digest("1/1") == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("key", ["3/0", "x/1", "1", "1/", "-1/2", "1/2/3"])
def test_a_key_that_names_no_image_is_rejected(images: drawing.SyntheticImages, key: str) -> None:
    with pytest.raises(DataError, match="names no image of 'dots'"):
        images.load(key)
    with pytest.raises(DataError, match="label below 3"):
        images.digest(key)


def test_a_full_square_covers_the_expected_area() -> None:
    """The unit outline reaches to 0.8, so radius 10 gives a side of 16 pixels."""
    cover = drawing.mask(drawing.Figure("square", 24, 24, 10))
    assert cover.sum() == pytest.approx(256, rel=0.05)
    assert cover[24, 24] == 1
    assert cover[2, 2] == 0


def test_a_ring_has_a_hole_and_a_line_has_no_inside() -> None:
    assert drawing.mask(drawing.Figure("ring", 24, 24, 15))[24, 24] == 0
    loop = drawing.Figure("circle", 24, 24, 15).loops()[0] / drawing.OVERSAMPLE
    outline = drawing.polyline_mask(np.concatenate([loop, loop[:2]]), 1.5)
    assert outline[24, 24] == 0
    assert outline.max() == 1


@for_each("shape", sorted(drawing.OUTLINES))
def test_outlines_stay_near_their_unit_square(shape: str) -> None:
    assert all(np.abs(loop).max() <= 1.25 for loop in drawing.OUTLINES[shape])
    assert drawing.mask(drawing.Figure(shape, 24, 24, 12)).sum() > 50


@pytest.mark.parametrize("kind", drawing.SURFACES)
def test_surfaces_have_values_from_zero_to_one(kind: str) -> None:
    tone = drawing.surface(kind, drawing.generator(kind), period=6, rotation=30)
    assert tone.shape == (drawing.SIZE, drawing.SIZE)
    assert tone.dtype == np.float32
    assert 0 <= tone.min() <= tone.max() <= 1
    assert (tone.max() > 0.5) == (kind != "plain")


def test_an_unknown_surface_is_rejected() -> None:
    with pytest.raises(ValueError, match="Unknown surface 'furry'"):
        drawing.surface("furry", drawing.generator(0))


def test_paint_blends_by_the_coverage_of_each_pixel() -> None:
    canvas = drawing.blank((0, 0, 0))
    cover = np.zeros((drawing.SIZE, drawing.SIZE), dtype=np.float32)
    cover[0, 0], cover[0, 1] = 1, 0.5
    drawing.paint(canvas, cover, (200, 100, 0))
    assert canvas[0, 0].tolist() == [200, 100, 0]
    assert canvas[0, 1].tolist() == [100, 50, 0]
    assert canvas[1, 1].tolist() == [0, 0, 0]
