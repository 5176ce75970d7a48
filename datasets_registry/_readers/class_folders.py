"""Datasets with one folder of images per class; parts come from folders, published lists, or a hash."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets_registry._errors import DataError, some
from datasets_registry._readers.files import ImageFiles
from datasets_registry._readers.held_out import split_by_hash
from datasets_registry._readers.image_suffixes import by_suffix
from datasets_registry._readers.layouts import ImageFolders, class_folders, image_names, require_images
from datasets_registry._types import PARTS, DatasetSplits, Sample


@dataclass(frozen=True)
class ClassFolderReader:
    """Reads one folder of images per class.

    A class folder has the class's name; case, spaces and punctuation are ignored (`BareLand`, `bare_land`). Without
    `part_folders` and `lists`, 50, 20 and 30 % of each class are train, val and test by a hash of the file names.

    Args:
        class_names: in label order.
        images_url: source of the images, for messages.
        part_folders: the folder of each part, if the images are sorted by part; their class folders, sorted by name,
            are then the labels, whatever their names.
        lists: a text file for each part, beside the image folder, with one file name per line.
    """

    image_folders: ImageFolders
    class_names: Sequence[str]
    images_url: str
    part_folders: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, data_root: Path | None) -> DatasetSplits:
        """The splits on disk.

        Raises DataError if a folder, list or listed image is missing, or if a class folder is missing or unknown.
        """
        root, folder, layout = require_images(
            self.image_folders, data_root, f" Get the images from {self.images_url} and unpack them there."
        )
        others: list[str] = []
        if self.part_folders:
            train, val, test = (self._read_part(folder, self.part_folders[part], others) for part in PARTS)
        else:
            samples = self._read(folder, self._by_name(folder), "", others)
            train, val, test = (
                self._by_lists(root, folder, samples) if self.lists else split_by_hash(samples, self._dataset)
            )
        return DatasetSplits(
            ImageFiles(folder), tuple(self.class_names), train, val, test, layout, by_suffix(sorted(others))
        )

    @property
    def _dataset(self) -> str:
        return self.image_folders.dataset

    def _read_part(self, folder: Path, part: str, others: list[str]) -> tuple[Sample, ...]:
        if not (folder / part).is_dir():
            raise DataError(f"No folder {folder / part} of dataset {self._dataset!r}. Unpack {self.images_url} again.")
        found = class_folders(folder / part)
        if len(found) != len(self.class_names):
            raise DataError(
                f"{folder / part} has {len(found)} class folders, but dataset {self._dataset!r} has "
                f"{len(self.class_names)} classes. Unpack {self.images_url} again."
            )
        return self._read(folder, found, f"{part}/", others)

    def _by_name(self, folder: Path) -> list[str]:
        """The class folders in label order."""
        found = {_plain(name): name for name in class_folders(folder)}
        wanted = [_plain(name) for name in self.class_names]
        missing = [name for name, plain in zip(self.class_names, wanted, strict=True) if plain not in found]
        unknown = [name for plain, name in found.items() if plain not in wanted]
        if missing or unknown:
            parts = [f"no folder for {some(list(map(repr, missing)))}"] if missing else []
            parts += [f"unknown folders {some(list(map(repr, unknown)))}"] if unknown else []
            raise DataError(
                f"{folder} must contain one folder for each of the {len(wanted)} classes of {self._dataset!r}, but has "
                f"{' and '.join(parts)}. Unpack {self.images_url} again, or move other folders away."
            )
        return [found[plain] for plain in wanted]

    def _read(self, folder: Path, names: Sequence[str], stem: str, others: list[str]) -> tuple[Sample, ...]:
        samples: list[Sample] = []
        for label, name in enumerate(names):
            images, more = image_names(folder / stem / name)
            samples += [Sample(f"{stem}{name}/{image}", label) for image in images]
            others += [f"{stem}{name}/{other}" for other in more]
        return tuple(samples)

    def _by_lists(self, root: Path, folder: Path, samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], ...]:
        by_name = {sample.key.rpartition("/")[2]: sample for sample in samples}
        places = [*self.image_folders.dataset_folders(root), folder, root]
        parts = []
        for part in PARTS:
            path = next((place / self.lists[part] for place in places if (place / self.lists[part]).is_file()), None)
            if path is None:
                raise DataError(
                    f"No list {self.lists[part]} of dataset {self._dataset!r} in {places[0]}. It decides which images "
                    f"are {part}. Get it with `etl-bench datasets fetch {self._dataset} --splits-only`."
                )
            wanted = path.read_text(encoding="utf-8").split()
            if absent := [name for name in wanted if name not in by_name]:
                raise DataError(
                    f"{len(absent)} of the {len(wanted)} images that {path} lists are not below {folder}, for example "
                    f"{absent[0]}. Unpack {self.images_url} again."
                )
            parts.append(tuple(by_name[name] for name in wanted))
        return tuple(parts)


def _plain(name: str) -> str:
    """A name in lower case without anything but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
