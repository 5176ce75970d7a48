"""Stanford Cars: 196 makes, models and years of cars.

Krause et al., "3D Object Representations for Fine-Grained Categorization", 3DRR 2013. Test images are the official
ones; CoOp splits the official training images 80/20 and moves the year to the front of the name ("2012 Audi TTS
Coupe"). The split file lists images in file order, not by class. The official host is gone. Copies on Kaggle have an
additional folder level, or one folder per class; both are recognised.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "stanford_cars",
    title="Stanford Cars",
    summary="196 makes, models and years of cars; fine-grained, with the year in the name.",
    domain="fine-grained vehicles",
    expected={"train": 6509, "val": 1635, "test": 8041},
    known_problems=(
        "The official host is gone; only copies remain.",
        "One class name has a slash: 2012 Ram C/V Cargo Van Minivan.",
    ),
    licence="for non-commercial research",
    homepage="https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
    citation="""@inproceedings{krause2013cars,
  title = {{3D} Object Representations for Fine-Grained Categorization},
  author = {Krause, Jonathan and Stark, Michael and Deng, Jia and Fei-Fei, Li},
  booktitle = {IEEE International Conference on Computer Vision Workshops (3DRR)},
  year = {2013}
}""",
    folder="stanford_cars",
    split_file="split_zhou_StanfordCars.json",
    image_folder="",
    split_url="https://drive.google.com/file/d/1ObCFbaAgVu0I-k_Au-gIUcefirdAuizT",
    images_url="https://github.com/pytorch/vision/issues/7545",
    other_folders={"stanford-cars-dataset": "Kaggle"},
    folder_aliases={"cars_train": ("train",), "cars_test": ("test",)},
)
