"""CHMNIST: eight kinds of tissue on patches of colorectal histology.

Kather et al., "Multi-class Texture Analysis in Colorectal Cancer Histology", Scientific Reports, 2016.
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "chmnist",
    folder="CHMNIST",
    title="CHMNIST",
    summary="Eight kinds of tissue on patches of colorectal histology.",
    domain="medical: histopathology",
    expected={"train": 2496, "val": 1000, "test": 1504},
    known_problems=("All ten slides are in every part, so scores say little about new slides.",),
    group_pattern=r"_(CRC-Prim-HE-\d+)",
    groups="slide, one of ten (CRC-Prim-HE-01 to -10 in file names)",
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
)
