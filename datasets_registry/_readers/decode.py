"""The one door for images: opens and decodes them within limits, with errors that name the problem of the file.

No other module opens an image. Only the formats of `IMAGE_FORMATS` are read; none of them runs a program.
"""

import hashlib
import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from datasets_registry._errors import DataError
from datasets_registry._limits import (
    LARGE_PIXELS,
    LARGEST_IMAGE,
    MOST_PIXELS,
    MOST_PLAIN_PIXELS,
    MOST_SCANNED_PIXELS,
    MOST_SLOW_PIXELS,
    MOST_TILES,
)
from datasets_registry._readers.foreign_files import regular_file, size_text
from datasets_registry._readers.image_formats import needed_package, readable_formats

_SLOW = ("JPEG2000", "AVIF", "HEIF")
_PLAIN = (b"P1", b"P2", b"P3")
"""First bytes of PPM files with numbers as text."""
_POSTSCRIPT = (b"%!", b"\xc5\xd0\xd3\xc6")
_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
"""First bytes of TIFF and BigTIFF files, and their byte order."""
LFS_POINTER = b"version https://git-lfs"
"""First bytes of a Git LFS pointer, the placeholder of a file in large file storage."""
SCALING_RULE = "scaled to 8 bits, rule 1"
"""Identifies the rule of `decode_image` for more than 8 bits; part of the digest of every image that it changes."""
ORIENTATION_RULE = "turned by EXIF orientation, rule 1"
"""Identifies the rule of `Decoding.orient`; part of the digest of every image that it turns."""
ARCHIVE_ADVICE = "Unpack it again from the dataset's archive, or replace it"
OWN_ADVICE = "Replace or remove it, or repeat `etl-bench datasets add` with --skip-broken to leave out every bad file"
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
_JPEG = b"\xff\xd8"
_DAMAGE = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, struct.error,
)  # fmt: skip
"""What Pillow raises for damaged metadata and damaged further frames of a readable image."""


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
    """Facts of an image.

    Args:
        size: width and height as it is decoded.
        turned: whether an EXIF orientation turns it.
        more_frames: whether it has further frames or pages; the first is read.
        more_bands: whether it has bands beyond its colours and transparency; they are not read.
        remarks: Pillow's warnings, if `keep_warnings` is active.
    """

    size: tuple[int, int]
    turned: bool
    more_frames: bool = False
    more_bands: bool = False
    remarks: tuple[str, ...] = ()


def decode_image(content: bytes, where: object, decoding: Decoding = PUBLISHED) -> Image.Image:
    """The image as RGB, as PIL decodes it; EXIF orientation is applied only with `decoding.orient`.

    Gray values of more than 8 bits are scaled to 0..255 and rounded, because PIL's own conversion clips them at 255:

    - 16-bit integers (mode `I;16`, and `I` of PNG and PGM files) are divided by 257.
    - Other 32-bit integers (`I`) and floats (`F`) have no standard range, so it is inferred from the image's values:
      values in 0..1 (floats only) are multiplied by 255, values in 0..255 are kept, values in 0..65535 are divided by
      257. Any other values are stretched: the image's smallest becomes 0 and its largest 255.

    16-bit colour images need no rule: PIL itself reads their high bytes as 8-bit images.

    Raises BadImageError, naming `where` and a remedy, for empty content, a Git LFS pointer, anything but an image of
    `IMAGE_FORMATS`, an image beyond the limits, and floats that are not finite.
    """
    return decode_with_facts(content, where, decoding)[0]


def examine_image(content: bytes, where: object, decoding: Decoding = PUBLISHED) -> ImageFacts:
    """The facts of an image; raises BadImageError if `decode_image` cannot decode it.

    All of the data is read, so truncated files are found. A JPEG is decoded at an eighth of its size, which takes half
    the time or less.
    """
    return decode_with_facts(content, where, decoding, pixels=False)[1]


def decode_with_facts(
    content: bytes, where: object, decoding: Decoding = PUBLISHED, *, pixels: bool = True
) -> tuple[Image.Image, ImageFacts]:
    """The image as `decode_image` gives it, and its facts. Without `pixels`, only the facts are of use."""
    check_content(content, where, decoding)
    try:
        with _remarks() as remarks, _opened(content) as image:
            if problem := _beyond_limits(image, content):
                raise BadImageError(where, problem, _SMALLER, "too large")
            with _one_at_a_time if image.width * image.height > LARGE_PIXELS else nullcontext():
                turn = _turn(image) if decoding.orient else None
                width, height = image.size
                swapped = turn is not None and turn not in (_TURNS[2], _TURNS[3], _TURNS[4])
                size = (height, width) if swapped else (width, height)
                if not pixels and image.format in ("JPEG", "MPO"):
                    image.draft("L", (1, 1))
                    image.load()
                    return image, ImageFacts(size, turn is not None, remarks=tuple(remarks))
                rgb = _to_rgb(image, where, decoding)
                rgb = rgb if turn is None else rgb.transpose(turn)
                more = _has_more_frames(image), _has_more_bands(image)
                return rgb, ImageFacts(size, turn is not None, *more, tuple(remarks))
    except BadImageError:
        raise
    except Exception as error:  # decoders raise errors of nearly every kind for damaged files
        raise _undecodable(content, where, decoding, error) from error


@contextmanager
def _opened(source: bytes | Path) -> Iterator[Image.Image]:
    """The image of encoded bytes or of a regular file; only its header is read. The one place that opens an image."""
    with io.BytesIO(source) if isinstance(source, bytes) else regular_file(source).open("rb") as file:
        if _number_of_tiles(file) > MOST_TILES:
            raise ValueError(f"it has more than {MOST_TILES} tiles")
        file.seek(0)
        with Image.open(file, formats=tuple(readable_formats())) as image:
            yield image


_SMALLER = "Make it smaller, or cut it into parts"
_one_at_a_time = threading.Lock()


def _beyond_limits(image: Image.Image, content: bytes) -> str | None:
    """Why an opened image is not decoded, or None."""
    n, kind = image.width * image.height, image.format
    if n > MOST_PIXELS:
        return _too_many_pixels(MOST_PIXELS)
    if kind in _SLOW and n > MOST_SLOW_PIXELS:
        return f"{_too_many_pixels(MOST_SLOW_PIXELS)} in the format {kind}"
    if content.startswith(_PLAIN) and n > MOST_PLAIN_PIXELS:
        return f"{_too_many_pixels(MOST_PLAIN_PIXELS)}, stored as text"
    if kind in ("JPEG", "MPO") and n * (passes := content.count(b"\xff\xda")) > MOST_SCANNED_PIXELS:
        return f"stores its {n:,} pixels in {passes:,} passes, which take too long to decode"
    return None


def _too_many_pixels(most: int) -> str:
    return f"has more than {most:,} pixels"


def _number_of_tiles(file: BinaryIO) -> int:
    """The number of strips or tiles that the first directory of a TIFF states; 0 for any other content."""
    order = _TIFF.get(file.read(4))
    if order is None:
        return 0
    file.seek(2)
    large = struct.unpack(f"{order}H", file.read(2))[0] == 43
    offset, number, entry = ("Q", "Q", "HHQQ") if large else ("I", "H", "HHII")
    try:
        file.seek(8 if large else 4)
        file.seek(*_values(order + offset, file))
        (entries,) = _values(order + number, file)
        tags = (_values(order + entry, file) for _ in range(min(entries, 2**16)))
        return max((count for tag, _, count, _ in tags if tag in (273, 324)), default=0)
    except (struct.error, OSError, OverflowError, ValueError):
        return 0  # a damaged file, which Pillow refuses


def _values(form: str, file: BinaryIO) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _has_more_frames(image: Image.Image) -> bool:
    """Whether an image has further frames; the second picture of a camera's JPEG is not one."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except _DAMAGE:  # of the second frame
        return True


def _has_more_bands(image: Image.Image) -> bool:
    """Whether a TIFF has bands beyond its colours and transparency."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2  # type: ignore[attr-defined]
    colours = {2: 3, 5: 4, 6: 3, 8: 3}.get(tags.get(262), 1)
    extra = tags.get(277, 1) - colours
    transparency = bool(set(tags.get(338, ())[:1]) & {1, 2})
    return bool(extra - transparency > 0)


class _Current(threading.local):
    """Pillow's warnings about the image that this thread decodes; None between images."""

    remarks: list[str] | None = None


_current = _Current()


@contextmanager
def _remarks() -> Iterator[list[str]]:
    remarks: list[str] = []
    _current.remarks = remarks
    try:
        yield remarks
    finally:
        _current.remarks = None


@contextmanager
def keep_warnings() -> Iterator[None]:
    """While it is active, Pillow's warnings go to the facts of their image, in every thread, and are not shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", module=r"PIL\.|pillow_")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        show = warnings.showwarning

        def keep(message: Warning | str, category: type[Warning], *place: object) -> None:
            if _current.remarks is None:
                show(message, category, *place)  # type: ignore[arg-type]
            else:
                _current.remarks.append(" ".join(str(message).split()))

        warnings.showwarning = keep  # type: ignore[assignment]
        yield


def _undecodable(content: bytes, where: object, decoding: Decoding, error: Exception) -> BadImageError:
    # Pillow's message for an unknown format contains only a buffer address, which differs in every run
    unknown = isinstance(error, UnidentifiedImageError)
    if unknown and (package := needed_package(content)):
        how = f"Run `pip install {package}`, or convert it to JPEG or PNG"
        return BadImageError(where, f"needs the package {package}", how, f"needs `pip install {package}`")
    if unknown and content[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        why = "is a web page, not an image, as a failed download leaves it"
        return BadImageError(where, why, decoding.advice, "web page")
    if content.startswith(_POSTSCRIPT):
        why = "is PostScript, a program, which is not run"
        return BadImageError(where, why, "Convert it to PNG", "PostScript")
    if unknown and content[:4] in _TIFF:
        why = "is a TIFF whose bands or bits cannot be read"
        return BadImageError(where, why, "Convert it to 8 bits with one or three bands", "TIFF that cannot be read")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return BadImageError(where, _too_many_pixels(MOST_PIXELS), _SMALLER, "too large")
    if isinstance(error, MemoryError):
        return BadImageError(where, "needs more memory than there is", _SMALLER, "too large")
    if unknown:
        formats = ", ".join(readable_formats())
        why = f"cannot be decoded (of no known format: {formats}): it is damaged or not an image"
        return BadImageError(where, why, decoding.advice, "not an image, or damaged")
    kind = "truncated" if "truncated" in str(error) else "damaged"
    why = f"is {kind} ({' '.join(str(error).split()) or type(error).__name__})"
    return BadImageError(where, why, decoding.advice, kind)


def content_digest(content: bytes) -> str:
    """Hex SHA-256 of the bytes of an image file, and of `SCALING_RULE` if decoding applies it."""
    sha = hashlib.sha256(content)
    if not content.startswith(_JPEG) and is_scaled(content):
        sha.update(SCALING_RULE.encode())
    return sha.hexdigest()


def is_scaled(source: bytes | Path) -> bool:
    """Whether `decode_image` scales the values of an image. Reads its header only; False for anything but an image."""
    with suppress(Exception), _opened(source) as image:
        return image.mode in (*_SIXTEEN_BITS, "I", "F")
    return False


def is_turned(source: bytes | Path) -> bool:
    """Whether `Decoding.orient` turns an image. Reads its header only; False for anything but an image."""
    with suppress(Exception), _opened(source) as image:
        return _turn(image) is not None
    return False


def is_image(source: bytes | Path) -> bool:
    """Whether the first bytes are those of an image that can be read, whatever the name of its file."""
    with suppress(Exception), _opened(source):
        return True
    return False


def check_content(content: bytes, where: object, decoding: Decoding = PUBLISHED) -> None:
    """Raises BadImageError for empty or too large content, and for a Git LFS pointer."""
    check_image_size(len(content), where)
    if not content:
        raise BadImageError(where, "has zero bytes", decoding.advice, "zero bytes")
    if content.startswith(LFS_POINTER):
        how = "Run `git lfs pull` where it came from, or use the dataset's own archive"
        raise BadImageError(where, "is a Git LFS pointer, not the image itself", how, "Git LFS pointer")


def check_image_size(size: int, where: object, most: int = LARGEST_IMAGE) -> None:
    """Raises BadImageError for an encoded image of more bytes than are read."""
    if size > most:
        problem = f"has {size_text(size)}, more than the {size_text(most)} that are read"
        raise BadImageError(where, problem, _SMALLER, "too large")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The operation that turns an opened image upright, or None. Pillow itself turns TIFF files."""
    if image.format == "TIFF":
        return None
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DAMAGE:  # of the metadata
        return None


def _to_rgb(image: Image.Image, where: object, decoding: Decoding) -> Image.Image:
    if image.mode in (*_SIXTEEN_BITS, "I", "F"):
        return _scaled(image, where, decoding).convert("RGB")
    # PIL warns when it converts a palette with transparency to RGB; the result through RGBA is the same.
    opaque = image.convert("RGBA") if "transparency" in image.info and image.mode == "P" else image
    return opaque.convert("RGB")


def _scaled(image: Image.Image, where: object, decoding: Decoding) -> Image.Image:
    """The 8-bit gray image of a 16-bit, 32-bit or float gray image."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    start = 0.0
    if image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in _STRETCHED_TO_16_BITS):
        factor = 1 / 257
    elif not np.isfinite([low, high]).all():
        raise BadImageError(where, "contains values that are not finite", decoding.advice, "values that are not finite")
    elif low < 0 or high > 65535:
        start, factor = low, 255 / (high - low) if high > low else 0
    elif image.mode == "F" and high <= 1:
        factor = 255
    else:
        factor = 1 if high <= 255 else 1 / 257
    scaled = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), 64):  # some rows at a time, as 64-bit numbers take eight times the memory
        some = values[row : row + 64].astype(np.float64)
        scaled[row : row + 64] = np.floor((some - start) * factor + 0.5)
    return Image.fromarray(scaled)
