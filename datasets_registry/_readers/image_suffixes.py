"""Recognises images by their suffix, and describes the files that are left out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from PIL import Image, ImageFile

from datasets_registry._readers.plug_ins import PACKAGE_OF_SUFFIX, register_plug_ins

LeftOut = Mapping[str, tuple[str, ...]]
"""Files and folders that a dataset does not use, by their kind in messages, such as `.heic files`."""
LEFT_OUT_ADVICE = "Convert images among them to PNG or JPEG, and put every image into the folder of its class."
_NOT_DECODED = ("EPS", "MPEG")
"""Pillow needs another program for the first, and reads only the size of the second."""


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


def left_out_advice(left_out: LeftOut) -> str:
    """What to do about left-out files, with the packages that read known suffixes.

    Example:
        >>> left_out_advice({".heic files": ("a/1.heic",)})[:61]
        'Run `pip install pillow-heif` to read the .heic files. Conver'
    """
    packages = {f"{suffix} files": (suffix, package) for suffix, package in PACKAGE_OF_SUFFIX.items()}
    found = [packages[kind] for kind in left_out if kind in packages]
    return "".join(f"Run `pip install {name}` to read the {end} files. " for end, name in found) + LEFT_OUT_ADVICE


def by_suffix(paths: Iterable[str]) -> LeftOut:
    """Paths grouped by suffix."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        suffix = PurePosixPath(path).suffix.lower()
        groups[f"{suffix} files" if suffix else "files without suffix"].append(path)
    return {kind: tuple(groups[kind]) for kind in sorted(groups)}


def describe_left_out(left_out: LeftOut, most: int = 3) -> str:
    """Number and first names of left-out files, by kind.

    Example:
        >>> describe_left_out({".heic files": ("a/1.heic", "a/2.heic"), ".txt files": ("b/x.txt",)}, most=1)
        '2 .heic files (a/1.heic and 1 more), 1 .txt file (b/x.txt)'
    """
    texts = []
    for kind, paths in left_out.items():
        more = f" and {len(paths) - most} more" if len(paths) > most else ""
        what = re.sub(r"\b(file|folder|image)s\b", r"\1", kind, count=1) if len(paths) == 1 else kind
        texts.append(f"{len(paths)} {what} ({', '.join(paths[:most])}{more})")
    return ", ".join(texts)
