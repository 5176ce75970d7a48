"""Caltech101: 100 kinds of objects on plain photographs.

Fei-Fei, Fergus and Perona, "Learning Generative Visual Models from Few Training Examples", CVPR Workshops 2004. CoOp
drops the folders `BACKGROUND_Google` and `Faces_easy` and renames four others (airplanes, Faces, Leopards, Motorbikes
-> airplane, face, leopard, motorbike); labels follow the sorted folder names, capitals first. The 50/20/30 split is
random. VTAB and the CLIP paper keep 101 or 102 classes, so their numbers are for another task.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "caltech101",
    title="Caltech101",
    summary="100 kinds of objects, one per image; CLIP knows nearly all of them.",
    domain="generic objects",
    expected={"train": 4128, "val": 1649, "test": 2465},
    known_problems=(
        "Two of the 102 folders are dropped; VTAB and the CLIP paper keep them.",
        "Some images are greyscale.",
    ),
    licence="CC BY 4.0 (CaltechDATA)",
    homepage="https://data.caltech.edu/records/20086",
    citation="""@inproceedings{feifei2004learning,
  title = {Learning Generative Visual Models from Few Training Examples: An Incremental {Bayesian} Approach Tested on
           101 Object Categories},
  author = {Fei-Fei, Li and Fergus, Rob and Perona, Pietro},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition Workshops},
  year = {2004}
}""",
    folder="caltech-101",
    split_file="split_zhou_Caltech101.json",
    image_folder="101_ObjectCategories",
    split_url="https://drive.google.com/file/d/1hyarUivQE36mY6jSomru6Fjd-JzwcCzN",
    images_url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
    other_folders={"caltech101/101_ObjectCategories": "torchvision"},
)
