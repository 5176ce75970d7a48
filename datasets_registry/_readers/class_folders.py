"""Datasets with one folder of images per class: with parts by folders, published lists or a hash, and test-only ones.

ImageNet and its variants have `classnames.txt` and no split file. CoOp sorts the class folders but lists the files of a
folder in file-system order, so its few-shot images differ between machines. Here file names are sorted, and the draw
over that list is called `coop-sorted`.

A label is the position of a folder among the existing ones, so the 200 folders of ImageNet-A form a 200-way problem.
Two of the 1,000 names occur twice ("missile" and "sunglasses"). They are kept: their texts are equal, so the first
label is predicted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets_registry._draws.held_out import hold_out_validation, split_by_hash
from datasets_registry._errors import DataError, some
from datasets_registry._readers.dataset_files import (
    ImageFolders,
    class_folders,
    group_by_suffix,
    image_names,
    normalised_name,
    require_images,
)
from datasets_registry._readers.image_sources import ImageFiles
from datasets_registry._types import PARTS, DatasetSplits, Sample

CLASSNAMES = "classnames.txt"
CLASSNAMES_URL = "https://drive.google.com/file/d/1-61f_ol79pViBFDG_IDlUQSwoLcn2XXF"
IMAGENET_FOLDER = "imagenet"


@dataclass(frozen=True)
class ClassFolderReader:
    """Reads one folder of images per class.

    A class folder has the class's name; case, spaces and punctuation are ignored (`BareLand`, `bare_land`). Without
    `part_folders` and `lists`, 50, 20 and 30 % of each class are train, val and test by a hash of the file names.

    Args:
        class_names: in label order.
        images_url: source of the images, for messages.
        part_folders: the folder of each part, if the images are sorted by part; their class folders, sorted by name,
            are then the labels, whatever their names. Without one for val, `held_out` training images of each class
            are val.
        folder_names: the folders of classes whose folder has another name.
        lists: a text file for each part, beside the image folder, with one file name per line.
    """

    image_folders: ImageFolders
    class_names: Sequence[str]
    images_url: str
    part_folders: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    folder_names: Mapping[str, str] = field(default_factory=dict)
    held_out: int = 0

    def __call__(self, data_root: Path | None) -> DatasetSplits:
        """The splits on disk.

        Raises DataError if a folder, list or listed image is missing, or if a class folder is missing or unknown.
        """
        root, folder, layout = require_images(
            self.image_folders, data_root, f" Get the images from {self.images_url} and unpack them there."
        )
        if self.part_folders:
            samples_by_part = {
                part: samples_of_folders(folder, name, self._sorted_folders(folder / name))
                for part, name in self.part_folders.items()
            }
            train, test = samples_by_part["train"][0], samples_by_part["test"][0]
            if "val" in samples_by_part:
                val = samples_by_part["val"][0]
            else:
                train, val = hold_out_validation(train, self._dataset, self.held_out)
            other_files = [path for _, left_out in samples_by_part.values() for path in left_out]
        else:
            samples, other_files = samples_of_folders(folder, "", self._named_folders(folder))
            train, val, test = (
                self._by_lists(root, folder, samples) if self.lists else split_by_hash(samples, self._dataset)
            )
        return DatasetSplits(
            ImageFiles(folder), tuple(self.class_names), train, val, test, layout, group_by_suffix(sorted(other_files))
        )

    @property
    def _dataset(self) -> str:
        return self.image_folders.dataset

    def _sorted_folders(self, folder: Path) -> list[str]:
        """The class folders of a part, in label order."""
        if not folder.is_dir():
            raise DataError(f"No folder {folder} of dataset {self._dataset!r}. Unpack {self.images_url} again.")
        folders = class_folders(folder)
        if len(folders) != len(self.class_names):
            raise DataError(
                f"{folder} has {len(folders)} class folders, but dataset {self._dataset!r} has {len(self.class_names)} "
                f"classes. Unpack {self.images_url} again."
            )
        return folders

    def _named_folders(self, folder: Path) -> list[str]:
        """The class folders that have the classes' names, in label order."""
        folder_of = {normalised_name(name): name for name in class_folders(folder)}
        plain_names = [normalised_name(self.folder_names.get(name, name)) for name in self.class_names]
        missing = [name for name, plain in zip(self.class_names, plain_names, strict=True) if plain not in folder_of]
        unknown = [name for plain, name in folder_of.items() if plain not in plain_names]
        if missing or unknown:
            parts = [f"no folder for {some(list(map(repr, missing)))}"] if missing else []
            parts += [f"unknown folders {some(list(map(repr, unknown)))}"] if unknown else []
            raise DataError(
                f"{folder} must contain one folder for each of the {len(plain_names)} classes of {self._dataset!r}, "
                f"but has {' and '.join(parts)}. Unpack {self.images_url} again, or move other folders away."
            )
        return [folder_of[plain] for plain in plain_names]

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
            listed = path.read_text(encoding="utf-8").split()
            if absent := [name for name in listed if name not in by_name]:
                raise DataError(
                    f"{len(absent)} of the {len(listed)} images that {path} lists are not below {folder}, for example "
                    f"{absent[0]}. Unpack {self.images_url} again."
                )
            parts.append(tuple(by_name[name] for name in listed))
        return tuple(parts)


def read_imagenet_variant(
    image_folders: ImageFolders, data_root: Path | None, *, folders_are_labels: bool
) -> DatasetSplits:
    """The images of a test-only variant of ImageNet: one folder per class and no training images.

    Args:
        folders_are_labels: folders are named by label ("0" to "999") instead of WordNet id.
    """
    root, folder, layout = require_images(image_folders, data_root)
    names = read_classnames(image_folders, root)
    folders = class_folders(folder)
    if folders_are_labels:
        folders = _by_number(folders, folder, len(names))
        in_order = list(names.values())
        class_names = tuple(in_order[int(name)] for name in folders)
    else:
        class_names = names_of_wordnet_ids(folders, names, folder)
    test, other_files = samples_of_folders(folder, "", folders)
    return DatasetSplits(ImageFiles(folder), class_names, (), (), test, layout, group_by_suffix(other_files))


def read_classnames(image_folders: ImageFolders, root: Path) -> dict[str, str]:
    """Names by WordNet id, in label order, from the folder of the dataset or of ImageNet, or from the data folder."""
    candidates = [*image_folders.dataset_folders(root), root / IMAGENET_FOLDER, root]
    path = next((folder / CLASSNAMES for folder in candidates if (folder / CLASSNAMES).is_file()), None)
    if path is None:
        raise DataError(
            f"No {CLASSNAMES} for dataset {image_folders.dataset!r} in {candidates[0]} or {root / IMAGENET_FOLDER}. "
            f"It contains one line `<WordNet id> <name>` per class; get CoOp's from {CLASSNAMES_URL}."
        )
    names: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        wnid, _, name = line.strip().partition(" ")
        if not wnid:
            continue
        if not name.strip() or wnid in names:
            raise DataError(
                f"Line {number} of {path} is {line!r}; it must be a new WordNet id and a name. "
                f"Get CoOp's file from {CLASSNAMES_URL}."
            )
        names[wnid] = name.strip()
    return names


def names_of_wordnet_ids(wnids: Sequence[str], names: dict[str, str], folder: Path) -> tuple[str, ...]:
    """The names of these class folders. Raises DataError, naming `folder`, if there are none or one has no name."""
    if not wnids:
        raise DataError(f"{folder} contains no class folder; it must contain one per class (n01440764, ...).")
    if unknown := [wnid for wnid in wnids if wnid not in names]:
        raise DataError(
            f"{folder} contains the folder {unknown[0]!r} ({len(unknown)} such), which {CLASSNAMES} does not name. "
            f"Class folders are WordNet ids (n01440764, ...); move other folders away."
        )
    return tuple(names[wnid] for wnid in wnids)


def _by_number(folders: Sequence[str], folder: Path, n_classes: int) -> list[str]:
    wrong = [name for name in folders if not name.isdecimal() or int(name) >= n_classes]
    if wrong or not folders:
        wrong_folder = f"the folder {wrong[0]!r}" if wrong else "no class folder"
        raise DataError(f"{folder} contains {wrong_folder}; its class folders must be the labels 0 to {n_classes - 1}.")
    return sorted(folders, key=int)


def samples_of_folders(folder: Path, part: str, classes: Sequence[str]) -> tuple[tuple[Sample, ...], list[str]]:
    """The images of the class folders, and the paths of other files in them."""
    stem = f"{part}/" if part else ""
    samples: list[Sample] = []
    left_out: list[str] = []
    for label, name in enumerate(classes):
        images, other_files = image_names(folder / part / name)
        samples += [Sample(f"{stem}{name}/{image}", label) for image in images]
        left_out += [f"{stem}{name}/{other}" for other in other_files]
    return tuple(samples), left_out
