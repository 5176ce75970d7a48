from dassl.data.datasets import DATASET_REGISTRY

from .eurosat import SplitFile


@DATASET_REGISTRY.register()
class DescribableTextures(SplitFile):
    dataset_dir, image_dir, split_file = "dtd", "images", "split_zhou_DescribableTextures.json"
