"""KneeXray: five grades of osteoarthritis on X-rays of knees.

Chen, "Knee Osteoarthritis Severity Grading Dataset", Mendeley Data, 2018.
Split file, class names and template are those of BiomedCoOp (Koleilat et al., CVPR 2025).
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "kneexray",
    title="KneeXray",
    summary="Five grades of osteoarthritis on X-rays of knees.",
    domain="medical: X-ray",
    expected={"train": 5778, "val": 826, "test": 1656},
    known_problems=("Grades are ordered and neighbours are hard to tell apart, also for readers.",),
    licence="not verified; see its Kaggle page",
    homepage="https://www.kaggle.com/datasets/shashwatwork/knee-osteoarthritis-dataset-with-severity",
    citation="""@misc{chen2018knee,
  title = {Knee Osteoarthritis Severity Grading Dataset},
  author = {Chen, Pingjun},
  howpublished = {Mendeley Data},
  year = {2018}
}""",
    folder="KneeXray",
    split_file="split_KneeXray.json",
    image_folder="KneeXray",
    split_url="https://github.com/HealthX-Lab/BiomedCoOp/blob/main/data/KneeXray/split_KneeXray.json",
    images_url="https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp",
    other_folders={},
)
