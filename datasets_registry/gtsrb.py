"""GTSRB: 43 German traffic signs, cut out of video frames.

Stallkamp et al., "Man vs. Computer: Benchmarking Machine Learning Algorithms for Traffic Sign Recognition", 2012. The
training images are the 26,640 of the archive `GTSRB-Training_fixed.zip`, the number that the CLIP paper and torchvision
use. They are frames of tracks, 30 of each sign. The first number of a file name is the track, and one track of each
class is val. Names and template are CLIP's.
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._draws.held_out import hold_out_validation
from datasets_registry._errors import DataError
from datasets_registry._readers.dataset_files import (
    ImageFolders,
    image_names,
    listed_images,
    packaged_names,
    read_csv_rows,
    require_images,
)
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

_URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/published-archive.html"
_FOLDERS = ImageFolders("gtsrb", {"gtsrb/GTSRB": "torchvision"})
_N_CLASSES = 43
_LABELS = "GT-final_test.csv"


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads `Training/00000/*.ppm` and `Final_Test/Images/*.ppm`, whose labels are in `GT-final_test.csv`."""
    root, folder, layout = require_images(_FOLDERS, data_root, f" Get the three archives from {_URL}.")
    places = (folder.parent, folder, folder / "Final_Test" / "Images", root)
    table = next((place / _LABELS for place in places if (place / _LABELS).is_file()), folder.parent / _LABELS)
    rows = read_csv_rows(table, "gtsrb", ("Filename",), numbers=("ClassId",), delimiter=";")
    test = tuple(Sample(f"Final_Test/Images/{row['Filename']}", int(row["ClassId"])) for row in rows)
    training = []
    for label in range(_N_CLASSES):
        name = f"Training/{label:05}"
        if not (folder / name).is_dir():
            raise DataError(f"No folder {folder / name} of dataset 'gtsrb'. Unpack GTSRB-Training_fixed.zip again.")
        file_names = image_names(folder / name)[0]
        training += [Sample(f"{name}/{image}", label, f"{name}/{image}".rpartition("_")[0]) for image in file_names]
    images = listed_images("gtsrb", folder, test, "GTSRB_Final_Test_Images.zip")
    train, val = hold_out_validation(training, "gtsrb", groups=1)
    return DatasetSplits(images, packaged_names("gtsrb"), train, val, test, layout)


register_dataset(
    DatasetInfo(
        name="gtsrb",
        title="GTSRB",
        summary="43 traffic signs on small crops of video frames, many of them dark or blurred.",
        domain="traffic signs",
        num_classes=_N_CLASSES,
        class_names=packaged_names("gtsrb"),
        template='a zoomed in photo of a "{}" traffic sign.',
        template_variants={"plain": "a photo of a {}."},
        expected={"train": 25350, "val": 1290, "test": 12630},
        known_problems=(
            "Training images are frames of a few tracks: 30 frames show the same sign.",
            "Another archive, GTSRB_Final_Training_Images.zip, has 39,209 training images; it is not read here.",
        ),
        groups="track of a training image (the first number of its file name); test images have none",
        licence="no explicit licence; research use",
        homepage="https://benchmark.ini.rub.de/",
        citation="""@article{stallkamp2012gtsrb,
  title = {Man vs. Computer: Benchmarking Machine Learning Algorithms for Traffic Sign Recognition},
  author = {Stallkamp, Johannes and Schlipsing, Marc and Salmen, Jan and Igel, Christian},
  journal = {Neural Networks},
  volume = {32},
  pages = {323--332},
  year = {2012}
}""",
        reader=_read,
    )
)
