"""ISIC 2018: seven kinds of skin lesions on dermatoscopic images, from HAM10000.

Tschandl et al., "The HAM10000 Dataset", Scientific Data, 2018, with the images of the benchmark of cross-domain
few-shot learning (BSCD-FSL, Guo et al., ECCV 2020): the training images of task 3, of which that benchmark draws trials
of five classes. Here, the lesions of each class are divided by a hash, 50, 20 and 30 % into train, val and test, since
many lesions have several images. Names are those of BiomedCoOp for DermaMNIST, smaller copies of the same images.
"""

from datasets_registry._readers.one_hot_tables import register_one_hot_dataset
from datasets_registry._readers.register_datasets import PLAIN_TEMPLATE, SIZES_UNKNOWN

register_one_hot_dataset(
    "isic2018",
    title="ISIC 2018",
    summary="Seven kinds of skin lesions on dermatoscopic images.",
    domain="medical: dermatoscopy",
    template=PLAIN_TEMPLATE,
    known_problems=("The split is this project's; BSCD-FSL draws 600 trials of five classes.", SIZES_UNKNOWN),
    groups="lesion (ISIC2018_Task3_Training_LesionGroupings.csv)",
    licence="CC BY-NC 4.0 (HAM10000)",
    homepage="https://challenge.isic-archive.com/data/#2018",
    citation="""@article{tschandl2018ham10000,
  title = {The {HAM10000} Dataset, a Large Collection of Multi-source Dermatoscopic Images of Common Pigmented Skin
    Lesions},
  author = {Tschandl, Philipp and Rosendahl, Cliff and Kittler, Harald},
  journal = {Scientific Data},
  volume = {5},
  pages = {180161},
  year = {2018}
}""",
    image_folders={"isic2018/ISIC2018_Task3_Training_Input": "the archive as it unpacks"},
    columns=("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
    tables={"train": "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"},
    images_url="https://challenge.isic-archive.com/data/#2018",
    path_column="image",
    suffix=".jpg",
    group_table=("ISIC2018_Task3_Training_LesionGroupings.csv", "image", "lesion_id"),
)
