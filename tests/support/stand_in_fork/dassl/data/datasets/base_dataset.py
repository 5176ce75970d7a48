import random
from collections import defaultdict


class Datum:
    """One image with its label."""

    def __init__(self, impath="", label=0, domain=0, classname=""):
        self.impath, self.label, self.domain, self.classname = impath, label, domain, classname


class DatasetBase:
    def __init__(self, train_x=None, train_u=None, val=None, test=None):
        self.train_x, self.train_u, self.val, self.test = train_x, train_u, val, test
        self.lab2cname = {item.label: item.classname for item in train_x}
        self.classnames = [self.lab2cname[label] for label in sorted(self.lab2cname)]
        self.num_classes = max(self.lab2cname) + 1

    @staticmethod
    def few_of(items, shots):
        """Some images of each class, drawn from the global generator."""
        if shots < 1:
            return items
        by_label = defaultdict(list)
        for item in items:
            by_label[item.label].append(item)
        return [
            one for some in by_label.values() for one in (random.sample(some, shots) if len(some) >= shots else some)
        ]
