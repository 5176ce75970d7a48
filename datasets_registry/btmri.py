"""BTMRI: three kinds of brain tumours and normal brains on MRI slices.

Nickparvar, "Brain Tumor MRI Dataset", Kaggle, 2021.
Reports of the licence differ: CC0 (PELAB-LiU/JunoBench) and CC BY 4.0 (Body Atlas Models, 2026-09-17).
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "btmri",
    folder="BTMRI",
    title="BTMRI",
    summary="Three kinds of brain tumours and normal brains on MRI slices.",
    domain="medical: MRI",
    expected={"train": 2854, "val": 1141, "test": 1717},
    known_problems=("Slices of one patient may be in several parts. The source does not give the patients.",),
    licence="not verified: its Kaggle page is reported as CC0 and as CC BY 4.0",
    homepage="https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
    citation="""@misc{nickparvar2021btmri,
  title = {Brain Tumor {MRI} Dataset},
  author = {Nickparvar, Msoud},
  howpublished = {Kaggle},
  year = {2021}
}""",
)
