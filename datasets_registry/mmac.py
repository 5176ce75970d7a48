"""MMAC: five stages of myopic maculopathy on fundus photographs that were published in 2023.

Qian et al., "A Competition for the Diagnosis of Myopic Maculopathy by Artificial Intelligence Algorithms", 2024. It is
here because it is newer than the backbones: its photographs were given out for a challenge of MICCAI 2023, on
registration, after CLIP (2021) and LAION-2B (2022) were published. Train and test are the lists of SS-Text-U
(jusiro/SS-Text-U), from the challenge's training and validation images; 4 training images of each class are val. Names
are those of SS-Text-U, and the template is FLAIR's there.
"""

from datasets_registry._readers.one_hot_tables import register_one_hot_dataset

register_one_hot_dataset(
    "mmac",
    title="MMAC",
    summary="Five stages of myopic maculopathy on fundus photographs of 2023, newer than CLIP and LAION-2B.",
    domain="medical: fundus photography",
    template="a fundus photograph of {}",
    expected={"train": 970, "val": 20, "test": 215},
    known_problems=(
        "A class has 7 test images and another one 8, so class-wise accuracies are coarse.",
        "The lists do not say which images are of one patient.",
    ),
    licence="not verified (registration at the challenge)",
    homepage="https://codalab.lisn.upsaclay.fr/competitions/12441",
    citation="""@article{qian2024competition,
  title = {A Competition for the Diagnosis of Myopic Maculopathy by Artificial Intelligence Algorithms},
  author = {Qian, Bo and Sheng, Bin and Chen, Hao and Wang, Xiangning and Li, Tingyao and others},
  journal = {JAMA Ophthalmology},
  year = {2024}
}""",
    image_folders={"mmac/images": "one folder"},
    columns=(
        "no retinal lesion",
        "tessellated fundus",
        "diffuse chorioretinal atrophy",
        "patchy chorioretinal atrophy",
        "macular atrophy",
    ),
    tables={"train": "MMAC_A_train.csv", "test": "MMAC_A_test.csv"},
    images_url="https://codalab.lisn.upsaclay.fr/competitions/12441",
    held_out=4,
)
