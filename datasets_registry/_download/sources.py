"""Sources and target paths of the files of published datasets, from `data/sources.json`.

Addresses and checksums come from the datasets' own pages, torchvision 0.28, tensorflow/datasets and CoOp's DATASETS.md;
those of mirrors from PromptKD's and BiomedCoOp's DATASETS.md and from commit pages of their repositories on Hugging
Face. For a file without a published checksum, the content is checked instead.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from datasets_registry._types import DatasetInfo

_DRIVE = "drive:"


class SourceFile(BaseModel):
    """One file to fetch, with its name at the source.

    Attributes:
        urls: mirrors in order; `drive:ID` is a file on Google Drive.
        checksum: `md5:...` or `sha256:...`, if published.
        size: size in bytes, if known.
        to: path below the dataset's folder, for a file that is not an archive.
        unpack: for an archive, maps its paths to paths below the dataset's folder. A final slash means a folder, and an
            empty path everything; other members are skipped.
        inner: for an archive of archives, the same mapping for each inner archive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    urls: tuple[str, ...] = Field(min_length=1)
    checksum: str | None = Field(default=None, pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    size: int | None = None
    to: str | None = None
    unpack: Mapping[str, str] | None = None
    inner: Mapping[str, Mapping[str, str]] = {}

    def addresses(self) -> list[str]:
        """The mirrors as plain URLs."""
        addresses: list[str] = []
        for url in self.urls:
            if url.startswith(_DRIVE):
                number = url.removeprefix(_DRIVE)
                # the first also works for files too large for Google's virus scan; the second is documented
                addresses.append(f"https://drive.usercontent.google.com/download?id={number}&export=download&confirm=t")
                addresses.append(f"https://drive.google.com/uc?export=download&id={number}")
            else:
                addresses.append(url)
        return addresses

    def page(self) -> str:
        """The address to open in a browser."""
        first = self.urls[0]
        return f"https://drive.google.com/file/d/{first.removeprefix(_DRIVE)}" if first.startswith(_DRIVE) else first


class DatasetSource(BaseModel):
    """The files of one dataset in CoOp's layout.

    Attributes:
        folder: the dataset's folder, below the data folder.
        images: the image folder below `folder`; empty if it is `folder` itself.
        by_hand: instructions for files that cannot be fetched; `{folder}` is replaced by the dataset's folder.
        mirror: an archive of someone else's copy of the images, whose publisher's checksum is not known. With a
            checksum of the archive it is used; without, it is unverified, and used only on request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    images: str
    files: tuple[SourceFile, ...]
    by_hand: str | None = None
    mirror: SourceFile | None = None

    @property
    def fetch_options(self) -> tuple[str, ...]:
        """Options of `datasets fetch` without which it would leave images to get by hand that a mirror has.

        Example:
            >>> [dataset_sources()[name].fetch_options for name in ("stanford_cars", "sun397", "imagenet")]
            [('--unverified-mirrors',), (), ()]
        """
        only_copy = self.by_hand is not None and self.mirror is not None and not self.mirror.checksum
        return ("--unverified-mirrors",) if only_copy else ()

    def image_folder(self, data_root: Path) -> Path:
        """The folder of the images."""
        return data_root / self.folder / self.images


@cache
def dataset_sources() -> dict[str, DatasetSource]:
    """The sources of all published datasets, by name."""
    path = resources.files("datasets_registry") / "data" / "sources.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: DatasetSource.model_validate(entry) for name, entry in content.items()}


def way_to_get(info: DatasetInfo) -> str:
    """How a user gets a dataset: `built in`, `your own`, `fetch`, or `by hand`, which `datasets fetch` describes.

    Empty for a published dataset of another package.

    Example:
        >>> from datasets_registry import get_dataset
        >>> [way_to_get(get_dataset(name)) for name in ("spectrum_basic", "eurosat", "imagenet")]
        ['built in', 'fetch', 'by hand']
    """
    if info.synthetic:
        return "built in"
    if info.own_images or info.backbone is not None:
        return "your own"
    source = dataset_sources().get(info.name)
    if source is None:
        return ""
    verified = source.mirror is not None and source.mirror.checksum is not None
    return "by hand" if source.by_hand and not verified else "fetch"
