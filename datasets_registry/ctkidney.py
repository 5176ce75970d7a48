"""CTKidney: cysts, stones, tumours and normal kidneys on CT slices.

Islam et al., "Vision Transformer and Explainable Transfer Learning Models for Auto Detection of Kidney Cyst, Stone
and Tumor from CT-radiography", Scientific Reports, 2022.
The licence is that of its Kaggle page, as Body Atlas Models read it (2026-09-17).
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "ctkidney",
    folder="CTKidney",
    title="CTKidney",
    summary="Cysts, stones, tumours and normal kidneys on CT slices.",
    domain="medical: CT",
    expected={"train": 6221, "val": 2487, "test": 3738},
    known_problems=("Slices of one patient may be in several parts. File names do not give the patient.",),
    licence="CC BY 4.0 (Kaggle)",
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
)
