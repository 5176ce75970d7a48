"""CTKidney: cysts, stones, tumours and normal kidneys on CT slices.

Islam et al., "Vision Transformer and Explainable Transfer Learning Models for Auto Detection of Kidney Cyst, Stone
and Tumor from CT-radiography", Scientific Reports, 2022.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "ctkidney",
    title="CTKidney",
    summary="Cysts, stones, tumours and normal kidneys on CT slices.",
    domain="medical: CT",
    expected={"train": 6221, "val": 2487, "test": 3738},
    known_problems=("Slices of one patient may be in several parts.",),
    licence="not verified; see its Kaggle page",
    homepage="https://www.kaggle.com/datasets/nazmul0087/ct-kidney-dataset-normal-cyst-tumor-and-stone",
    citation="""@article{islam2022kidney,
  title = {Vision Transformer and Explainable Transfer Learning Models for Auto Detection of Kidney Cyst, Stone and
    Tumor from {CT}-radiography},
  author = {Islam, Md Nazmul and Hasan, Mehedi and Hossain, Md Kabir and Alam, Md Golam Rabiul and others},
  journal = {Scientific Reports},
  volume = {12},
  pages = {11440},
  year = {2022}
}""",
    folder="CTKidney",
    split_file="split_CTKidney.json",
    image_folder="CTKidney",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/CTKidney/split_CTKidney.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
