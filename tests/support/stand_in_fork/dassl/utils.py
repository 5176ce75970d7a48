import os
import random
import sys

import numpy as np
import torch
from tabulate import tabulate


def check_availability(requested, available):
    if requested not in available:
        raise ValueError("The requested one is expected to belong to %s, but got [%s]" % (available, requested))


class Registry:
    def __init__(self, name):
        self._name = name
        self._known = {}

    def register(self):
        def keep(kind):
            self._known[kind.__name__] = kind
            return kind

        return keep

    def get(self, name):
        if name not in self._known:
            raise KeyError("Object name %s does not exist in the %s registry" % (name, self._name))
        return self._known[name]

    def registered_names(self):
        return list(self._known)


def set_random_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)


class Logger:
    """Writes what is printed to a file as well."""

    def __init__(self, path):
        self.console = sys.stdout
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.file = open(path, "w")

    def write(self, text):
        self.console.write(text)
        self.file.write(text)

    def flush(self):
        self.console.flush()
        self.file.flush()


def setup_logger(folder):
    if folder:
        sys.stdout = Logger(os.path.join(folder, "log.txt"))


def print_table(rows):
    print(tabulate(rows))
