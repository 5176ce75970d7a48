"""Decode image bytes to RGB, with error messages that say what is wrong with the file."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from datasets_registry._errors import DataError

LFS_POINTER = b"version https://git-lfs"
"""First bytes of a Git LFS pointer, the placeholder of a file in large file storage."""
SCALING_RULE = "scaled to 8 bits, rule 1"
"""Identifies the rule of `decode_image` for more than 8 bits; the digests of images that it changes contain it."""
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_STRETCHED_TO_16_BITS = ("PNG", "PPM")
"""Formats of which Pillow returns gray values of more than 8 bits in 0..65535, also where it calls the mode `I`."""
_JPEG = b"\xff\xd8"


def decode_image(content: bytes, where: object) -> Image.Image:
    """The image as RGB, as PIL decodes it (EXIF rotation is not applied, as in CoOp).

    Gray values of more than 8 bits are scaled to 0..255 and rounded, because PIL's own conversion clips them at 255:

    - 16-bit integers (mode `I;16`, and `I` of PNG and PGM files) are divided by 257.
    - Other 32-bit integers (`I`) and floats (`F`) have no agreed range, so the image's values decide: all in 0..1
      (floats only) are multiplied by 255, all in 0..255 are kept, all in 0..65535 are divided by 257.

    16-bit colour images need no rule: PIL itself reads them as 8-bit images, by their high bytes.

    Raises DataError, naming `where` and a remedy, for empty content, a Git LFS pointer, anything but an image, and
    32-bit integers or floats outside these ranges.
    """
    check_content(content, where)
    try:
        with Image.open(io.BytesIO(content)) as image:
            return _to_rgb(image, where)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow's message for an unknown format contains only a buffer address, which differs in every run
        why = "of no known format" if isinstance(error, UnidentifiedImageError) else f"{type(error).__name__}: {error}"
        raise DataError(
            f"Image {where} cannot be decoded ({why}). The file is damaged or not an image; unpack it again from the "
            "dataset's archive, or replace it."
        ) from error


def content_digest(content: bytes) -> str:
    """Hex SHA-256 of the bytes of an image file, and of `SCALING_RULE` where decoding applies it."""
    sha = hashlib.sha256(content)
    if not content.startswith(_JPEG) and is_scaled(io.BytesIO(content)):
        sha.update(SCALING_RULE.encode())
    return sha.hexdigest()


def is_scaled(file: Path | io.BytesIO) -> bool:
    """Whether `decode_image` scales the values of an image. Reads its header only; False for anything but an image."""
    try:
        with Image.open(file) as image:
            return image.mode in (*_SIXTEEN_BITS, "I", "F")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def check_content(content: bytes, where: object) -> None:
    """Raises DataError for empty content and for a Git LFS pointer."""
    if not content:
        raise DataError(f"Image {where} has zero bytes; unpack it again from the dataset's archive.")
    if content.startswith(LFS_POINTER):
        raise DataError(
            f"Image {where} is a Git LFS pointer, not the image itself. "
            f"Run `git lfs pull` where it came from, or use the dataset's own archive."
        )


def _to_rgb(image: Image.Image, where: object) -> Image.Image:
    if image.mode in (*_SIXTEEN_BITS, "I", "F"):
        return _scaled(image, where).convert("RGB")
    # PIL warns when it converts a palette with transparency to RGB; by way of RGBA the result is the same.
    opaque = image.convert("RGBA") if "transparency" in image.info and image.mode == "P" else image
    return opaque.convert("RGB")


def _scaled(image: Image.Image, where: object) -> Image.Image:
    """The 8-bit gray image of a 16-bit, 32-bit or float gray image."""
    values = np.asarray(image, dtype=np.float64)
    low, high = values.min(), values.max()
    if image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in _STRETCHED_TO_16_BITS):
        factor = 1 / 257
    elif not (low >= 0 and high <= 65535):  # true for NaN too
        kind = "float" if image.mode == "F" else "32-bit integer"
        ranges = "0..1, 0..255 or 0..65535" if image.mode == "F" else "0..255 or 0..65535"
        raise DataError(
            f"Image {where} holds {kind} values from {low:g} to {high:g}, so its black and white are unknown; allowed "
            f"are {ranges}. Convert it to an 8-bit or 16-bit image."
        )
    elif image.mode == "F" and high <= 1:
        factor = 255
    else:
        factor = 1 if high <= 255 else 1 / 257
    return Image.fromarray(np.floor(values * factor + 0.5).astype(np.uint8))
