"""LC25000: two kinds of colon and three of lung tissue on histology images.

Borkowski et al., "Lung and Colon Cancer Histopathological Image Dataset (LC25000)", arXiv 1912.12142.
The README of tampapath/lung_colon_image_set, where the authors publish it, names no licence.
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "lc25000",
    folder="LungColon",
    title="LC25000",
    summary="Two kinds of colon and three of lung tissue on histology images.",
    domain="medical: histopathology",
    expected={"train": 12500, "val": 5000, "test": 7500},
    known_problems=(
        "Its 25,000 images are augmentations of 1,250, so copies of one image are in several parts. File names do not "
        "give the original.",
    ),
    licence="not stated (its repository)",
    homepage="https://www.kaggle.com/datasets/andrewmvd/lung-and-colon-cancer-histopathological-images",
    citation="""@misc{borkowski2019lc25000,
  title = {Lung and Colon Cancer Histopathological Image Dataset ({LC25000})},
  author = {Borkowski, Andrew A. and Bui, Marilyn M. and Thomas, L. Brannon and Wilson, Catherine P. and
    DeLand, Lauren A. and Mastorides, Stephen M.},
  howpublished = {arXiv:1912.12142},
  year = {2019}
}""",
)
