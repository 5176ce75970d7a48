"""CLEVR counts: the number of objects in a rendered scene, from 3 to 10.

Johnson et al., "CLEVR: A Diagnostic Dataset for Compositional Language and Elementary Visual Reasoning", CVPR 2017,
with the counting task of VTAB (Zhai et al. 2019). CLEVR's test scenes are not published, so its val images are the test
images, as in VTAB, and 100 training images of each count are val. The template is CLIP's.
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._draws.held_out import hold_out_validation
from datasets_registry._errors import DataError
from datasets_registry._limits import LARGEST_JSON
from datasets_registry._readers.dataset_files import ImageFolders, listed_images, packaged_names, require_images
from datasets_registry._readers.foreign_files import read_json
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

_URL = "https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip"
_FOLDERS = ImageFolders("clevr_counts", {"clevr/CLEVR_v1.0/images": "torchvision", "CLEVR_v1.0/images": "the archive"})
_FEWEST = 3


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `images/{train,val}/*.png` and `scenes/CLEVR_{train,val}_scenes.json`."""
    _, images, layout = require_images(_FOLDERS, data_root, f" Get {_URL} and unpack it there.")
    folder, names = images.parent, packaged_names("clevr_counts")
    training, test = (_samples(folder / "scenes" / f"CLEVR_{part}_scenes.json", part) for part in ("train", "val"))
    source = listed_images("clevr_counts", images, (*training, *test), _URL)
    train, val = hold_out_validation(training, "clevr_counts", groups=100)
    return DatasetSplits(source, names, train, val, test, layout)


def _samples(path: Path, part: str) -> tuple[Sample, ...]:
    try:
        scenes = read_json(path, most_values=LARGEST_JSON)["scenes"]
        counts = sorted((scene["image_filename"], len(scene["objects"]) - _FEWEST) for scene in scenes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} of dataset 'clevr_counts' cannot be read as CLEVR's scenes ({error}). Unpack {_URL} again."
        ) from error
    return tuple(Sample(f"{part}/{name}", label) for name, label in counts)


register_dataset(
    DatasetInfo(
        name="clevr_counts",
        title="CLEVR counts",
        summary="The number of objects in a rendered scene, 3 to 10.",
        domain="counting",
        num_classes=8,
        class_names=packaged_names("clevr_counts"),
        template="a photo of {} objects.",
        expected={"train": 69200, "val": 800, "test": 15000},
        known_problems=(
            "The CLIP paper evaluates a sample of 500 images, so its number is not directly comparable.",
            "Names are digits; CLIP sorts them as texts, from 10 to 9.",
        ),
        licence="CC BY 4.0 (its page)",
        homepage="https://cs.stanford.edu/people/jcjohns/clevr/",
        citation="""@inproceedings{johnson2017clevr,
  title = {{CLEVR}: A Diagnostic Dataset for Compositional Language and Elementary Visual Reasoning},
  author = {Johnson, Justin and Hariharan, Bharath and van der Maaten, Laurens and Fei-Fei, Li and
    Zitnick, C. Lawrence and Girshick, Ross},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2017}
}""",
        reader=_read,
    )
)
