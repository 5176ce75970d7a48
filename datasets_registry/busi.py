"""BUSI: benign and malignant tumours and normal scans on breast ultrasound.

Al-Dhabyani et al., "Dataset of Breast Ultrasound Images", Data in Brief, 2020.
Body Atlas Models found no licence on the page of Cairo University (2026-09-17).
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "busi",
    folder="BUSI",
    title="BUSI",
    summary="Benign and malignant tumours and normal scans on breast ultrasound.",
    domain="medical: ultrasound",
    expected={"train": 389, "val": 155, "test": 236},
    known_problems=("Images of one patient may be in several parts. File names do not give the patient.",),
    licence="not stated (its page at Cairo University)",
    homepage="https://www.kaggle.com/datasets/aryashah2k/breast-ultrasound-images-dataset",
    citation="""@article{aldhabyani2020busi,
  title = {Dataset of Breast Ultrasound Images},
  author = {Al-Dhabyani, Walid and Gomaa, Mohammed and Khaled, Hussien and Fahmy, Aly},
  journal = {Data in Brief},
  volume = {28},
  pages = {104863},
  year = {2020}
}""",
)
