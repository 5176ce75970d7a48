"""Synthetic images are deterministic: equal parameters give equal images in any order."""

import hashlib
import json

import numpy as np
import pytest
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


def test_an_image_does_not_depend_on_what_was_painted_before_or_on_itself(images: drawing.SyntheticImages) -> None:
    first = images.load("2/5")
    alone = first.tobytes()
    first.paste((255, 255, 255), (0, 0, drawing.SIZE, drawing.SIZE))
    assert images.load("2/5").tobytes() == alone
    other = drawing.SyntheticImages("dots", {"noise": 20}, dots, 3)
    for key in ("0/0", "2/4", "1/5"):
        other.load(key)
    assert other.load("2/5").tobytes() == alone


def test_the_last_images_are_kept(images: drawing.SyntheticImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_RECENT_IMAGES", 2)
    for key in ("0/0", "0/1", "0/2"):
        images.load(key)
    assert list(images._recent) == ["0/1", "0/2"]


def test_digests_follow_key_and_parameters(images: drawing.SyntheticImages) -> None:
    assert images.digest("1/1") == drawing.SyntheticImages("dots", {"noise": 20}, dots, 3).digest("1/1")
    assert images.digest("1/1") != images.digest("1/2")
    assert images.digest("1/1") != drawing.SyntheticImages("dots", {"noise": 21}, dots, 3).digest("1/1")
    assert images.digest("1/1") != drawing.SyntheticImages("spots", {"noise": 20}, dots, 3).digest("1/1")
    text = json.dumps([drawing.DRAWING_VERSION, "dots", {"noise": 20}, "1/1"], sort_keys=True)
    assert images.digest("1/1") == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("key", ["3/0", "x/1", "1", "1/", "-1/2", "1/2/3"])
def test_a_key_that_names_no_image_is_rejected(images: drawing.SyntheticImages, key: str) -> None:
    with pytest.raises(DataError, match="no image of 'dots'"):
        images.load(key)
    with pytest.raises(DataError, match="label below 3"):
        images.digest(key)


def test_an_unknown_surface_is_rejected() -> None:
    with pytest.raises(ValueError, match="Unknown surface 'furry'"):
        drawing.surface("furry", drawing.generator(0))
