import json
import math
import os

from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum


class SplitFile(DatasetBase):
    """A dataset whose split is a JSON file: lists of [path, label, class name]."""

    dataset_dir = image_dir = split_file = ""

    def __init__(self, cfg):
        folder = os.path.join(os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT)), self.dataset_dir)
        with open(os.path.join(folder, self.split_file)) as file:
            split = json.load(file)
        parts = [
            [
                Datum(os.path.join(folder, self.image_dir, path), label, classname=name)
                for path, label, name in split[part]
            ]
            for part in ("train", "val", "test")
        ]
        shots = cfg.DATASET.NUM_SHOTS
        train, val = self.few_of(parts[0], shots), self.few_of(parts[1], min(shots, 4))
        subsample = cfg.DATASET.SUBSAMPLE_CLASSES
        super().__init__(
            **dict(zip(("train_x", "val", "test"), self.selected(subsample, train, val, parts[2]), strict=True))
        )

    @staticmethod
    def selected(subsample, *parts):
        labels = sorted({item.label for item in parts[0]})
        half = math.ceil(len(labels) / 2)
        chosen = {"all": labels, "base": labels[:half], "new": labels[half:]}[subsample]
        place = {label: i for i, label in enumerate(chosen)}
        return [
            [Datum(one.impath, place[one.label], classname=one.classname) for one in part if one.label in place]
            for part in parts
        ]


@DATASET_REGISTRY.register()
class EuroSAT(SplitFile):
    dataset_dir, image_dir, split_file = "eurosat", "2750", "split_zhou_EuroSAT.json"
