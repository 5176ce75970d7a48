"""SICAPv2: Gleason grades of prostate cancer on 512x512 patches, tested on other patients.

Silva-Rodriguez et al., "Going Deeper Through the Gleason Scoring Scale", 2020. Train and test are the lists of
SS-Text-U (jusiro/SS-Text-U); 25 of the 124 training slides are val. The names are CONCH's captions there, and so is the
template.
"""

from datasets_registry._readers.one_hot_tables import register_one_hot_dataset

register_one_hot_dataset(
    "sicapv2",
    title="SICAPv2",
    summary="Gleason grades of prostate cancer on stained patches.",
    domain="medical: histopathology",
    template="an H&E image of {}.",
    expected={"train": 8081, "val": 1878, "test": 2122},
    known_problems=("Cribriform patches (G4C) count as grade 4.",),
    groups="slide or block, the number before the first underscore of a file name",
    licence="not verified (its page on Mendeley Data)",
    homepage="https://data.mendeley.com/datasets/9xxm58dvs3/2",
    citation=r"""@article{silva2020going,
  title = {Going Deeper Through the {Gleason} Scoring Scale: An Automatic End-to-end System for Histology Prostate
    Grading and Cribriform Pattern Detection},
  author = {Silva-Rodr{\'\i}guez, Julio and Colomer, Adri{\'a}n and Sales, Mar{\'\i}a A. and Molina, Rafael and
    Naranjo, Valery},
  journal = {Computer Methods and Programs in Biomedicine},
  volume = {195},
  pages = {105637},
  year = {2020}
}""",
    image_folders={"sicapv2/images": "the archive as it unpacks", "SICAPv2/images": "the archive as it unpacks"},
    columns=("NC", "G3", "G4", "G5"),
    tables={"train": "SICAPv2_train.csv", "test": "SICAPv2_test.csv"},
    images_url="https://data.mendeley.com/datasets/9xxm58dvs3/2",
    group_pattern=r"([^_]+)_",
    held_out=25,
)
