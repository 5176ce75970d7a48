"""PCam: patches of lymph nodes with and without tumour, from Camelyon16; the Patch Camelyon task of VTAB.

Veeling et al., "Rotation Equivariant CNNs for Digital Pathology", MICCAI 2018, with its own parts. The label says
whether the central 32x32 pixels hold tumour. Names and template are CLIP's.
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._errors import DataError
from datasets_registry._readers.dataset_files import ImageFolders, packaged_names, read_csv_rows, require_images
from datasets_registry._readers.image_sources import Hdf5Images, array_length, read_array
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

_URL = "https://zenodo.org/record/2546921"
_FOLDERS = ImageFolders("pcam", {"pcam": "the published HDF5 files"})
_PARTS = {"train": "train", "val": "valid", "test": "test"}
_SLIDE, _TUMOUR = "wsi", "center_tumor_patch"
"""Columns of `..._meta.csv`: the whole-slide image of a patch, and its label."""


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5`, and slides from `..._meta.csv` if it exists."""
    _, folder, layout = require_images(_FOLDERS, data_root, f" Get the files from {_URL}.")
    images = {part: _file(folder, published, "x") for part, published in _PARTS.items()}
    train, val, test = (
        _samples(part, images[part], _file(folder, published, "y")) for part, published in _PARTS.items()
    )
    return DatasetSplits(Hdf5Images(images, "x"), packaged_names("pcam"), train, val, test, layout)


def _file(folder: Path, part: str, content: str) -> Path:
    path = folder / f"camelyonpatch_level_2_split_{part}_{content}.h5"
    if not path.is_file():
        packed = path.with_name(f"{path.name}.gz")
        advice = f"Unpack it with `gunzip {packed}`." if packed.is_file() else f"Get {packed.name} from {_URL}."
        raise DataError(f"No file {path} of dataset 'pcam'. {advice}")
    return path


def _samples(part: str, images: Path, labels: Path) -> tuple[Sample, ...]:
    values = read_array(labels, "y").reshape(-1).tolist()
    if len(values) != (n := array_length(images, "x")) or not {0, 1}.issuperset(values):
        raise DataError(
            f"{labels} contains {len(values)} labels for the {n} images of {images.name}, or other labels than 0 and "
            f"1. Get both files from {_URL} again."
        )
    slides = _slides(labels.with_name(labels.name.replace("_y.h5", "_meta.csv")), values)
    return tuple(Sample(f"{part}/{row}", *facts) for row, facts in enumerate(zip(values, slides, strict=True)))


def _slides(table: Path, labels: list[int]) -> list[str | None]:
    """The slide of each patch, in the order of the labels; None without the table, which is a file of its own."""
    if not table.is_file():
        return [None] * len(labels)
    rows = list(read_csv_rows(table, "pcam", (_SLIDE, _TUMOUR)))
    if [row[_TUMOUR].lower() in ("true", "1") for row in rows] != [label == 1 for label in labels]:
        raise DataError(
            f"{table} does not have the labels of its part, so it belongs to other images. Get it from {_URL}; other "
            f"copies of PCam have the tables of `valid` and `test` exchanged."
        )
    return [row[_SLIDE] for row in rows]


register_dataset(
    DatasetInfo(
        name="pcam",
        title="PCam",
        summary="96x96 patches of lymph nodes, with or without tumour in their centre.",
        domain="histopathology",
        num_classes=2,
        class_names=packaged_names("pcam"),
        template="this is a photo of {}",
        template_variants={"plain": "a photo of a {}."},
        expected={"train": 262144, "val": 32768, "test": 32768},
        known_problems=(
            "Tumour outside the central 32x32 pixels does not count, which a class name cannot say.",
            "Patches of one slide look alike, so few-shot results vary more than the number of test images suggests.",
        ),
        groups="whole-slide image (`wsi` in the optional camelyonpatch_level_2_split_*_meta.csv)",
        licence="CC0 1.0 (its repository)",
        homepage="https://github.com/basveeling/pcam",
        citation="""@inproceedings{veeling2018rotation,
  title = {Rotation Equivariant {CNNs} for Digital Pathology},
  author = {Veeling, Bastiaan S. and Linmans, Jasper and Winkens, Jim and Cohen, Taco and Welling, Max},
  booktitle = {Medical Image Computing and Computer Assisted Intervention (MICCAI)},
  year = {2018}
}""",
        reader=_read,
    )
)
