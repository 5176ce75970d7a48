"""Accepts an archive of someone else's copy of the images if it has every image of the published split file.

The publisher of the images did not check such a copy, and the layout of the archive is not known. The images that the
split file lists are found by their names and put into CoOp's layout; everything else in the archive is dropped.
"""

import hashlib
import json
import shutil
from pathlib import Path

from datasets_registry._download.download import has_checksum
from datasets_registry._download.sources import DatasetSource, SourceFile
from datasets_registry._errors import DataError, some
from datasets_registry._readers.coop_split import CoopReader, read_coop_split
from datasets_registry._readers.dataset_files import find_by_name
from datasets_registry._readers.foreign_files import read_json
from datasets_registry._types import DatasetInfo

ORIGIN = "origin-of-images.json"
"""The file in a dataset's folder that says that its images are from a mirror."""


def usable_mirror(source: DatasetSource, *, unverified: bool) -> SourceFile | None:
    """The archive of someone else's copy of the images, if it has a checksum or may be `unverified`."""
    mirror = source.mirror
    return mirror if mirror and (mirror.checksum or unverified) else None


def origin_of_images(source: DatasetSource, data_root: Path) -> dict[str, str] | None:
    """What was recorded when the images came from a mirror: `origin`, `url` and `sha256` of the archive; else None."""
    path = data_root / source.folder / ORIGIN
    if source.mirror is None or not path.is_file():
        return None
    try:
        origin = read_json(path)
        return {key: str(origin[key]) for key in ("origin", "url", "sha256")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({error}). Remove it, or fetch the dataset with --again.") from error


def check_counts(name: str, path: Path, info: DatasetInfo) -> None:
    """Raises DataError unless the split file lists as many images as the published one."""
    counts = read_coop_split(path).counts
    if info.expected and counts != dict(info.expected):
        raise DataError(f"{name} lists {counts}, but the published one lists {dict(info.expected)}")


def check_split(info: DatasetInfo, source: DatasetSource, folder: Path) -> None:
    """Raises DataError unless the split file in the dataset's folder is the published one, as far as that is known."""
    published = next(file for file in source.files if file.to == info.split_file)
    path = folder / str(info.split_file)
    check_counts(path.name, path, info)
    if not has_checksum(path, published.checksum):
        raise DataError(
            f"{path} is not the published split file, so images from a mirror cannot be checked against it. Run "
            f"`etl-bench datasets fetch {info.name} --splits-only --again`."
        )


def accept_images(
    archive: Path, unpacked: Path, file: SourceFile, info: DatasetInfo, images: str, split_path: Path
) -> None:
    """Leave in `unpacked` the images of the split file, in CoOp's layout, and a file that states their origin.

    Args:
        images: the image folder below the dataset's folder.

    Raises DataError if an image is missing, or if the archive has another split file.
    """
    assert isinstance(info.reader, CoopReader), "datasets with a mirror have a split file"
    split = read_coop_split(split_path)
    keys = split.keys
    for other in unpacked.rglob(split_path.name):
        if read_coop_split(other, split.images) != split:
            raise DataError(f"{file.name} contains another {split_path.name} than the published one")
    places = find_by_name(unpacked, keys, info.reader.folder_aliases)
    if places is None:
        names = {path.name for path in unpacked.rglob("*")}
        absent = [key for key in keys if key.rpartition("/")[2] not in names]
        what = f"lacks {len(absent)} of" if absent else "does not have exactly one file for each of"
        example = f", for example {some(absent)}" if absent else ""
        raise DataError(f"{file.name} {what} the {len(keys)} images that {split_path.name} lists{example}")
    accepted = unpacked.with_name(f"{unpacked.name}.accepted")
    shutil.rmtree(accepted, ignore_errors=True)
    for key, place in places.items():
        target = accepted / images / key
        target.parent.mkdir(parents=True, exist_ok=True)
        (unpacked / place).replace(target)
    with archive.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    origin = {"origin": "mirror" if file.checksum else "unverified mirror", "url": file.urls[0], "sha256": digest}
    (accepted / ORIGIN).write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(unpacked)
    accepted.replace(unpacked)
