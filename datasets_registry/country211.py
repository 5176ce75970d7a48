"""Country211: photographs by the country in which they were taken.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021: 150 train, 50 val and 100
test images of each of 211 countries, from YFCC100M. Folders are ISO 3166 codes in alphabetical order, and names and
template are CLIP's.
"""

from datasets_registry._readers.register_datasets import register_class_folders

register_class_folders(
    "country211",
    title="Country211",
    summary="Photographs by country: 211 places, most without a landmark.",
    domain="geolocation",
    template="a photo i took in {}.",
    expected={"train": 31650, "val": 10550, "test": 21100},
    known_problems=("Images are from YFCC100M, and CLIP was trained on a part of it.",),
    licence="Creative Commons licences chosen by the photographers (its page)",
    homepage="https://github.com/openai/CLIP/blob/main/data/country211.md",
    citation="""@inproceedings{radford2021learning,
  title = {Learning Transferable Visual Models From Natural Language Supervision},
  author = {Radford, Alec and Kim, Jong Wook and Hallacy, Chris and Ramesh, Aditya and Goh, Gabriel and others},
  booktitle = {International Conference on Machine Learning (ICML)},
  year = {2021}
}""",
    image_folders={"country211": "the archive as it unpacks"},
    images_url="https://openaipublic.azureedge.net/clip/data/country211.tgz",
    part_folders={"train": "train", "val": "valid", "test": "test"},
)
