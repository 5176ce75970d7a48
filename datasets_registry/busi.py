"""BUSI: benign and malignant tumours and normal scans on breast ultrasound.

Al-Dhabyani et al., "Dataset of Breast Ultrasound Images", Data in Brief, 2020.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "busi",
    title="BUSI",
    summary="Benign and malignant tumours and normal scans on breast ultrasound.",
    domain="medical: ultrasound",
    expected={"train": 389, "val": 155, "test": 236},
    known_problems=("Images of one patient may be in several parts.",),
    licence="not verified; see its Kaggle page",
    homepage="https://www.kaggle.com/datasets/aryashah2k/breast-ultrasound-images-dataset",
    citation="""@article{aldhabyani2020busi,
  title = {Dataset of Breast Ultrasound Images},
  author = {Al-Dhabyani, Walid and Gomaa, Mohammed and Khaled, Hussien and Fahmy, Aly},
  journal = {Data in Brief},
  volume = {28},
  pages = {104863},
  year = {2020}
}""",
    folder="BUSI",
    split_file="split_BUSI.json",
    image_folder="BUSI",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/BUSI/split_BUSI.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
