"""The synthetic suite: eleven datasets, and one with an adjustable shift. Every image is a function of its key."""

import hashlib
import importlib
import re

import numpy as np
import pytest
from one_case import for_each

from datasets_registry import BenchError, DatasetInfo, DatasetSplits, UnknownNameError, get_dataset
from datasets_registry._synthetic import drawing

PINNED_PIXELS = {
    "spectrum_angles": "890cd2e8da1887fd",
    "spectrum_basic": "1245f7ec16e93298",
    "spectrum_blur": "2ab154e8d27f695b",
    "spectrum_clutter": "1c28847de143f797",
    "spectrum_colours": "ebf674ab1de76ac3",
    "spectrum_counting": "de78232e86c9281c",
    "spectrum_landcover": "18de5ce2f1a155d4",
    "spectrum_layout": "dba41ad89dfa4db9",
    "spectrum_sketch": "58511a400ed1ef78",
    "spectrum_textures": "8c92e1e7b9019b8d",
    "spectrum_words": "a870e90a5015e42b",
    "spectrum": "243d01514b4c5b2d",
}
"""First digits of the SHA-256 over images 0 and 40 of the first, a middle and the last class."""


def info_of(name: str) -> DatasetInfo:
    importlib.import_module(f"datasets_registry.{name.partition(':')[0]}")
    return get_dataset(name)


def splits_of(name: str) -> DatasetSplits:
    return info_of(name).reader(None)


def pixels_digest(name: str) -> str:
    images, last = splits_of(name).images, info_of(name).num_classes - 1
    keys = [f"{label}/{index}" for label in (0, last // 2, last) for index in (0, 40)]
    return hashlib.sha256(b"".join(images.load(key).tobytes() for key in keys)).hexdigest()[:16]


@for_each("name", PINNED_PIXELS)
def test_the_entry_is_complete(name: str) -> None:
    info = info_of(name)
    assert info.name == name
    assert info.synthetic
    assert 10 <= info.num_classes <= 24
    assert info.num_classes == len(info.class_names) == len(set(info.class_names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", class_name) for class_name in info.class_names)
    assert info.licence.startswith("MIT")
    assert info.homepage == info.citation == ""


@for_each("name", PINNED_PIXELS)
def test_splits_are_equal_disjoint_and_large_enough_for_sixteen_shots(name: str) -> None:
    splits = splits_of(name)
    for part, per_class in ((splits.train, 24), (splits.val, 4), (splits.test, 30)):
        counts = np.bincount([sample.label for sample in part], minlength=len(splits.class_names))
        assert set(counts.tolist()) == {per_class}
    keys = [sample.key for sample in (*splits.train, *splits.val, *splits.test)]
    assert len(keys) == len(set(keys))
    assert len({splits.images.digest(key) for key in keys}) == len(keys)


@for_each("name", PINNED_PIXELS)
def test_images_are_small_rgb_and_all_different(name: str) -> None:
    splits = splits_of(name)
    pictures = [splits.images.load(sample.key) for sample in splits.test[::23]]
    assert {(picture.mode, picture.size) for picture in pictures} == {("RGB", (drawing.SIZE, drawing.SIZE))}
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


@for_each("name", PINNED_PIXELS)
def test_pixels_are_pinned_to_the_drawing_version(name: str) -> None:
    """A changed digest means changed pixels: increment DRAWING_VERSION; see docs/decisions.md."""
    assert drawing.DRAWING_VERSION == 1
    assert pixels_digest(name) == PINNED_PIXELS[name]


def test_two_shifts_draw_the_same_scene_with_different_digests() -> None:
    easy, hard = splits_of("spectrum:shift=0.0"), splits_of("spectrum:shift=0.25")
    key = easy.test[0].key
    assert easy.images.digest(key) != hard.images.digest(key)
    a, b = (np.asarray(s.images.load(key), dtype=float).ravel() for s in (easy, hard))
    assert np.corrcoef(a, b)[0, 1] > 0.8


def test_contrast_falls_with_the_shift() -> None:
    contrasts = []
    for shift in np.linspace(0, 1, 9).tolist():
        splits = splits_of(f"spectrum:shift={shift}")
        contrasts.append(np.mean([np.std(np.asarray(splits.images.load(s.key))) for s in splits.test[::60]]))
    assert contrasts == sorted(contrasts, reverse=True)


def test_fewer_test_images_are_the_first_of_each_class() -> None:
    whole, few = splits_of("spectrum_blur"), splits_of("spectrum_blur:test=2")
    assert [sample.key for sample in few.test] == [f"{label}/{28 + i}" for label in range(12) for i in range(2)]
    assert (few.train, few.val, few.class_names) == (whole.train, whole.val, whole.class_names)
    assert whole.images.digest("3/28") == few.images.digest("3/28")
    assert splits_of("spectrum_blur:test=30").test == whole.test
    assert info_of("spectrum_blur:test=2").title == "Spectrum Blur"


REFUSED = {
    "spectrum:shift={}": ("number from 0 to 1", ["-0.1", "1.01", "nan", "inf", "much", ""]),
    "spectrum_blur:test={}": ("dataset 'spectrum_blur'.* from 1 to 30", ["0", "31", "-1", "2.5", "few", ""]),
    "spectrum:shft={}": ("Did you mean 'shift'", ["0.5"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unknown_option_and_a_value_out_of_range_are_rejected(name: str) -> None:
    message, values = REFUSED[name]
    for value in values:
        with pytest.raises((BenchError, UnknownNameError), match=message):
            info_of(name.format(value))


@pytest.mark.parametrize("name", ["spectrum_angles", "spectrum_layout"])
def test_mirroring_keeps_the_class_where_position_or_angle_defines_it(name: str) -> None:
    """Augmentation mirrors images, so no class name may contain left or right."""
    words = {word for class_name in info_of(name).class_names for word in class_name.split("_")}
    assert not words & {"left", "right", "east", "west"}
