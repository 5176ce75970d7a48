"""COVID-QU-Ex: COVID-19, two other findings and normal lungs on chest X-rays.

Chowdhury et al., "Can AI Help in Screening Viral and COVID-19 Pneumonia?", IEEE Access, 2020.
Its Kaggle page says "Data files © Original Authors" (read by Body Atlas Models, 2026-09-17).
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "covid_qu_ex",
    folder="COVID_19",
    title="COVID-QU-Ex",
    summary="COVID-19, two other findings and normal lungs on chest X-rays.",
    domain="medical: X-ray",
    expected={"train": 10582, "val": 4232, "test": 6351},
    known_problems=("Classes come from different sources, which a classifier can tell apart without the disease.",),
    licence="not stated; the files belong to their authors (Kaggle)",
    homepage="https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
    citation="""@article{chowdhury2020covid,
  title = {Can {AI} Help in Screening Viral and {COVID-19} Pneumonia?},
  author = {Chowdhury, Muhammad E. H. and Rahman, Tawsifur and Khandakar, Amith and Mazhar, Rashid and others},
  journal = {IEEE Access},
  volume = {8},
  pages = {132665--132676},
  year = {2020}
}""",
)
