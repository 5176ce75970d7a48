import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets_registry import DataError, image_sources

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


def test_a_truncated_image(files: image_sources.ImageFiles):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
    (files.root / "cut.jpg").write_bytes(buffer.getvalue()[:1000])
    with pytest.raises(DataError, match=r"cut.jpg is truncated"):
        files.load("cut.jpg")


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
