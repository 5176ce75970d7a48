"""The formats of images that are read, their suffixes, and the plug-ins of Pillow that some of them need."""

import importlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

from PIL import features

IMAGE_FORMATS: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"),
}
"""The formats that are read, by Pillow's names, each with its suffixes. Pillow calls some JPEG files MPO."""
_MODULES = ("Jpeg", "Png", "WebP", "Gif", "Tiff", "Bmp", "Ppm", "Jpeg2K", "Avif")
HEIF_PACKAGE = "pillow-heif"
AVIF_PACKAGE = "pillow-avif-plugin"
PACKAGE_OF_SUFFIX = dict.fromkeys(IMAGE_FORMATS["HEIF"], HEIF_PACKAGE) | dict.fromkeys(
    IMAGE_FORMATS["AVIF"], AVIF_PACKAGE
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def image_suffixes() -> frozenset[str]:
    """Suffixes, in lower case, of the formats that can be decoded here."""
    return frozenset(suffix for suffixes in readable_formats().values() for suffix in suffixes)


@cache
def readable_formats() -> Mapping[str, tuple[str, ...]]:
    """The formats whose decoders are installed, with their suffixes."""
    installed = set()
    for name in _MODULES:
        with suppress(ImportError):
            module = importlib.import_module(f"PIL.{name}ImagePlugin")
            if getattr(module, "SUPPORTED", True):
                installed.add(name.upper())
    if not features.check_codec("jpg_2000"):
        installed.discard("JPEG2K")
    installed = {"JPEG2000" if name == "JPEG2K" else name for name in installed} | register_plug_ins()
    return {name: suffixes for name, suffixes in IMAGE_FORMATS.items() if name in installed}


@cache
def register_plug_ins() -> frozenset[str]:
    """Register the installed plug-ins with Pillow; returns the formats that they add."""
    added = set()
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
        added.add("HEIF")
    with suppress(ImportError):
        importlib.import_module("pillow_avif")  # registers itself
        added.add("AVIF")
    return frozenset(added)


def needed_package(content: bytes) -> str | None:
    """The package that reads an image that Pillow cannot, by the brand in its first bytes."""
    if content[4:8] != b"ftyp":
        return None
    brand = content[8:12]
    if brand in _AVIF_BRANDS:
        return AVIF_PACKAGE
    return HEIF_PACKAGE if brand in _HEIF_BRANDS else None
