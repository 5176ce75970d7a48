"""Kvasir: eight findings of the digestive tract on endoscopy images.

Pogorelov et al., "KVASIR: A Multi-Class Image Dataset for Computer Aided Gastrointestinal Disease Detection", 2017.
The licence is from the terms of use at https://datasets.simula.no/kvasir/.
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "kvasir",
    folder="Kvasir",
    title="Kvasir",
    summary="Eight findings of the digestive tract on endoscopy images.",
    domain="medical: endoscopy",
    expected={"train": 2000, "val": 800, "test": 1200},
    known_problems=(
        "Some images have a green inset, which is more frequent in some classes.",
        "The source gives no patients. File names show five recordings of ulcerative colitis only.",
    ),
    group_pattern=r"/([0-9a-f-]{36})_\d+\.jpg$",
    groups="recording, of the 115 images whose file names end in the number of a frame",
    licence="for research and education only (Simula)",
    homepage="https://www.kaggle.com/datasets/abdallahwagih/kvasir-dataset-for-classification-and-segmentation",
    citation="""@inproceedings{pogorelov2017kvasir,
  title = {{KVASIR}: A Multi-Class Image Dataset for Computer Aided Gastrointestinal Disease Detection},
  author = {Pogorelov, Konstantin and Randel, Kristin Ranheim and Griwodz, Carsten and Eskeland, Sigrun Losada and
    others},
  booktitle = {ACM Multimedia Systems Conference (MMSys)},
  year = {2017}
}""",
)
