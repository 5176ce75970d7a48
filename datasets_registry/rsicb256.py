"""RSI-CB256: 35 kinds of scenes on 256x256 satellite and aerial images, more than 24,000 in all.

Li et al., "RSI-CB: A Large-Scale Remote Sensing Image Classification Benchmark Using Crowdsourced Data", 2020. No split
is published. 50, 20 and 30 % of each class are train, val and test by a hash of the file names. Class names and
template are those of the few-shot benchmark of remote-sensing models (elkhouryk/fewshot_RSVLMs, arXiv 2510.07135).
"""

from datasets_registry._readers.register_datasets import RSI_CB_PAPER, SIZES_UNKNOWN, register_class_folders

register_class_folders(
    "rsicb256",
    title="RSI-CB256",
    summary="35 kinds of scenes on images of 256x256 pixels with 0.3 to 3 m per pixel.",
    domain="satellite scenes",
    template="a satellite photo of {}.",
    known_problems=("The split is this project's, since none is published.", SIZES_UNKNOWN),
    licence="not stated (its repository)",
    homepage="https://github.com/lehaifeng/RSI-CB",
    citation=RSI_CB_PAPER,
    image_folders={"rsicb256/RSI-CB256": "one folder a class"},
    images_url="https://github.com/lehaifeng/RSI-CB",
)
