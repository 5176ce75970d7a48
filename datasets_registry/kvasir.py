"""Kvasir: eight findings of the digestive tract on endoscopy images.

Pogorelov et al., "KVASIR: A Multi-Class Image Dataset for Computer Aided Gastrointestinal Disease Detection", 2017.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "kvasir",
    title="Kvasir",
    summary="Eight findings of the digestive tract on endoscopy images.",
    domain="medical: endoscopy",
    expected={"train": 2000, "val": 800, "test": 1200},
    known_problems=("Some images have a green inset, which is more frequent in some classes.",),
    licence="not verified; see its page",
    homepage="https://www.kaggle.com/datasets/abdallahwagih/kvasir-dataset-for-classification-and-segmentation",
    citation="""@inproceedings{pogorelov2017kvasir,
  title = {{KVASIR}: A Multi-Class Image Dataset for Computer Aided Gastrointestinal Disease Detection},
  author = {Pogorelov, Konstantin and Randel, Kristin Ranheim and Griwodz, Carsten and Eskeland, Sigrun Losada and
    others},
  booktitle = {ACM Multimedia Systems Conference (MMSys)},
  year = {2017}
}""",
    folder="Kvasir",
    split_file="split_Kvasir.json",
    image_folder="Kvasir",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/Kvasir/split_Kvasir.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
