"""BTMRI: three kinds of brain tumours and normal brains on MRI slices.

Nickparvar, "Brain Tumor MRI Dataset", Kaggle, 2021.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "btmri",
    title="BTMRI",
    summary="Three kinds of brain tumours and normal brains on MRI slices.",
    domain="medical: MRI",
    expected={"train": 2854, "val": 1141, "test": 1717},
    known_problems=("Slices of one patient may be in several parts.",),
    licence="not verified; see its Kaggle page",
    homepage="https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
    citation="""@misc{nickparvar2021btmri,
  title = {Brain Tumor {MRI} Dataset},
  author = {Nickparvar, Msoud},
  howpublished = {Kaggle},
  year = {2021}
}""",
    folder="BTMRI",
    split_file="split_BTMRI.json",
    image_folder="BTMRI",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/BTMRI/split_BTMRI.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
