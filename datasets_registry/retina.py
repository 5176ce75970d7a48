"""RETINA: three eye diseases and normal retinas on fundus photographs.

Doddi, "Eye Diseases Classification", Kaggle, 2022.
A course project that uses it reports the ODbL 1.0; its Kaggle page was not read.
"""

from datasets_registry._readers.register_datasets import register_biomedcoop_dataset

register_biomedcoop_dataset(
    "retina",
    folder="RETINA",
    title="RETINA",
    summary="Three eye diseases and normal retinas on fundus photographs.",
    domain="medical: fundus",
    expected={"train": 2108, "val": 841, "test": 1268},
    known_problems=(
        "Classes come from different sources, which a classifier can tell apart without the disease.",
        "Both eyes of a patient may be in different parts.",
        "1,240 images of cataract and glaucoma have names like `_100_965860.jpg`, as Keras names augmented copies, so "
        "copies of one image may be in several parts.",
    ),
    group_pattern=r"/(\d+)_(?:left|right)(\.jpe?g)$",
    groups="patient, where a file name is a patient's number and an eye, such as 103_left.jpg (as in ODIR-5K, and with "
    ".jpeg in Kaggle's Diabetic Retinopathy Detection)",
    licence="not verified: its Kaggle page is reported as ODbL 1.0",
    homepage="https://www.kaggle.com/datasets/gunavenkatdoddi/eye-diseases-classification",
    citation="""@misc{doddi2022retina,
  title = {Eye Diseases Classification},
  author = {Doddi, Guna Venkat},
  howpublished = {Kaggle},
  year = {2022}
}""",
)
