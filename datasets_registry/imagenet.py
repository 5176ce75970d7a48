"""ImageNet: the 1,000 classes of ILSVRC 2012.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015. The official validation images are
the test images. The 1,000 names are those of CLIP's notebook, read from `classnames.txt`. There is no split file, so
the training list is the sorted folder listing and the draw `coop` is called `coop-sorted` (`etl-bench doctor docs
protocols`).
"""

from pathlib import Path

from datasets_registry._catalogue import register_dataset
from datasets_registry._errors import DataError
from datasets_registry._readers.class_folders import names_of_wordnet_ids, read_classnames, samples_of_folders
from datasets_registry._readers.dataset_files import (
    ImageFolders,
    class_folders,
    group_by_suffix,
    image_names,
    require_images,
)
from datasets_registry._readers.image_sources import ImageFiles
from datasets_registry._types import DatasetInfo, DatasetSplits

_FOLDERS = ImageFolders(
    "imagenet",
    {
        "imagenet/images": "CoOp",
        "imagenet": "torchvision",
        "ILSVRC/Data/CLS-LOC": "Kaggle",
        "imagenet/ILSVRC/Data/CLS-LOC": "Kaggle",
    },
)


def _read(data_root: Path | None) -> DatasetSplits:
    """Reads the training folders and, as test images, the validation folders.

    Val is empty, because CoOp tests on the official validation images. Raises DataError if a folder or `classnames.txt`
    is missing or malformed.
    """
    root, folder, layout = require_images(_FOLDERS, data_root)
    names = read_classnames(_FOLDERS, root)
    for part in ("train", "val"):
        if not (folder / part).is_dir():
            raise DataError(
                f"No folder {folder / part} for dataset 'imagenet'. Both train/ and val/ must exist, each with one "
                f"folder per class (n01440764, ...)."
            )
    wnids, tested = class_folders(folder / "train"), class_folders(folder / "val")
    if not tested and image_names(folder / "val")[0]:
        raise DataError(
            f"{folder / 'val'} contains images, but no class folders. Sort them into one folder per class first, "
            f"as the validation preparation script of the PyTorch examples does."
        )
    if different := sorted(set(wnids) ^ set(tested)):
        raise DataError(
            f"The class folders of train/ and val/ in {folder} differ: {', '.join(different[:3])} "
            f"({len(different)} in all) are in only one of them. Unpack the archives again."
        )
    class_names = names_of_wordnet_ids(wnids, names, folder / "train")
    train, train_others = samples_of_folders(folder, "train", wnids)
    test, test_others = samples_of_folders(folder, "val", wnids)
    left_out = group_by_suffix(train_others + test_others)
    return DatasetSplits(ImageFiles(folder), class_names, train, (), test, layout, left_out)


register_dataset(
    DatasetInfo(
        name="imagenet",
        title="ImageNet",
        summary="1,000 kinds of objects; the source of cross-dataset and domain-generalization runs.",
        domain="generic objects",
        num_classes=1000,
        template="a photo of a {}.",
        expected={"train": 1281167, "val": 0, "test": 50000},
        known_problems=(
            "Two names occur twice: missile (labels 657 and 744) and sunglasses (836 and 837); the first of each wins.",
            "About 6 % of the official validation labels are wrong (literature).",
            "CoOp's draw depends on the order of the file system and cannot be reproduced.",
        ),
        licence="ImageNet terms of access: non-commercial research and education",
        homepage="https://image-net.org/challenges/LSVRC/2012/",
        citation="""@article{russakovsky2015imagenet,
  title = {{ImageNet} Large Scale Visual Recognition Challenge},
  author = {Russakovsky, Olga and Deng, Jia and Su, Hao and Krause, Jonathan and Satheesh, Sanjeev and others},
  journal = {International Journal of Computer Vision},
  year = {2015}
}""",
        sorted_listing=True,
        reader=_read,
    )
)
