"""FGVC Aircraft: 100 variants of aircraft, from 707-320 to Yak-42.

Maji et al., "Fine-Grained Visual Classification of Aircraft", 2013. There is no split file: CoOp reads the official
text lists in file order, so its draw is reproduced from them. A label is the line number of the name in `variants.txt`,
and a line of a list is `<seven digits> <variant>`. Two names have a slash (F-16A/B and F/A-18).
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._errors import DataError
from datasets_registry._readers.dataset_files import ImageFolders, packaged_names, read_lines, require_images
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits, Sample

_URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/"
_FOLDERS = ImageFolders(
    "fgvc_aircraft",
    {
        "fgvc_aircraft/images": "CoOp",
        "fgvc-aircraft-2013b/data/images": "torchvision",
        "fgvc_aircraft/fgvc-aircraft-2013b/data/images": "the archive as it unpacks",
    },
)


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `variants.txt` and `images_variant_{train,val,test}.txt` beside the image folder."""
    root, image_folder, _ = require_images(_FOLDERS, data_root, f" Get the archive from {_URL} and unpack it there.")
    folder = image_folder.parent
    names = tuple(read_lines(folder / "variants.txt", "fgvc_aircraft"))
    label_of = {name: label for label, name in enumerate(names)}
    train, val, test = (_samples(folder / f"images_variant_{part}.txt", label_of) for part in PARTS)
    images_and_layout = _FOLDERS.find_images(root, [sample.key for sample in (*train, *val, *test)])
    if images_and_layout is None:
        raise DataError(
            f"Images of 'fgvc_aircraft' that the lists in {folder} name are not below {image_folder}. "
            f"Unpack the archive from {_URL} again."
        )
    images, layout = images_and_layout
    return DatasetSplits(images, names, train, val, test, layout)


def _samples(path: Path, label_of: dict[str, int]) -> tuple[Sample, ...]:
    samples = []
    for number, line in enumerate(read_lines(path, "fgvc_aircraft"), start=1):
        image, _, variant = line.partition(" ")
        if variant not in label_of:
            raise DataError(
                f"Line {number} of {path} is {line!r}, but must be an image number and a name of variants.txt. "
                f"Get the lists again from {_URL}."
            )
        samples.append(Sample(f"{image}.jpg", label_of[variant]))
    return tuple(samples)


register_dataset(
    DatasetInfo(
        name="fgvc_aircraft",
        title="FGVC Aircraft",
        summary="100 variants of aircraft that differ in engines and windows; hard for CLIP.",
        domain="fine-grained aircraft",
        num_classes=100,
        class_names=packaged_names("fgvc_aircraft"),
        template="a photo of a {}, a type of aircraft.",
        template_variants={
            "plain": "a photo of a {}.",
            "tcp": "a photo of an aircraft {}.",
            "prograd": "a type of aircraft, a photo of a {}.",
        },
        expected={"train": 3334, "val": 3333, "test": 3333},
        known_problems=("Images have a copyright banner at the bottom.",),
        licence="for non-commercial research",
        homepage=_URL,
        citation="""@techreport{maji2013aircraft,
  title = {Fine-Grained Visual Classification of Aircraft},
  author = {Maji, Subhransu and Kannala, Juho and Rahtu, Esa and Blaschko, Matthew and Vedaldi, Andrea},
  institution = {arXiv 1306.5151},
  year = {2013}
}""",
        reader=_read,
    )
)
