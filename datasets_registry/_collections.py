"""Collections of datasets that papers evaluate together, by the name that `all-of NAME` takes."""

from collections.abc import Mapping, Sequence

from datasets_registry._errors import UnknownNameError

COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    # the eleven datasets of Zhou et al., "Learning to Prompt for Vision-Language Models", in the order of its tables
    "coop": (
        "imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft",
        "sun397", "dtd", "eurosat", "ucf101",
    ),
    # the targets of domain generalisation of the same paper
    "imagenet_shifts": ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r"),
    # the eleven datasets of Koleilat et al., "BiomedCoOp", CVPR 2025
    "biomed": (
        "ctkidney", "dermamnist", "kvasir", "retina", "lc25000", "chmnist", "btmri", "octmnist", "busi", "covid_qu_ex",
        "kneexray",
    ),
    # the ten datasets of El Khoury et al., "Few-Shot Adaptation Benchmark for Remote Sensing VLMs", arXiv 2510.07135
    "satellite": (
        "aid", "eurosat", "mlrsnet", "optimal31", "patternnet", "resisc45", "rsc11", "rsicb128", "rsicb256",
        "whu_rs19",
    ),
    # the four targets of Guo et al., "A Broader Study of Cross-Domain Few-Shot Learning" (BSCD-FSL), ECCV 2020
    "cross_domain": ("crop_disease", "eurosat", "isic2018", "chestx"),
    # the domains of Li et al., "Deeper, Broader and Artier Domain Generalization", ICCV 2017
    "pacs": ("pacs_art", "pacs_cartoon", "pacs_photo", "pacs_sketch"),
    # the domains of Venkateswara et al., "Deep Hashing Network for Unsupervised Domain Adaptation", CVPR 2017
    "office_home": ("office_home_art", "office_home_clipart", "office_home_product", "office_home_real"),
    # the shifts of Koh et al., "WILDS", ICML 2021, that are registered
    "wilds": ("camelyon17", "iwildcam"),
}  # fmt: skip
"""The names of the datasets of each collection."""


def datasets_of(collections: Sequence[str]) -> list[str]:
    """The datasets of these collections in their order, each once; raises UnknownNameError for an unknown name.

    Example:
        >>> datasets_of(["imagenet_shifts"])
        ['imagenet_v2', 'imagenet_sketch', 'imagenet_a', 'imagenet_r']
    """
    for name in collections:
        if name not in COLLECTIONS:
            raise UnknownNameError("collection", name, COLLECTIONS)
    return list(dict.fromkeys(dataset for name in collections for dataset in COLLECTIONS[name]))
