"""ChestX: seven findings on chest X-rays of the NIH, the images with exactly one of them.

Wang et al., "ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks", CVPR 2017. Findings and images are those
of the benchmark of cross-domain few-shot learning (BSCD-FSL, Guo et al., ECCV 2020), which draws trials of five classes
from them. Here, test images are those of the NIH's `test_list.txt`, which shares no patient with the others, and 1,000
of the other patients are val.
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._draws.held_out import hold_out_groups
from datasets_registry._readers.dataset_files import (
    ImageFolders,
    listed_images,
    packaged_names,
    read_csv_rows,
    read_lines,
    require_images,
)
from datasets_registry._readers.register_datasets import PLAIN_TEMPLATE, SIZES_UNKNOWN
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

_URL = "https://www.kaggle.com/nih-chest-xrays/data"
_FOLDERS = ImageFolders("chestx", {"chestx/images": "one folder", "chestX/images": "BSCD-FSL"})
_IMAGE, _FINDINGS, _PATIENT = "Image Index", "Finding Labels", "Patient ID"
_VAL_PATIENTS = 1000


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `images/*.png` with `Data_Entry_2017.csv` and `test_list.txt`."""
    _, folder, layout = require_images(_FOLDERS, data_root, f" Get the images from {_URL}.")
    names = packaged_names("chestx")
    tested = set(read_lines(folder.parent / "test_list.txt", "chestx"))
    rows = read_csv_rows(folder.parent / "Data_Entry_2017.csv", "chestx", (_IMAGE, _FINDINGS, _PATIENT))
    samples = [Sample(r[_IMAGE], names.index(r[_FINDINGS]), r[_PATIENT]) for r in rows if r[_FINDINGS] in names]
    images = listed_images("chestx", folder, samples, _URL)
    training = [sample for sample in samples if sample.key not in tested]
    train, val = hold_out_groups(training, "chestx", _VAL_PATIENTS)
    test = tuple(sample for sample in samples if sample.key in tested)
    return DatasetSplits(images, names, train, val, test, layout)


register_dataset(
    DatasetInfo(
        name="chestx",
        title="ChestX",
        summary="Seven findings on chest X-rays; the images with exactly one of them.",
        domain="medical: X-ray",
        num_classes=7,
        class_names=packaged_names("chestx"),
        template=PLAIN_TEMPLATE,
        known_problems=(
            "Labels were extracted from reports by a program, and some are wrong.",
            "BSCD-FSL draws 600 trials of five classes, so its numbers are not comparable.",
            SIZES_UNKNOWN,
        ),
        groups="patient (`Patient ID` of Data_Entry_2017.csv)",
        licence="not verified (NIH Clinical Center)",
        homepage=_URL,
        citation="""@inproceedings{wang2017chestxray8,
  title = {{ChestX-ray8}: Hospital-scale Chest X-ray Database and Benchmarks on Weakly-Supervised Classification and
    Localization of Common Thorax Diseases},
  author = {Wang, Xiaosong and Peng, Yifan and Lu, Le and Lu, Zhiyong and Bagheri, Mohammadhadi and Summers, Ronald M.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2017}
}""",
        reader=_read,
    )
)
