"""Own images in a webdataset: tar files whose members `KEY.jpg` and `KEY.cls` (or .txt, .json) belong together."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from PIL import Image

from datasets_registry._custom.listing import (
    IMAGE_SUFFIXES,
    PARTS,
    FoundImage,
    Listing,
    check_distinct,
    check_unicode,
    natural_sort_key,
)
from datasets_registry._errors import DataError
from datasets_registry._readers.decode import check_content, decode_image

LABEL_SUFFIXES = ("cls", "label", "txt", "json")
"""Members that may hold the label, the first that is there counts; JSON holds it under `label`, `class` or `cls`."""
CLASS_NAMES = ("classnames.txt", "classes.txt")
"""Files beside the tars that turn a label that is a number into words, one line a class."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a member's bytes lie: tars are not compressed, so any of them is one seek away."""

    offset: int
    size: int


class TarImages:
    """An `Images` source whose keys are `shard.tar!member`.

    Args:
        root: folder of the tar files.
        places: where each key's bytes lie.
    """

    def __init__(self, root: Path, places: dict[str, _Place]) -> None:
        self.root = root
        self._places = places

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError where it is gone or cannot be decoded."""
        return decode_image(self._read(key), f"{self.root}/{key}")

    def digest(self, key: str) -> str:
        """Hex SHA-256 of the member's bytes."""
        content = self._read(key)
        check_content(content, f"{self.root}/{key}")
        return hashlib.sha256(content).hexdigest()

    def _read(self, key: str) -> bytes:
        place = self._places.get(key)
        if place is None:
            raise DataError(f"No image {key!r} in the tar files of {self.root}. Add the dataset again if they changed.")
        shard = self.root / key.partition("!")[0]
        try:
            with shard.open("rb") as file:
                file.seek(place.offset)
                content = file.read(place.size)
        except OSError as error:
            raise DataError(f"Tar file {shard} cannot be read ({error}). Check that it is still there.") from error
        if len(content) != place.size:
            raise DataError(f"Tar file {shard} ends in the middle of {key!r}. Get that file again.")
        return content


def list_tars(root: Path) -> Listing:
    """All images in the tar files of a folder, or of the folders in it.

    The split is given where every tar lies in a folder, or has a name, that begins with train, val or test.

    Raises:
        DataError: there is no tar, one is compressed or damaged, an image has no label, or an image occurs twice.
    """
    shards = find_tars(root)
    if not shards:
        raise DataError(f"No .tar file in {root} or one folder below. Unpack .tar.gz files to .tar first.")
    words = _class_names(root)
    found: list[FoundImage] = []
    places: dict[str, _Place] = {}
    for shard in shards:
        name = check_unicode(shard.relative_to(root).as_posix(), f"Folder {root}")
        stat = shard.stat()
        for member, place, label in _samples(shard, stat.st_size, stat.st_mtime_ns):
            key = f"{name}!{member}"
            text = words[int(label)] if words and label.isdecimal() and int(label) < len(words) else label
            found.append(FoundImage(key, text, _part(name)))
            places[key] = place
    check_distinct((item.key for item in found), str(root))
    if not all(item.part for item in found):
        found = [FoundImage(item.key, item.label) for item in found]
    return Listing(TarImages(root, places), tuple(found))


def find_tars(root: Path) -> list[Path]:
    """The tar files of a folder and of the folders in it, in natural order."""
    return sorted((*root.glob("*.tar"), *root.glob("*/*.tar")), key=lambda path: natural_sort_key(str(path)))


@lru_cache(maxsize=4096)
def _samples(shard: Path, _size: int, _mtime_ns: int) -> tuple[tuple[str, _Place, str], ...]:
    """Image member, its place and its label, in tar order; remembered for as long as the file stays the same."""
    pictures: dict[str, tuple[str, _Place]] = {}
    labels: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(shard, mode="r:") as tar:
            for member in tar:
                if not member.isfile() or PurePosixPath(member.name).name.startswith("."):
                    continue
                stem, suffix = _stem_and_suffix(member.name)
                where = f"Tar file {shard}"
                if f".{suffix.rpartition('.')[2]}" in IMAGE_SUFFIXES:
                    if stem in pictures:
                        raise DataError(f"{where} has two images of the sample {stem!r}. Keep one image per sample.")
                    place = _Place(member.offset_data, member.size)
                    pictures[stem] = (check_unicode(member.name, where), place)
                elif suffix in LABEL_SUFFIXES:
                    content = tar.extractfile(member)
                    assert content is not None, "a regular file has content"
                    labels.setdefault(stem, {})[suffix] = content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"Tar file {shard} cannot be read ({error}). It is damaged or compressed; get it again or gunzip it."
        ) from error
    return tuple(
        (name, place, _label(labels.get(stem, {}), f"{shard}!{name}")) for stem, (name, place) in pictures.items()
    )


def _stem_and_suffix(member: str) -> tuple[str, str]:
    """Webdataset's rule: the key ends at the first dot of the file's own name."""
    folder, slash, name = member.rpartition("/")
    stem, _, suffix = name.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _label(contents: dict[str, bytes], where: str) -> str:
    suffix = next((suffix for suffix in LABEL_SUFFIXES if suffix in contents), None)
    try:
        text = contents[suffix].decode().strip() if suffix else ""
        if suffix == "json":
            fields = json.loads(text)
            text = str(next((fields[name] for name in ("label", "class", "cls") if name in fields), ""))
    except (UnicodeDecodeError, json.JSONDecodeError, TypeError) as error:
        raise DataError(f"The label beside {where} cannot be read ({error}). Write it as UTF-8 text.") from error
    if not text:
        raise DataError(
            f"Image {where} has no label. Put a member of the same name with one of the endings "
            f"{', '.join(LABEL_SUFFIXES)} beside it."
        )
    return text


def _class_names(root: Path) -> list[str]:
    for name in CLASS_NAMES:
        if (root / name).is_file():
            return [line.strip() for line in (root / name).read_text(encoding="utf-8").splitlines() if line.strip()]
    return []


def _part(name: str) -> str | None:
    """The part a tar belongs to by its folder or by how its name begins, as in `train-000001.tar`."""
    beginnings = [piece.lower() for piece in name.split("/")]
    for word in sorted(PARTS, key=len, reverse=True):
        for text in beginnings:
            if text.startswith(word) and not text[len(word) : len(word) + 1].isalpha():
                return PARTS[word]
    return None
