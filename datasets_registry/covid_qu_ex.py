"""COVID-QU-Ex: COVID-19, two other findings and normal lungs on chest X-rays.

Chowdhury et al., "Can AI Help in Screening Viral and COVID-19 Pneumonia?", IEEE Access, 2020.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "covid_qu_ex",
    title="COVID-QU-Ex",
    summary="COVID-19, two other findings and normal lungs on chest X-rays.",
    domain="medical: X-ray",
    expected={"train": 10582, "val": 4232, "test": 6351},
    known_problems=("Classes come from different sources, which a classifier can tell apart without the disease.",),
    licence="not verified; see its Kaggle page",
    homepage="https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
    citation="""@article{chowdhury2020covid,
  title = {Can {AI} Help in Screening Viral and {COVID-19} Pneumonia?},
  author = {Chowdhury, Muhammad E. H. and Rahman, Tawsifur and Khandakar, Amith and Mazhar, Rashid and others},
  journal = {IEEE Access},
  volume = {8},
  pages = {132665--132676},
  year = {2020}
}""",
    folder="COVID_19",
    split_file="split_COVID_19.json",
    image_folder="COVID_19",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/COVID_19/split_COVID_19.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
