"""Camelyon17-WILDS: lymph node tissue with and without tumour, tested on another hospital.

Bandi et al., "From Detection of Individual Metastases to Classification of Lymph Node Status at the Patient Level",
2018, with the patches and parts of WILDS (Koh et al., ICML 2021): hospitals 0, 3 and 4 are train, hospital 1 is val and
hospital 2 is test. Names and template are those of CLIP for PatchCamelyon, the same task.
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._readers.dataset_files import (
    ImageFolders,
    listed_images,
    packaged_names,
    read_csv_rows,
    require_images,
)
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits, Sample

_URL = "https://worksheets.codalab.org/rest/bundles/0xe45e15f39fb54e9d9e919556af67aabe/contents/blob/"
_FOLDERS = ImageFolders("camelyon17", {"camelyon17_v1.0/patches": "WILDS"})
_COLUMNS = ("patient", "node", "x_coord", "y_coord")
_NUMBERS = ("tumor", "center", "split")
_VAL_CENTER, _TEST_CENTER, _TRAIN_SPLIT = 1, 2, 0


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `metadata.csv` and `patches/patient_<patient>_node_<node>/*.png`."""
    _, images, layout = require_images(_FOLDERS, data_root, f" Get the archive from {_URL}.")
    parts: dict[str, list[Sample]] = {part: [] for part in PARTS}
    for row in read_csv_rows(images.parent / "metadata.csv", "camelyon17", _COLUMNS, numbers=_NUMBERS):
        if (part := _part(row)) is not None:
            stem = f"patient_{row['patient']}_node_{row['node']}"
            key = f"{stem}/patch_{stem}_x_{row['x_coord']}_y_{row['y_coord']}.png"
            parts[part].append(Sample(key, int(row["tumor"]), f"patient_{row['patient']}"))
    train, val, test = (tuple(parts[part]) for part in PARTS)
    source = listed_images("camelyon17", images, (*train, *val, *test), _URL)
    return DatasetSplits(source, packaged_names("camelyon17"), train, val, test, layout)


def _part(row: dict[str, str]) -> str | None:
    """The part of a patch; None for the validation patches of the training hospitals, which are not used."""
    center = int(row["center"])
    if center in (_VAL_CENTER, _TEST_CENTER):
        return "val" if center == _VAL_CENTER else "test"
    return "train" if int(row["split"]) == _TRAIN_SPLIT else None


register_dataset(
    DatasetInfo(
        name="camelyon17",
        title="Camelyon17-WILDS",
        summary="96x96 patches of lymph nodes with and without tumour, tested on a hospital that is not in training.",
        domain="histopathology (shift)",
        num_classes=2,
        class_names=packaged_names("camelyon17"),
        template="this is a photo of {}",
        template_variants={"plain": "a photo of a {}."},
        expected={"train": 302436, "val": 34904, "test": 85054},
        known_problems=(
            "Patches of one slide look alike, so few-shot results vary more than the number of test images suggests.",
            "Validation images come from another hospital than training and test images.",
        ),
        groups="patient (`patient` in metadata.csv)",
        licence="CC0 1.0 (WILDS)",
        homepage="https://wilds.stanford.edu/datasets/#camelyon17",
        citation="""@article{bandi2018camelyon17,
  title = {From Detection of Individual Metastases to Classification of Lymph Node Status at the Patient Level: The
    {CAMELYON17} Challenge},
  author = {Bandi, Peter and Geessink, Oscar and Manson, Quirine and Van Dijk, Marcory and others},
  journal = {IEEE Transactions on Medical Imaging},
  volume = {38},
  number = {2},
  pages = {550--560},
  year = {2018}
}""",
        reader=_read,
    )
)
