"""DermaMNIST: seven kinds of skin lesions on small dermatoscopic images, from HAM10000 of the ISIC archive.

Yang et al., "MedMNIST v2", Scientific Data, 2023, from Tschandl et al., "The HAM10000 Dataset", 2018.
"""

from datasets_registry._readers.register_datasets import MEDMNIST_PAPER, register_biomedcoop_dataset

register_biomedcoop_dataset(
    "dermamnist",
    folder="DermaMNIST",
    title="DermaMNIST",
    summary="Seven kinds of skin lesions on small dermatoscopic images, from HAM10000 of the ISIC archive.",
    domain="medical: dermatoscopy",
    expected={"train": 7006, "val": 1003, "test": 2005},
    known_problems=("The split file lists 7,006 training images; MedMNIST has 7,007.",),
    licence="CC BY-NC 4.0 (MedMNIST)",
    homepage="https://medmnist.com/",
    citation=MEDMNIST_PAPER,
)
