"""ImageNet-R: renditions, from paintings to toys.

Hendrycks et al., "The Many Faces of Robustness", ICCV 2021. Images are classified among its own 200 names, as in CoOp.
There are no training images.
"""

from datasets_registry._readers.register_datasets import register_imagenet_variant

register_imagenet_variant(
    "imagenet_r",
    title="ImageNet-R",
    summary="200 of ImageNet's classes as paintings, cartoons, embroidery, toys and the like.",
    domain="renditions (shift)",
    num_classes=200,
    expected={"test": 30000},
    known_problems=("Its 200 classes are not those of ImageNet-A.",),
    licence="MIT (its repository)",
    homepage="https://github.com/hendrycks/imagenet-r",
    citation="""@inproceedings{hendrycks2021many,
  title = {The Many Faces of Robustness: A Critical Analysis of Out-of-Distribution Generalization},
  author = {Hendrycks, Dan and Basart, Steven and Mu, Norman and Kadavath, Saurav and Wang, Frank and others},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year = {2021}
}""",
    image_folders={"imagenet-rendition/imagenet-r": "CoOp", "imagenet-r": "the archive as it unpacks"},
)
