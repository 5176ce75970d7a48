"""ImageNet: the 1,000 classes of ILSVRC 2012.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015. The official validation images are
the test images. The 1,000 names are those of CLIP's notebook, read from `classnames.txt`. There is no split file, so
the training list is the sorted folder listing and the draw `coop` is called `coop-sorted` (`etl-bench doctor docs
protocols`).
"""

from datasets_registry._catalogue import register_dataset
from datasets_registry._readers.class_folders import ImageNetReader
from datasets_registry._readers.dataset_files import ImageFolders
from datasets_registry._types import DatasetInfo

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
        reader=ImageNetReader(
            ImageFolders(
                "imagenet",
                {
                    "imagenet/images": "CoOp",
                    "imagenet": "torchvision",
                    "ILSVRC/Data/CLS-LOC": "Kaggle",
                    "imagenet/ILSVRC/Data/CLS-LOC": "Kaggle",
                },
            )
        ),
    )
)
