"""RSC11: 11 kinds of scenes on 1,232 aerial images.

Zhao et al., "Feature Significance-based Multibag-of-Visual-Words Model for Remote Sensing Image Scene Classification",
2016. No split is published. 50, 20 and 30 % of each class are train, val and test by a hash of the file names. Class
names and template are those of the few-shot benchmark of remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv
2510.07135).
"""

from datasets_registry._readers.register_datasets import SIZES_UNKNOWN, register_class_folders

register_class_folders(
    "rsc11",
    title="RSC11",
    summary="11 kinds of scenes on aerial images from Google Earth; a small dataset.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    known_problems=("The split is this project's, since none is published.", SIZES_UNKNOWN),
    licence="not verified; images from Google Earth",
    homepage="https://doi.org/10.1117/1.JRS.10.035004",
    citation="""@article{zhao2016feature,
  title = {Feature Significance-based Multibag-of-Visual-Words Model for Remote Sensing Image Scene Classification},
  author = {Zhao, Lijun and Tang, Ping and Huo, Lianzhi},
  journal = {Journal of Applied Remote Sensing},
  volume = {10},
  number = {3},
  pages = {035004},
  year = {2016}
}""",
    image_folders={"rsc11/RSC11": "one folder a class"},
    images_url="https://huggingface.co/datasets/jonathan-roberts1/RS_C11",
)
