"""A ramp from black to white decodes to that ramp, whatever the mode and the format of the file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from datasets_registry import (
    IMAGE_FORMATS,
    DataError,
    DatasetInfo,
    DatasetSplits,
    EvalProtocol,
    Sample,
    TaskRequest,
    build_task,
    eval_fingerprint,
    get_dataset,
    image_sources,
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
        for name in sorted({*IMAGE_FORMATS, "MPO"} & set(Image.SAVE)):
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
        decoded = np.asarray(image_sources.ImageFiles(tmp_path).load(path.name), dtype=float)
        assert decoded.shape == (16, 16, 3), path.name
        lossy = (
            4.0 if path.suffix in (".jpeg", ".mpo", ".webp", ".avif", ".blp", ".dds") or mode in ("1", "LAB") else 1.0
        )
        assert decoded.mean() == pytest.approx(MEANS[mode], abs=lossy), path.name
        if mode != "1":
            assert np.abs(decoded.mean(axis=2) - RAMP).mean() <= lossy, path.name


def gray(folder: Path, name: str, values: list[float], kind: type[np.generic]) -> NDArray[np.uint8]:
    Image.fromarray(np.array([values], dtype=kind)).save(folder / name)
    return np.asarray(image_sources.ImageFiles(folder).load(name))[0, :, 0]


def test_sixteen_bits_are_divided_by_257_and_rounded(tmp_path: Path):
    values = [0, 128, 129, 385, 386, 32896, 65535]
    assert gray(tmp_path, "a.png", values, np.uint16).tolist() == [0, 0, 1, 1, 2, 128, 255]
    of_bytes = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert image_sources.ImageFiles(tmp_path).digest("a.png") != of_bytes, "features of clipped pixels are not found"
    dark = gray(tmp_path, "dark.png", [0, 100, 255], np.uint16)
    assert dark.tolist() == [0, 0, 1], "the type decides"
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + np.array([0, 100, 255], dtype=">u2").tobytes())
    assert np.asarray(image_sources.ImageFiles(tmp_path).load("a.pgm"))[0, :, 0].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (np.int32, [0, 7, 255], [0, 7, 255]),
        (np.int32, [0, 257, 65535], [0, 1, 255]),
        (np.float32, [0, 0.5, 1], [0, 128, 255]),
        (np.float32, [0, 7.4, 255], [0, 7, 255]),
        (np.float32, [0, 257, 65535], [0, 1, 255]),
        (np.int32, [0, 35000, 70000], [0, 128, 255]),
        (np.int32, [-1, 127, 255], [0, 128, 255]),
        (np.float32, [-0.5, 0, 0.5], [0, 128, 255]),
        (np.float32, [0, 1e6, 2e6], [0, 128, 255]),
        (np.float32, [-7, -7, -7], [0, 0, 0]),
    ],
)
def test_values_have_an_agreed_range_or_are_stretched_over_their_own(
    kind: type[np.generic], values: list[float], expected: list[int], tmp_path: Path
):
    assert gray(tmp_path, "x.tiff", values, kind).tolist() == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float, tmp_path: Path):
    with pytest.raises(DataError, match="x.tiff contains values.* finite"):
        gray(tmp_path, "x.tiff", [0, value], np.float32)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_ordinary_images_keep_their_pixels_and_their_digest(mode: str, tmp_path: Path):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    (image,) = ramps(mode)
    image.save(path)
    images = image_sources.ImageFiles(tmp_path)
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(images.load(path.name)), np.asarray(opened.convert("RGB")))
    assert images.digest(path.name) == hashlib.sha256(path.read_bytes()).hexdigest()


def few_shot_fingerprints(root: Path, shots: int) -> tuple[str, str]:
    info: DatasetInfo = get_dataset("spectrum_basic")
    train, val, test = ([Sample(f"{part}{label}.pgm", label) for label in (0, 1)] for part in ("train", "val", "test"))
    splits = DatasetSplits(image_sources.ImageFiles(root), ("a", "b"), tuple(train), tuple(val), tuple(test))
    task = build_task(TaskRequest(info, splits, protocol=EvalProtocol.FEW_SHOT, shots=shots, seed=1, draw="coop"))
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


# --- files that are damaged, or change --------------------------------------------------------------------------------

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.fixture
def files(tmp_path: Path) -> image_sources.ImageFiles:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return image_sources.ImageFiles(tmp_path)


def test_a_palette_with_transparency_raises_no_warning(files: image_sources.ImageFiles):
    """PIL warns if such an image is converted directly to RGB, and warnings are errors here."""
    Image.fromarray(PIXELS).convert("P").save(files.root / "p.png", transparency=bytes([0, 128, 255]))
    assert files.load("p.png").mode == "RGB"


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
"""A public mirror of Oxford Flowers consists of 8,189 of these."""


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"", "has zero bytes."), (LFS_POINTER, "is a Git LFS")],
)
def test_what_is_no_image_has_neither_pixels_nor_a_digest(
    files: image_sources.ImageFiles, content: bytes | None, message: str
):
    if content is not None:
        (files.root / "e.jpg").write_bytes(content)
    for ask in (files.load, files.digest):
        with pytest.raises(DataError, match=f"e.jpg {message}"):
            ask("e.jpg")


def test_text_instead_of_an_image(files: image_sources.ImageFiles):
    (files.root / "t.jpg").write_text("<html>404</html>")
    with pytest.raises(DataError, match="t.jpg is a web page"):
        files.load("t.jpg")
    (files.root / "t.jpg").write_text("no image")
    with pytest.raises(DataError, match="cannot be decoded") as raised:
        files.load("t.jpg")
    assert " at 0x" not in str(raised.value), "equal failures, equal words"


def test_the_digest_is_that_of_the_bytes_and_follows_a_change(files: image_sources.ImageFiles):
    path = files.root / "a.png"
    before = files.digest("a.png")
    assert before == files.digest("a.png") == image_sources.ImageFiles(files.root).digest("a.png")
    assert len(before) == 64
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    stat = path.stat()
    path.write_bytes(changed)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert files.digest("a.png") != before


# --- EXIF orientation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
def test_images_are_turned_as_pillow_turns_them_if_the_decoding_says_so(name: str, orientation: int, tmp_path: Path):
    exif = Image.Exif()
    exif[0x112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as image:
        image.load()
        stored = np.asarray(image)
        expected = np.asarray(ImageOps.exif_transpose(image))
    plain = image_sources.ImageFiles(tmp_path)
    oriented = image_sources.oriented(plain)
    assert np.array_equal(np.asarray(plain.load(name)), stored), "read as published"
    assert np.array_equal(np.asarray(oriented.load(name)), expected)
    turned = not (stored.shape == expected.shape and np.array_equal(stored, expected))
    assert turned is (2 <= orientation <= 8 and name != "a.tiff"), "Pillow turns TIFF"
    assert (plain.digest(name) != oriented.digest(name)) is turned
    assert plain.digest(name) == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_damaged_metadata_of_a_readable_image_turns_nothing(tmp_path: Path):
    Image.fromarray(RAMP).save(tmp_path / "a.jpg", exif=b"Exif\x00\x00not a header")
    images = image_sources.oriented(image_sources.ImageFiles(tmp_path))
    assert images.load("a.jpg").size == (16, 16)
    assert images.digest("a.jpg") == image_sources.ImageFiles(tmp_path).digest("a.jpg")


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)
INSTALLED = importlib.util.find_spec("pillow_heif") is not None


@pytest.mark.skipif(INSTALLED, reason="pillow-heif is installed")
@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_a_heic_file_without_the_plug_in_says_what_to_install(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HEIC)
    with pytest.raises(DataError, match=rf"{name} .*pillow-heif. Run `pip install pillow-heif`"):
        image_sources.ImageFiles(tmp_path).load(name)


@pytest.mark.skipif(INSTALLED, reason="pillow-heif is installed")
def test_an_installed_plug_in_is_registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module of that name is asked to register itself, once."""
    (tmp_path / "pillow_heif.py").write_text("calls = []\ndef register_heif_opener():\n    calls.append(1)\n")
    plug_ins = importlib.import_module("datasets_registry._readers.image_formats")
    with monkeypatch.context() as changed:
        changed.syspath_prepend(tmp_path)
        plug_ins.register_plug_ins.cache_clear()
        plug_ins.register_plug_ins()
        plug_ins.register_plug_ins()
        assert sys.modules.pop("pillow_heif").calls == [1]
