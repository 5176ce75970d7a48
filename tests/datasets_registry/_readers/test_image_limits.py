"""Images that are programs, endless, not files, or larger than any honest one: each is refused, at little cost."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from limited import limited
from PIL import Image

from datasets_registry import (
    IMAGE_FORMATS,
    BadImageError,
    Decoding,
    decode_with_facts,
    image_sources,
    image_suffixes,
    keep_warnings,
)

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(written) (w) file closefile {} loop\n"
DOS_EPS = struct.pack("<4sII", b"\xc5\xd0\xd3\xc6", 32, len(EPS)) + bytes(20) + EPS


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int) -> bytes:
    """A PNG of 1 bit per pixel, whose pixels are cut off."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def jpeg_of_many_passes(side: int, passes: int) -> bytes:
    """A progressive JPEG whose last pass is repeated."""
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    start = content.rindex(b"\xff\xda")
    return content[:start] + content[start:-2] * passes + b"\xff\xd9"


def tiff_of_tiles(count: int) -> bytes:
    """A TIFF whose list of tiles has that many entries."""
    entries = [(256, 4, 1, 1024), (257, 4, 1, 1024), (258, 3, 1, 8), (262, 3, 1, 1), (324, 4, count, 200)]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + bytes(4 * 100)


HOSTILE = {
    "eps.png": EPS,
    "dos.png": DOS_EPS,
    "huge.png": png(20_000, 20_000),
    "wide.png": png(2**31 - 1, 1),
    "passes.jpg": jpeg_of_many_passes(2048, 3000),
    "tiles.tif": tiff_of_tiles(2**30),
    "plain.ppm": b"P3 10000 10000 255\n",
    "empty.png": b"",
    "text.png": b"no image",
}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Files that must be refused: those of `HOSTILE`, and some that are not regular or too large."""
    for name, content in HOSTILE.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(6 * 2**30)
    return tmp_path


def test_hostile_images_are_refused_with_little_memory_and_time(hostile: Path) -> None:
    names = sorted(path.name for path in hostile.iterdir())
    images = image_sources.ImageFiles(hostile)

    def problems() -> str:
        found = {}
        for name in names:
            for use in (images.load, images.digest, images.decoding_rules):
                try:
                    use(name)
                except BadImageError as error:
                    found[name] = error.problem
        return json.dumps(found)

    found = json.loads(limited(problems, memory=2**30, seconds=20))
    assert sorted(found) == names
    for name, part in {
        "eps.png": "PostScript",
        "dos.png": "PostScript",
        "huge.png": "178,956,970 pixels",
        "wide.png": "178,956,970 pixels",
        "passes.jpg": "passes",
        "tiles.tif": "tiles",
        "plain.ppm": "4,194,304 pixels, stored as text",
        "pipe.png": "a pipe",
        "zero.png": "a device",
        "sparse.png": "6 GiB",
        "loop.png": "broken link",
    }.items():
        assert part in found[name], name


@pytest.mark.slow
def test_the_largest_image_that_is_read_needs_the_memory_that_is_stated(tmp_path: Path) -> None:
    Image.new("L", (13_377, 13_377)).save(tmp_path / "a.png", compress_level=1)
    read = limited(lambda: image_sources.ImageFiles(tmp_path).load("a.png").size, memory=3 * 2**29 + 2**27, seconds=120)
    assert read == "(13377, 13377)"


def test_no_format_that_runs_a_program_is_read() -> None:
    assert image_suffixes() <= {suffix for suffixes in IMAGE_FORMATS.values() for suffix in suffixes}
    assert not {"EPS", "PDF", "WMF", "MPEG", "PSD", "FPX"} & set(IMAGE_FORMATS)


def has_more_frames(image: Image.Image, kind: str, **options: object) -> bool:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return decode_with_facts(file.getvalue(), "x")[1].more_frames


def test_what_is_not_read_of_an_image_is_one_of_its_facts() -> None:
    one, other = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        assert not has_more_frames(one, kind)
        assert has_more_frames(one, kind, save_all=True, append_images=[other])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "L", "LA"])
def test_colours_and_transparency_are_not_further_bands(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (8, 8)).save(file, "TIFF")
    assert not decode_with_facts(file.getvalue(), "x")[1].more_bands
    assert decode_with_facts(tiff_of_bands(4, 8), "x")[1].more_bands
    with pytest.raises(BadImageError, match="bands or bits cannot"):
        decode_with_facts(tiff_of_bands(13, 16), "x.tif")


def tiff_of_bands(bands: int, bits: int) -> bytes:
    """A TIFF of 4 x 4 pixels whose bands beyond red, green and blue have no stated meaning."""
    entries = [
        (256, 3, 1, 4), (257, 3, 1, 4), (258, 3, bands, 300), (262, 3, 1, 2), (273, 4, 1, 400), (277, 3, 1, bands),
        (278, 3, 1, 4), (279, 4, 1, 16 * bands * bits // 8), (338, 3, 1, 0),
    ]  # fmt: skip
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start = b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)
    return start.ljust(300, b"\0") + struct.pack(f"<{bands}H", *[bits] * bands).ljust(100, b"\0") + bytes(1000)


def test_warnings_become_facts_of_their_image() -> None:
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 5, 0x0112, 3, 1, 6)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    with keep_warnings():
        found = decode_with_facts(file.getvalue(), "x.jpg", Decoding(orient=True))[1]
    assert found.turned
    assert any("Corrupt EXIF data" in remark for remark in found.remarks)


def test_values_are_scaled_in_blocks_as_at_once(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1e5, (200, 30)).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "x.tiff")
    wide = values.astype(np.float64)
    expected = np.floor((wide - wide.min()) * (255 / (wide.max() - wide.min())) + 0.5).astype(np.uint8)
    assert np.array_equal(np.asarray(image_sources.ImageFiles(tmp_path).load("x.tiff"))[:, :, 0], expected)
