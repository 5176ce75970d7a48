"""Food-101: 101 dishes.

Bossard, Guillaumin and Van Gool, "Food-101 -- Mining Discriminative Components with Random Forests", ECCV 2014. CoOp's
random 50/20/30 split of all 101,000 images ignores the official split. The official training images are uncleaned on
purpose, so their label noise is also in val and test. The template has no article.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "food101",
    title="Food101",
    summary="101 dishes on amateur photographs, some of them mislabelled.",
    domain="food",
    template="a photo of {}, a type of food.",
    template_variants={"tcp": "a photo of a {}, a type of food.", "prograd": "a type of food, a photo of {}."},
    expected={"train": 50500, "val": 20200, "test": 30300},
    known_problems=("The official training images are uncleaned; CoOp mixes them into val and test.",),
    licence="Foodspotting images; scientific fair use only (its license_agreement.txt)",
    homepage="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
    citation="""@inproceedings{bossard2014food,
  title = {{Food-101} -- Mining Discriminative Components with Random Forests},
  author = {Bossard, Lukas and Guillaumin, Matthieu and Van Gool, Luc},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year = {2014}
}""",
    folder="food-101",
    split_file="split_zhou_Food101.json",
    image_folder="images",
    split_url="https://drive.google.com/file/d/1QK0tGi096I0Ba6kggatX1ee6dJFIcEJl",
    images_url="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
    other_folders={"food-101/food-101/images": "nested once more", "food101/images": "Hugging Face"},
)
