"""CHMNIST: eight kinds of tissue on patches of colorectal histology.

Kather et al., "Multi-class Texture Analysis in Colorectal Cancer Histology", Scientific Reports, 2016.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "chmnist",
    title="CHMNIST",
    summary="Eight kinds of tissue on patches of colorectal histology.",
    domain="medical: histopathology",
    expected={"train": 2496, "val": 1000, "test": 1504},
    known_problems=("Patches of one slide may be in several parts.",),
    licence="CC BY 4.0 (Zenodo 53169)",
    homepage="https://www.kaggle.com/datasets/kmader/colorectal-histology-mnist",
    citation="""@article{kather2016texture,
  title = {Multi-class Texture Analysis in Colorectal Cancer Histology},
  author = {Kather, Jakob Nikolas and Weis, Cleo-Aron and Bianconi, Francesco and Melchers, Susanne M. and
    Schad, Lothar R. and Gaiser, Timo and Marx, Alexander and Z{\"o}llner, Frank Gerrit},
  journal = {Scientific Reports},
  volume = {6},
  pages = {27988},
  year = {2016}
}""",
    folder="CHMNIST",
    split_file="split_CHMNIST.json",
    image_folder="CHMNIST",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/CHMNIST/split_CHMNIST.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
