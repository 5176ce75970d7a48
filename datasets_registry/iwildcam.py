"""iWildCam2020-WILDS: animals on images of camera traps, tested at other places than those of the training images.

Beery et al., "The iWildCam 2020 Competition Dataset", arXiv 2004.10340, with the parts of WILDS 2.0 (Koh et al., ICML
2021). Train, val and test are of 243, 32 and 48 camera traps; images of the training traps that WILDS holds out
(`id_val`, `id_test`) are not used. WILDS names the classes in Latin. The English names and the template are those of
FLYP (Goyal et al., CVPR 2023), in lower case as its code writes them.
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._errors import DataError
from datasets_registry._readers.dataset_files import (
    ImageFolders,
    listed_images,
    packaged_names,
    read_csv_rows,
    require_images,
)
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits, Sample

_URL = "https://worksheets.codalab.org/rest/bundles/0x6313da2b204647e79a14b468131fcd64/contents/blob/"
_FOLDERS = ImageFolders("iwildcam", {"iwildcam_v2.0/train": "WILDS"})
_N_CLASSES = 182
_NO_CLASS = 99999
"""Label in `categories.csv` of a category without images."""


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `metadata.csv`, `categories.csv` and `train/*.jpg`, where the images of all parts are."""
    _, images, layout = require_images(_FOLDERS, data_root, f" Get the archive from {_URL}.")
    categories = images.parent / "categories.csv"
    labels = {int(row["y"]) for row in read_csv_rows(categories, "iwildcam", ("name",), numbers=("y",))} - {_NO_CLASS}
    if labels != set(range(_N_CLASSES)):
        raise DataError(
            f"{categories} has {len(labels)} classes, but iWildCam of WILDS 2.0 has {_N_CLASSES}. "
            f"Get version 2.0 from {_URL}."
        )
    parts: dict[str, list[Sample]] = {part: [] for part in PARTS}
    for row in read_csv_rows(images.parent / "metadata.csv", "iwildcam", ("split", "filename"), numbers=("y",)):
        if row["split"] in parts:
            place = row.get("location_remapped") or None
            parts[row["split"]].append(Sample(row["filename"], int(row["y"]), place))
    train, val, test = (tuple(parts[part]) for part in PARTS)
    source = listed_images("iwildcam", images, (*train, *val, *test), _URL)
    return DatasetSplits(source, packaged_names("iwildcam"), train, val, test, layout)


register_dataset(
    DatasetInfo(
        name="iwildcam",
        title="iWildCam-WILDS",
        summary="182 kinds of animals, or none, on images of camera traps, tested at places that are not in training.",
        domain="camera traps (shift)",
        num_classes=_N_CLASSES,
        template="a photo of {}.",
        template_variants={"plain": "a photo of a {}.", "flyp": "{} in the wild."},
        expected={"train": 129809, "val": 14961, "test": 42791},
        known_problems=(
            "Classes are long-tailed, so many have fewer images than shots; --allow-fewer takes all of these.",
            "Four names occur twice, because two labels are synonyms in Latin: lowland paca, jaguarundi, unknown bird "
            "and central american red brocket.",
            "WILDS ranks methods by macro F1, which is not accuracy.",
        ),
        groups="camera trap (`location_remapped` in metadata.csv)",
        licence="CDLA-Permissive-1.0 (WILDS)",
        homepage="https://wilds.stanford.edu/datasets/#iwildcam",
        citation="""@article{beery2020iwildcam,
  title = {The {iWildCam} 2020 Competition Dataset},
  author = {Beery, Sara and Cole, Elijah and Gjoka, Arvi},
  journal = {arXiv preprint arXiv:2004.10340},
  year = {2020}
}""",
        reader=_read,
    )
)
