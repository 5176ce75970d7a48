"""NCT-CRC: nine kinds of tissue of colorectal cancer on 224x224 patches, tested on other patients.

Kather et al., "Predicting Survival from Colorectal Cancer Histology Slides Using Deep Learning", PLOS Medicine, 2019.
Training images are those of NCT-CRC-HE-100K, of which 100 of each class are val, and test images those of
CRC-VAL-HE-7K. Names are those of SS-Text-U (jusiro/SS-Text-U), and the template is one of CONCH's captions there.
"""

from datasets_registry._readers.register_datasets import register_class_folders

register_class_folders(
    "nct_crc",
    title="NCT-CRC",
    summary="Nine kinds of tissue of colorectal cancer on stained patches.",
    domain="medical: histopathology",
    template="an H&E image of {}.",
    expected={"train": 99100, "val": 900, "test": 7180},
    known_problems=(
        "File names of the training images do not say which of them are of one patient.",
        "The colours of the training images are normalised (Macenko).",
    ),
    licence="CC BY 4.0 (Zenodo 1214456)",
    homepage="https://zenodo.org/records/1214456",
    citation="""@article{kather2019predicting,
  title = {Predicting Survival from Colorectal Cancer Histology Slides Using Deep Learning: A Retrospective Multicenter
    Study},
  author = {Kather, Jakob Nikolas and Krisam, Johannes and Charoentong, Pornpimol and Luedde, Tom and Herpel, Esther and
    others},
  journal = {PLOS Medicine},
  volume = {16},
  number = {1},
  pages = {e1002730},
  year = {2019}
}""",
    image_folders={"nct_crc": "the archives as they unpack", "NCT-CRC": "SS-Text-U"},
    images_url="https://zenodo.org/records/1214456",
    part_folders={"train": "NCT-CRC-HE-100K", "test": "CRC-VAL-HE-7K"},
    held_out=100,
)
