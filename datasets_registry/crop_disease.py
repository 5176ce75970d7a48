"""CropDisease: 38 crops with and without a disease on photographs of leaves, from PlantVillage.

Mohanty et al., "Using Deep Learning for Image-Based Plant Disease Detection", 2016, with the images of the benchmark of
cross-domain few-shot learning (BSCD-FSL, Guo et al., ECCV 2020): the folder `dataset/train` of the archive, of which
that benchmark draws trials of five classes. Here, 50, 20 and 30 % of each class are train, val and test by a hash of
the file names. Names are the folders' with spaces for underscores.
"""

from datasets_registry._readers.register_datasets import PLAIN_TEMPLATE, SIZES_UNKNOWN, register_class_folders

register_class_folders(
    "crop_disease",
    title="CropDisease",
    summary="38 crops with and without a disease on photographs of single leaves.",
    domain="plant disease",
    template=PLAIN_TEMPLATE,
    known_problems=(
        "The split is this project's; BSCD-FSL draws 600 trials of five classes.",
        "Several photographs show one leaf, and file names do not say which.",
        SIZES_UNKNOWN,
    ),
    licence="not verified (its page on Kaggle)",
    homepage="https://www.kaggle.com/saroz014/plant-disease",
    citation=r"""@article{mohanty2016using,
  title = {Using Deep Learning for Image-Based Plant Disease Detection},
  author = {Mohanty, Sharada P. and Hughes, David P. and Salath{\'e}, Marcel},
  journal = {Frontiers in Plant Science},
  volume = {7},
  pages = {1419},
  year = {2016}
}""",
    image_folders={"crop_disease/dataset/train": "the archive as it unpacks", "CropDiseases/dataset/train": "BSCD-FSL"},
    images_url="https://www.kaggle.com/saroz014/plant-disease",
)
