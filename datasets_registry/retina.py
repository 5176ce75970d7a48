"""RETINA: three eye diseases and normal retinas on fundus photographs.

Doddi, "Eye Diseases Classification", Kaggle, 2022.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "retina",
    title="RETINA",
    summary="Three eye diseases and normal retinas on fundus photographs.",
    domain="medical: fundus",
    expected={"train": 2108, "val": 841, "test": 1268},
    known_problems=("Classes come from different sources, which a classifier can tell apart without the disease.",),
    licence="not verified; see its Kaggle page",
    homepage="https://www.kaggle.com/datasets/gunavenkatdoddi/eye-diseases-classification",
    citation="""@misc{doddi2022retina,
  title = {Eye Diseases Classification},
  author = {Doddi, Guna Venkat},
  howpublished = {Kaggle},
  year = {2022}
}""",
    folder="RETINA",
    split_file="split_RETINA.json",
    image_folder="RETINA",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/RETINA/split_RETINA.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
