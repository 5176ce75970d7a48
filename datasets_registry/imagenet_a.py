"""ImageNet-A: photographs that a ResNet-50 gets wrong.

Hendrycks et al., "Natural Adversarial Examples", CVPR 2021. Images are classified among its own 200 names, as in CoOp.
There are no training images.
"""

from datasets_registry._readers.register_datasets import register_imagenet_variant

register_imagenet_variant(
    "imagenet_a",
    title="ImageNet-A",
    summary="200 of ImageNet's classes on photographs selected because they are misclassified.",
    domain="natural adversarial (shift)",
    num_classes=200,
    expected={"test": 7500},
    known_problems=("Its 200 classes are not those of ImageNet-R.",),
    licence="MIT (its repository)",
    homepage="https://github.com/hendrycks/natural-adv-examples",
    citation="""@inproceedings{hendrycks2021natural,
  title = {Natural Adversarial Examples},
  author = {Hendrycks, Dan and Zhao, Kevin and Basart, Steven and Steinhardt, Jacob and Song, Dawn},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2021}
}""",
    image_folders={"imagenet-adversarial/imagenet-a": "CoOp", "imagenet-a": "the archive as it unpacks"},
)
