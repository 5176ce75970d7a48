"""Image formats that Pillow reads with a plug-in package: HEIF, and AVIF if Pillow was built without it."""

import importlib
from contextlib import suppress
from functools import cache

HEIF_PACKAGE = "pillow-heif"
AVIF_PACKAGE = "pillow-avif-plugin"
PACKAGE_OF_SUFFIX = {".heic": HEIF_PACKAGE, ".heif": HEIF_PACKAGE, ".hif": HEIF_PACKAGE, ".avif": AVIF_PACKAGE}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


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
