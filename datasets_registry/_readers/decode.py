"""Decodes images to RGB: suffixes, plug-ins of Pillow, and errors that name the problem of the file."""

import hashlib
import importlib
import io
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from datasets_registry._errors import DataError

LFS_POINTER = b"version https://git-lfs"
"""First bytes of a Git LFS pointer, the placeholder of a file in large file storage."""
SCALING_RULE = "scaled to 8 bits, rule 1"
"""Identifies the rule of `decode_image` for more than 8 bits; part of the digest of every image that it changes."""
ORIENTATION_RULE = "turned by EXIF orientation, rule 1"
"""Identifies the rule of `Decoding.orient`; part of the digest of every image that it turns."""
ARCHIVE_ADVICE = "Unpack it again from the dataset's archive, or replace it"
OWN_ADVICE = (
    "Replace or remove it, or repeat `etl-bench datasets add` with --replace --skip-broken to leave out every bad file"
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns an image upright, by the value of its EXIF orientation."""
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_STRETCHED_TO_16_BITS = ("PNG", "PPM")
"""Formats for which Pillow returns gray values of more than 8 bits in 0..65535, even in mode `I`."""
HEIF_PACKAGE = "pillow-heif"
AVIF_PACKAGE = "pillow-avif-plugin"
PACKAGE_OF_SUFFIX = {".heic": HEIF_PACKAGE, ".heif": HEIF_PACKAGE, ".hif": HEIF_PACKAGE, ".avif": AVIF_PACKAGE}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_NOT_DECODED = ("EPS", "MPEG")
"""Pillow needs another program for the first, and reads only the size of the second."""
_JPEG = b"\xff\xd8"


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the image files of one dataset are decoded.

    Args:
        orient: turn images upright by their EXIF orientation; off for published datasets, as in CoOp.
        advice: what to do about a damaged file; the last sentence of a message.
    """

    orient: bool = False
    advice: str = ARCHIVE_ADVICE


PUBLISHED = Decoding()
OWN_IMAGES = Decoding(advice=OWN_ADVICE)


class BadImageError(DataError):
    """A file that is not a readable image.

    Args:
        problem: why, such as `has zero bytes`.
        advice: what to do.
        kind: the problem without details, such as `zero bytes`.
    """

    def __init__(self, where: object, problem: str, advice: str, kind: str) -> None:
        super().__init__(f"Image {where} {problem}. {advice}.")
        self.problem = problem
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Width and height of an image as it is decoded, its format, and whether an EXIF orientation turns it."""

    size: tuple[int, int]
    format: str
    turned: bool


def decode_image(content: bytes, where: object, decoding: Decoding = PUBLISHED) -> Image.Image:
    """The image as RGB, as PIL decodes it; EXIF orientation is applied only with `decoding.orient`.

    Gray values of more than 8 bits are scaled to 0..255 and rounded, because PIL's own conversion clips them at 255:

    - 16-bit integers (mode `I;16`, and `I` of PNG and PGM files) are divided by 257.
    - Other 32-bit integers (`I`) and floats (`F`) have no standard range, so it is inferred from the image's values:
      values in 0..1 (floats only) are multiplied by 255, values in 0..255 are kept, values in 0..65535 are divided by
      257. Any other values are stretched: the image's smallest becomes 0 and its largest 255 (decision 11).

    16-bit colour images need no rule: PIL itself reads their high bytes as 8-bit images.

    Raises BadImageError, naming `where` and a remedy, for empty content, a Git LFS pointer, anything but an image, and
    floats that are not finite.
    """
    return _decoded(content, where, decoding)[0]


def examine_image(content: bytes, where: object, decoding: Decoding = PUBLISHED) -> ImageFacts:
    """The facts of an image; raises BadImageError if `decode_image` cannot decode it.

    All of the data is read, so truncated files are found. A JPEG is decoded at an eighth of its size, which takes half
    the time or less.
    """
    return _decoded(content, where, decoding, pixels=False)[1]


def _decoded(
    content: bytes, where: object, decoding: Decoding, *, pixels: bool = True
) -> tuple[Image.Image, ImageFacts]:
    check_content(content, where, decoding)
    register_plug_ins()
    try:
        with Image.open(io.BytesIO(content)) as image:
            turn = _turn(image) if decoding.orient else None
            width, height = image.size
            swapped = turn is not None and turn not in (_TURNS[2], _TURNS[3], _TURNS[4])
            facts = ImageFacts((height, width) if swapped else (width, height), image.format or "", turn is not None)
            if not pixels and image.format in ("JPEG", "MPO"):
                image.draft("L", (1, 1))
                image.load()
                return image, facts
            rgb = _to_rgb(image, where, decoding)
            return rgb if turn is None else rgb.transpose(turn), facts
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        if isinstance(error, BadImageError):
            raise
        raise _undecodable(content, where, decoding, error) from error


def _undecodable(content: bytes, where: object, decoding: Decoding, error: Exception) -> BadImageError:
    # Pillow's message for an unknown format contains only a buffer address, which differs in every run
    unknown = isinstance(error, UnidentifiedImageError)
    if unknown and (package := needed_package(content)):
        how = f"Run `pip install {package}`, or convert it to JPEG or PNG"
        return BadImageError(where, f"needs the package {package}", how, f"needs `pip install {package}`")
    if unknown and is_web_page(content):
        why = "is a web page, not an image, as a failed download leaves it"
        return BadImageError(where, why, decoding.advice, "web page")
    if unknown:
        why = "cannot be decoded (of no known format): it is damaged or not an image"
        return BadImageError(where, why, decoding.advice, "not an image, or damaged")
    kind = "truncated" if "truncated" in str(error) else "damaged"
    why = f"is {kind} ({error})"
    return BadImageError(where, why, decoding.advice, kind)


def content_digest(content: bytes) -> str:
    """Hex SHA-256 of the bytes of an image file, and of `SCALING_RULE` if decoding applies it."""
    sha = hashlib.sha256(content)
    if not content.startswith(_JPEG) and is_scaled(io.BytesIO(content)):
        sha.update(SCALING_RULE.encode())
    return sha.hexdigest()


def is_scaled(file: Path | io.BytesIO) -> bool:
    """Whether `decode_image` scales the values of an image. Reads its header only; False for anything but an image."""
    register_plug_ins()
    try:
        with Image.open(file) as image:
            return image.mode in (*_SIXTEEN_BITS, "I", "F")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def is_image(file: Path) -> bool:
    """Whether the first bytes of a file are those of an image that Pillow knows, whatever its name."""
    register_plug_ins()
    try:
        with Image.open(file):
            return True
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def is_turned(file: Path | io.BytesIO) -> bool:
    """Whether `Decoding.orient` turns an image. Reads its header only; False for anything but an image."""
    register_plug_ins()
    try:
        with Image.open(file) as image:
            return _turn(image) is not None
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def is_web_page(content: bytes) -> bool:
    """Whether the first bytes are those of an HTML page."""
    return content[:512].lstrip().lower().startswith((b"<!doctype", b"<html"))


def check_content(content: bytes, where: object, decoding: Decoding = PUBLISHED) -> None:
    """Raises BadImageError for empty content and for a Git LFS pointer."""
    if not content:
        raise BadImageError(where, "has zero bytes", decoding.advice, "zero bytes")
    if content.startswith(LFS_POINTER):
        how = "Run `git lfs pull` where it came from, or use the dataset's own archive"
        raise BadImageError(where, "is a Git LFS pointer, not the image itself", how, "Git LFS pointer")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The operation that turns an opened image upright, or None. Pillow itself turns TIFF files."""
    if image.format == "TIFF":
        return None
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, struct.error):  # damaged metadata of a readable image
        return None


def _to_rgb(image: Image.Image, where: object, decoding: Decoding) -> Image.Image:
    if image.mode in (*_SIXTEEN_BITS, "I", "F"):
        return _scaled(image, where, decoding).convert("RGB")
    # PIL warns when it converts a palette with transparency to RGB; the result through RGBA is the same.
    opaque = image.convert("RGBA") if "transparency" in image.info and image.mode == "P" else image
    return opaque.convert("RGB")


def _scaled(image: Image.Image, where: object, decoding: Decoding) -> Image.Image:
    """The 8-bit gray image of a 16-bit, 32-bit or float gray image."""
    values = np.asarray(image, dtype=np.float64)
    low, high = values.min(), values.max()
    if image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in _STRETCHED_TO_16_BITS):
        factor = 1 / 257
    elif not np.isfinite([low, high]).all():
        raise BadImageError(where, "contains values that are not finite", decoding.advice, "values that are not finite")
    elif low < 0 or high > 65535:
        values, factor = values - low, 255 / (high - low) if high > low else 0
    elif image.mode == "F" and high <= 1:
        factor = 255
    else:
        factor = 1 if high <= 255 else 1 / 257
    return Image.fromarray(np.floor(values * factor + 0.5).astype(np.uint8))


def image_suffixes() -> frozenset[str]:
    """Suffixes, in lower case, of the formats that the installed Pillow and its registered plug-ins can decode."""
    register_plug_ins()
    registered = Image.registered_extensions()
    return frozenset(suffix for suffix, name in registered.items() if _is_decoded(name))


def _is_decoded(name: str) -> bool:
    if name == "MPO":  # read as JPEG with more than one picture
        return True
    opener = Image.OPEN[name][0] if name in Image.OPEN else None
    stub = isinstance(opener, type) and issubclass(opener, ImageFile.StubImageFile)
    return opener is not None and not stub and name not in _NOT_DECODED


@cache
def register_plug_ins() -> None:
    """Register the installed plug-ins with Pillow."""
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    with suppress(ImportError):
        importlib.import_module("pillow_avif")  # registers itself


def needed_package(content: bytes) -> str | None:
    """The package that reads an image that Pillow cannot, by the brand in its first bytes."""
    if content[4:8] != b"ftyp":
        return None
    brand = content[8:12]
    if brand in _AVIF_BRANDS:
        return AVIF_PACKAGE
    return HEIF_PACKAGE if brand in _HEIF_BRANDS else None
