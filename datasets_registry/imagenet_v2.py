"""ImageNetV2: a second, newly collected test set of ImageNet.

Recht et al., "Do ImageNet Classifiers Generalize to ImageNet?", ICML 2019. This is the matched-frequency variant, as in
CoOp. Folders are named by label, so label i is line i of `classnames.txt`. There are no training images.
"""

from datasets_registry._readers.register_datasets import register_imagenet_variant

register_imagenet_variant(
    "imagenet_v2",
    title="ImageNetV2",
    summary="ImageNet's classes on newly collected photographs.",
    domain="generic objects (shift)",
    num_classes=1000,
    expected={"test": 10000},
    known_problems=("Folder names are labels, not WordNet ids, and have another order when sorted as text.",),
    licence="MIT (its repository)",
    homepage="https://github.com/modestyachts/ImageNetV2",
    citation="""@inproceedings{recht2019imagenet,
  title = {Do {ImageNet} Classifiers Generalize to {ImageNet}?},
  author = {Recht, Benjamin and Roelofs, Rebecca and Schmidt, Ludwig and Shankar, Vaishaal},
  booktitle = {International Conference on Machine Learning (ICML)},
  year = {2019}
}""",
    image_folders={
        "imagenetv2/imagenetv2-matched-frequency-format-val": "CoOp",
        "imagenetv2-matched-frequency-format-val": "the archive as it unpacks",
    },
    folders_are_labels=True,
)
