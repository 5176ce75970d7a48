"""ImageNet-Sketch: ImageNet's classes as sketches.

Wang et al., "Learning Robust Global Representations by Penalizing Local Predictive Power", NeurIPS 2019. It has all
1,000 classes. Small classes contain flipped and rotated copies. There are no training images.
"""

from datasets_registry._readers.register_datasets import register_imagenet_variant

register_imagenet_variant(
    "imagenet_sketch",
    title="ImageNet-Sketch",
    summary="ImageNet's classes as black and white sketches.",
    domain="sketches (shift)",
    num_classes=1000,
    expected={"test": 50889},
    known_problems=("Small classes contain flipped and rotated copies.",),
    licence="MIT (its repository)",
    homepage="https://github.com/HaohanWang/ImageNet-Sketch",
    citation="""@inproceedings{wang2019sketch,
  title = {Learning Robust Global Representations by Penalizing Local Predictive Power},
  author = {Wang, Haohan and Ge, Songwei and Lipton, Zachary and Xing, Eric P.},
  booktitle = {Advances in Neural Information Processing Systems (NeurIPS)},
  year = {2019}
}""",
    image_folders={
        "imagenet-sketch/images": "CoOp",
        "imagenet-sketch/sketch": "the archive as it unpacks",
        "sketch": "the archive as it unpacks",
    },
)
