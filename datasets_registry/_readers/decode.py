"""Decode image bytes to RGB, with error messages that say what is wrong with the file."""

import io

from PIL import Image, UnidentifiedImageError

from datasets_registry._errors import DataError

LFS_POINTER = b"version https://git-lfs"
"""First bytes of a Git LFS pointer, the placeholder of a file in large file storage."""


def decode_image(content: bytes, where: object) -> Image.Image:
    """The image as RGB, as PIL decodes it (EXIF rotation is not applied, as in CoOp).

    Raises DataError, naming `where` and a remedy, for empty content, a Git LFS pointer or anything but an image.
    """
    check_content(content, where)
    try:
        with Image.open(io.BytesIO(content)) as image:
            # PIL warns when it converts a palette with transparency to RGB; by way of RGBA the result is the same.
            opaque = image.convert("RGBA") if "transparency" in image.info and image.mode == "P" else image
            return opaque.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow's message for an unknown format contains only a buffer address, which differs in every run
        why = "of no known format" if isinstance(error, UnidentifiedImageError) else f"{type(error).__name__}: {error}"
        raise DataError(
            f"Image {where} cannot be decoded ({why}). The file is damaged or not an image; unpack it again from the "
            "dataset's archive, or replace it."
        ) from error


def check_content(content: bytes, where: object) -> None:
    """Raises DataError for empty content and for a Git LFS pointer."""
    if not content:
        raise DataError(f"Image {where} has zero bytes; unpack it again from the dataset's archive.")
    if content.startswith(LFS_POINTER):
        raise DataError(
            f"Image {where} is a Git LFS pointer, not the image itself. "
            f"Run `git lfs pull` where it came from, or use the dataset's own archive."
        )
