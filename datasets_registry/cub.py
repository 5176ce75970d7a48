"""CUB-200-2011: 200 kinds of North American birds.

Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", 2011. Train and test are the official split of
`train_test_split.txt`; 6 of the 29 or 30 training images of each class are val. Class names are those of `classes.txt`
without their numbers. The template is CLIP's for Birdsnap.
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._draws.held_out import hold_out_validation
from datasets_registry._errors import DataError
from datasets_registry._readers.dataset_files import ImageFolders, listed_images, read_lines, require_images
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

_URL = "https://data.caltech.edu/records/65de6-vp158"
_FOLDERS = ImageFolders("cub", {"CUB_200_2011/images": "the archive as it unpacks"})


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `images/` with `classes.txt`, `images.txt`, `image_class_labels.txt` and `train_test_split.txt`."""
    _, images, layout = require_images(_FOLDERS, data_root, f" Get the archive from {_URL}.")
    folder = images.parent
    classes, paths, labels, is_train = (
        _numbered(folder / f"{name}.txt") for name in ("classes", "images", "image_class_labels", "train_test_split")
    )
    if not set(paths) == set(labels) == set(is_train) or not set(labels.values()) <= set(classes):
        raise DataError(f"The text files in {folder} do not list the same images. Unpack CUB_200_2011.tgz again.")
    names = tuple(name.partition(".")[2].replace("_", " ") for name in classes.values())
    position = {number: label for label, number in enumerate(classes)}
    samples = {number: Sample(path, position[labels[number]]) for number, path in paths.items()}
    source = listed_images("cub", images, samples.values(), "CUB_200_2011.tgz")
    training = [sample for number, sample in samples.items() if is_train[number] == "1"]
    train, val = hold_out_validation(training, "cub", groups=6)
    test = tuple(sample for number, sample in samples.items() if is_train[number] == "0")
    return DatasetSplits(source, names, train, val, test, layout)


def _numbered(path: Path) -> dict[str, str]:
    """Lines `<number> <value>` as a mapping in file order."""
    return {number: value for number, _, value in (line.strip().partition(" ") for line in read_lines(path, "cub"))}


register_dataset(
    DatasetInfo(
        name="cub",
        title="CUB-200-2011",
        summary="200 kinds of birds, many of which differ only in a few feathers.",
        domain="fine-grained animals",
        num_classes=200,
        template="a photo of a {}, a type of bird.",
        template_variants={"plain": "a photo of a {}."},
        expected={"train": 4794, "val": 1200, "test": 5794},
        known_problems=(
            "Its page warns that some of its images are also in ImageNet.",
            "Names lack apostrophes and hyphens, as in `Brewer Blackbird`.",
        ),
        licence="for non-commercial research and education (its page)",
        homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
        citation="""@techreport{wah2011cub,
  title = {The {Caltech-UCSD} {Birds-200-2011} Dataset},
  author = {Wah, Catherine and Branson, Steve and Welinder, Peter and Perona, Pietro and Belongie, Serge},
  institution = {California Institute of Technology},
  number = {CNS-TR-2011-001},
  year = {2011}
}""",
        reader=_read,
    )
)
