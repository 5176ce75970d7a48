"""DermaMNIST: seven kinds of skin lesions on small dermatoscopic images, from HAM10000 of the ISIC archive.

Yang et al., "MedMNIST v2", Scientific Data, 2023, from Tschandl et al., "The HAM10000 Dataset", 2018.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "dermamnist",
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
    folder="DermaMNIST",
    split_file="split_DermaMNIST.json",
    image_folder="DermaMNIST",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/DermaMNIST/split_DermaMNIST.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
