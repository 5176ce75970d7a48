"""KneeXray: five grades of osteoarthritis on X-rays of knees.

Chen, "Knee Osteoarthritis Severity Grading Dataset", Mendeley Data, 2018.
The licence is that of Mendeley Data, doi 10.17632/56rmx5bjcr.1, whose parts have these sizes too.
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "kneexray",
    folder="KneeXray",
    title="KneeXray",
    summary="Five grades of osteoarthritis on X-rays of knees.",
    domain="medical: X-ray",
    expected={"train": 5778, "val": 826, "test": 1656},
    known_problems=("Grades are ordered and neighbours are hard to tell apart, also for readers.",),
    group_pattern=r"/(\d{7})[LR]\.png$",
    groups="patient (the participant of the Osteoarthritis Initiative in file names, such as 9000622L)",
    licence="CC BY 4.0 (Mendeley Data)",
    homepage="https://www.kaggle.com/datasets/shashwatwork/knee-osteoarthritis-dataset-with-severity",
    citation="""@misc{chen2018knee,
  title = {Knee Osteoarthritis Severity Grading Dataset},
  author = {Chen, Pingjun},
  howpublished = {Mendeley Data},
  year = {2018}
}""",
)
