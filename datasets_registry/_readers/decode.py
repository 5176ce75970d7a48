"""From an image's bytes to RGB pixels, wherever the bytes lie, and what is refused at first sight."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

from datasets_registry._errors import DataError

LFS_POINTER = b"version https://git-lfs"
"""How a file begins that only stands for one in Git's large file storage."""


def decode_image(content: bytes, where: object) -> Image.Image:
    """The image as RGB, as PIL decodes it (EXIF rotation is not applied; CoOp does not either).

    Raises DataError, naming `where` and what to do, for no bytes, a Git LFS pointer, and what is no image.
    """
    check_content(content, where)
    try:
        with Image.open(io.BytesIO(content)) as image:
            # A palette with transparency converts to RGB with a warning; by way of RGBA it is silent and the same.
            opaque = image.convert("RGBA") if "transparency" in image.info and image.mode == "P" else image
            return opaque.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow's own words for this one hold nothing but the address of a buffer, another one in every run
        why = "of no known format" if isinstance(error, UnidentifiedImageError) else f"{type(error).__name__}: {error}"
        raise DataError(
            f"Image {where} cannot be decoded ({why}). The file is damaged or not an image; unpack it again from the "
            "dataset's archive, or replace it."
        ) from error


def check_content(content: bytes, where: object) -> None:
    """Refuse what no image begins with. Raises DataError for no bytes at all and for a Git LFS pointer."""
    if not content:
        raise DataError(f"Image {where} has zero bytes; unpack it again from the dataset's archive.")
    if content.startswith(LFS_POINTER):
        raise DataError(
            f"Image {where} is a Git LFS pointer, not the image itself. "
            f"Run `git lfs pull` where it came from, or use the dataset's own archive."
        )
