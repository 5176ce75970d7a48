"""DermaMNIST: seven kinds of skin lesions on small dermatoscopic images, from HAM10000 of the ISIC archive.

Yang et al., "MedMNIST v2", Scientific Data, 2023, from Tschandl et al., "The HAM10000 Dataset", 2018.
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

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
    citation="""@article{yang2023medmnist,
  title = {{MedMNIST} v2: A Large-scale Lightweight Benchmark for 2{D} and 3{D} Biomedical Image Classification},
  author = {Yang, Jiancheng and Shi, Rui and Wei, Donglai and Liu, Zequan and Zhao, Lin and Ke, Bilian and others},
  journal = {Scientific Data},
  volume = {10},
  pages = {41},
  year = {2023}
}""",
)
