from dassl.utils import Registry

DATASET_REGISTRY = Registry()


class Datum:
    def __init__(self, impath, label, classname):
        self.impath, self.label, self.classname = impath, label, classname


class DatasetBase:
    def __init__(self, train_x, val, test):
        self.train_x, self.val, self.test = train_x, val, test


def build_dataset(cfg):
    return DATASET_REGISTRY.get(cfg.DATASET.NAME)(cfg)
