"""OCTMNIST: three diseases and normal retinas on small optical coherence tomography scans.

Yang et al., "MedMNIST v2", Scientific Data, 2023, from Kermany et al., Cell, 2018.
"""

from datasets_registry._readers.register_datasets import MEDMNIST_PAPER, register_biomedcoop_dataset

register_biomedcoop_dataset(
    "octmnist",
    folder="OCTMNIST",
    title="OCTMNIST",
    summary="Three diseases and normal retinas on small optical coherence tomography scans.",
    domain="medical: OCT",
    expected={"train": 97476, "val": 10832, "test": 1000},
    known_problems=(
        "The split file lists 97,476 training images; MedMNIST has 97,477.",
        "Images of one patient may be in train and val, which MedMNIST draws from one list.",
    ),
    licence="CC BY 4.0 (MedMNIST)",
    homepage="https://medmnist.com/",
    citation=MEDMNIST_PAPER,
)
