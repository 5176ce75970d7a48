"""LC25000: two kinds of colon and three of lung tissue on histology images.

Borkowski et al., "Lung and Colon Cancer Histopathological Image Dataset (LC25000)", arXiv 1912.12142.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "lc25000",
    title="LC25000",
    summary="Two kinds of colon and three of lung tissue on histology images.",
    domain="medical: histopathology",
    expected={"train": 12500, "val": 5000, "test": 7500},
    known_problems=("Its 25,000 images are augmentations of 1,250, so copies of one image are in several parts.",),
    licence="not verified; see its Kaggle page",
    homepage="https://www.kaggle.com/datasets/andrewmvd/lung-and-colon-cancer-histopathological-images",
    citation="""@misc{borkowski2019lc25000,
  title = {Lung and Colon Cancer Histopathological Image Dataset ({LC25000})},
  author = {Borkowski, Andrew A. and Bui, Marilyn M. and Thomas, L. Brannon and Wilson, Catherine P. and
    DeLand, Lauren A. and Mastorides, Stephen M.},
  howpublished = {arXiv:1912.12142},
  year = {2019}
}""",
    folder="LungColon",
    split_file="split_LungColon.json",
    image_folder="LungColon",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/LungColon/split_LungColon.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
