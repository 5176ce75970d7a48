"""A ramp from black to white decodes to that ramp, whatever the mode and the format of the file."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from datasets_registry import (
    DataError,
    DatasetInfo,
    DatasetSplits,
    DrawRule,
    EvalProtocol,
    ImageFiles,
    Sample,
    build_task,
    eval_fingerprint,
    get_dataset,
)

pytestmark = pytest.mark.filterwarnings("ignore:.* image format is deprecated:DeprecationWarning")

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
FACTORS: dict[str, tuple[float, ...]] = {**dict.fromkeys(SIXTEEN_BITS, (257,)), "I": (1, 257), "F": (1 / 255, 1, 257)}
"""What gray value 1 is in modes of more than 8 bits; for `I` and `F`, in each range that has an agreed white."""
MEANS = {**dict.fromkeys(Image.MODES, 127.5), "1": 128.0}
SAME = {"I;16B": "I;16", "I;16L": "I;16", "I;16N": "I;16"}


def ramps(mode: str) -> list[Image.Image]:
    if mode in FACTORS:
        kind = {"F": np.float32, "I": np.int32}.get(mode, np.dtype(">u2" if mode == "I;16B" else "<u2"))
        values = [(RAMP * np.float64(factor)).astype(kind) for factor in FACTORS[mode]]
        return [Image.frombytes(mode, RAMP.shape, value.tobytes()) for value in values]
    gray = Image.fromarray(RAMP)
    steps = {"La": ("LA", "La"), "RGBa": ("RGBA", "RGBa"), "PA": ("P", "PA"), "1": ("1",), "P": ("P",), "LA": ("LA",)}
    image = gray
    for step in steps.get(mode, ("RGB", mode)):
        image = image.convert(step)
    return [image]


def files_of(mode: str, folder: Path) -> list[Path]:
    """The ramps of a mode in every format that stores this mode, or 16 bits as 32-bit integers."""
    Image.init()
    found = []
    for number, image in enumerate(ramps(mode)):
        for name in Image.SAVE:
            path = folder / f"{number}.{name.lower()}"
            try:
                image.save(path, name)
                with Image.open(path) as opened:
                    opened.load()
                    stored = opened.mode == mode or SAME.get(opened.mode, opened.mode) == SAME.get(mode, mode)
                    stored |= opened.mode == "I" and mode in SIXTEEN_BITS
                    # these formats have 16 bits, in which 0..255 is nearly black, and ICNS enlarges
                    stored &= not (mode == "I" and number == 0 and opened.format in ("PPM", "PNG"))
                    stored &= opened.size == image.size
            except (OSError, ValueError, KeyError, AttributeError):
                continue  # Pillow does not write or read this mode in this format
            if stored:
                found.append(path)
    return found


@pytest.mark.parametrize("mode", Image.MODES)
def test_a_ramp_has_its_mean_in_every_mode_and_format(mode: str, tmp_path: Path):
    for path in files_of(mode, tmp_path):
        decoded = np.asarray(ImageFiles(tmp_path).load(path.name), dtype=float)
        assert decoded.shape == (16, 16, 3), path.name
        lossy = (
            4.0 if path.suffix in (".jpeg", ".mpo", ".webp", ".avif", ".blp", ".dds") or mode in ("1", "LAB") else 1.0
        )
        assert decoded.mean() == pytest.approx(MEANS[mode], abs=lossy), path.name
        if mode != "1":
            assert np.abs(decoded.mean(axis=2) - RAMP).mean() <= lossy, path.name


def test_the_table_covers_every_mode_that_a_file_can_have(tmp_path: Path):
    stored: defaultdict[str, list[str]] = defaultdict(list)
    for mode in Image.MODES:
        (tmp_path / mode).mkdir()
        for path in files_of(mode, tmp_path / mode):
            stored[mode].append(path.suffix)
    # Pillow writes the other modes to no file: they are for use in memory
    assert set(Image.MODES) - set(stored) <= {"HSV", "I;16N", "La", "RGBa", "RGBX"}
    assert {".png", ".tiff", ".ppm", ".jpeg2000"} <= set(stored["I;16"])
    assert {".tiff", ".im"} <= set(stored["I"])
    assert {".tiff", ".ppm", ".im", ".spider"} <= set(stored["F"])


def gray(folder: Path, name: str, values: list[float], kind: type[np.generic]) -> NDArray[np.uint8]:
    Image.fromarray(np.array([values], dtype=kind)).save(folder / name)
    return np.asarray(ImageFiles(folder).load(name))[0, :, 0]


def test_sixteen_bits_are_divided_by_257_and_rounded(tmp_path: Path):
    values = [0, 128, 129, 385, 386, 32896, 65535]
    assert gray(tmp_path, "a.png", values, np.uint16).tolist() == [0, 0, 1, 1, 2, 128, 255]
    dark = gray(tmp_path, "dark.png", [0, 100, 255], np.uint16)
    assert dark.tolist() == [0, 0, 1], "the type decides the range, not the largest value"


def test_a_dark_16_bit_pgm_is_not_taken_for_8_bits(tmp_path: Path):
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + np.array([0, 100, 255], dtype=">u2").tobytes())
    assert np.asarray(ImageFiles(tmp_path).load("a.pgm"))[0, :, 0].tolist() == [0, 0, 1]


def test_integers_and_floats_are_read_in_the_range_that_their_values_have(tmp_path: Path):
    assert gray(tmp_path, "a.tiff", [0, 7, 255], np.int32).tolist() == [0, 7, 255]
    assert gray(tmp_path, "b.tiff", [0, 257, 65535], np.int32).tolist() == [0, 1, 255]
    assert gray(tmp_path, "c.tiff", [0, 0.5, 1], np.float32).tolist() == [0, 128, 255]
    assert gray(tmp_path, "d.tiff", [0, 7.4, 255], np.float32).tolist() == [0, 7, 255]
    assert gray(tmp_path, "e.tiff", [0, 257, 65535], np.float32).tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        (np.int32, [0, 70000], "32-bit integer values from 0 to 70000"),
        (np.int32, [-1, 255], "32-bit integer values from -1 to 255"),
        (np.float32, [-0.5, 0.5], "float values from -0.5 to 0.5"),
        (np.float32, [0, 1e6], r"float values from 0 to 1e\+06"),
        (np.float32, [0, np.nan], "float values from nan to nan"),
    ],
)
def test_values_without_an_agreed_range_are_refused(
    kind: type[np.generic], values: list[float], shown: str, tmp_path: Path
):
    with pytest.raises(DataError, match=rf"x.tiff holds {shown}, .* allowed are .*0\.\.65535\. Convert it to an 8-bit"):
        gray(tmp_path, "x.tiff", values, kind)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_ordinary_images_keep_their_pixels_and_their_digest(mode: str, tmp_path: Path):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    (image,) = ramps(mode)
    image.save(path)
    images = ImageFiles(tmp_path)
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(images.load(path.name)), np.asarray(opened.convert("RGB")))
    assert images.digest(path.name) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_digest_of_a_scaled_image_is_not_that_of_its_bytes(tmp_path: Path):
    """Features that were cached before, of pixels clipped to white, are not found again."""
    gray(tmp_path, "a.png", [0, 65535], np.uint16)
    assert ImageFiles(tmp_path).digest("a.png") != hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def few_shot_fingerprints(root: Path, shots: int) -> tuple[str, str]:
    info: DatasetInfo = get_dataset("spectrum_basic")
    train, val, test = ([Sample(f"{part}{label}.pgm", label) for label in (0, 1)] for part in ("train", "val", "test"))
    splits = DatasetSplits(ImageFiles(root), ("a", "b"), tuple(train), tuple(val), tuple(test))
    task = build_task(info, splits, protocol=EvalProtocol.FEW_SHOT, shots=shots, seed=1, draw=DrawRule.COOP)
    return task.fingerprint, eval_fingerprint(splits, info)


def test_the_rule_is_part_of_a_fingerprint_only_where_it_changes_pixels(tmp_path: Path):
    for part in ("train", "val", "test"):
        for label in (0, 1):
            Image.fromarray(RAMP).save(tmp_path / f"{part}{label}.pgm")
    before = few_shot_fingerprints(tmp_path, 0), few_shot_fingerprints(tmp_path, 1)
    assert before == (  # those of the version without the rule
        ("78a2ed9b06920ffe6ed92c4ebefef5dd", "004ac88e6ddf8984a1b8b6baeedc8b3e"),
        ("c3b59e86423d7d4d303d3d8eaafaf83e", "004ac88e6ddf8984a1b8b6baeedc8b3e"),
    )
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / "test1.pgm")
    after = few_shot_fingerprints(tmp_path, 0), few_shot_fingerprints(tmp_path, 1)
    assert all(a != b for old, new in zip(before, after, strict=True) for a, b in zip(old, new, strict=True))
