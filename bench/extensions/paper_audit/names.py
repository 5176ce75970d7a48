"""Names in a table of others as the ledger has them: methods, datasets and splits under their usual aliases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from bench.extensions.paper_audit.ledger import facts_of_methods, numbers
from bench.results import known_methods, simplified
from datasets_registry import list_datasets

_METHODS = {"clip": "zero_shot", "zeroshot": "zero_shot", "zsclip": "zero_shot", "zs": "zero_shot"}
_DATASETS = {
    "imagenet": ("imagenet1k", "in", "in1k", "inet", "source"),
    "caltech101": ("caltech",),
    "oxford_pets": ("pets", "oxfordiiitpets", "oxfordpet"),
    "stanford_cars": ("cars", "stanfordcar"),
    "oxford_flowers": ("flowers", "flower102", "oxfordflowers102", "oxfordflower"),
    "food101": ("food",),
    "fgvc_aircraft": ("aircraft", "fgvc", "aircrafts"),
    "sun397": ("sun",),
    "ucf101": ("ucf",),
    "imagenet_v2": ("v2", "inv2"),
    "imagenet_sketch": ("sketch", "s", "ins", "imagenets"),
    "imagenet_a": ("a", "ina"),
    "imagenet_r": ("r", "inr"),
}
_SPLITS = {
    "base": ("base", "baseacc", "seen"),
    "new": ("new", "novel", "newacc", "novelacc", "unseen"),
    "H": ("h", "hm", "harmonicmean", "hmean"),
    "all": ("all", "acc", "accuracy", "target", "top1"),
    "average": ("average", "avg", "mean", "averageover11datasets", "averageoveralldatasets", "avgacc"),
}
_ASIDE = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\]|[†‡*§]+)\s*$")
"""What papers write after the name of a method, such as a venue or a reference mark."""


def method_named(text: str) -> str:
    """The name of a method in the ledger; empty if it is not known here.

    Example:
        >>> method_named("CoOp [12]"), method_named("Zero-shot CLIP"), method_named("OurMethod (ours)")
        ('coop', 'zero_shot', '')
    """
    for name in _without_asides(text):
        if found := _methods().get(simplified(name), ""):
            return found
    return ""


def dataset_named(text: str) -> str:
    """The name of a registered dataset; empty if it is not known here.

    Example:
        >>> dataset_named("Stanford Cars"), dataset_named("Flowers"), dataset_named("Birds")
        ('stanford_cars', 'oxford_flowers', '')
    """
    return _datasets().get(simplified(text), "")


def split_named(text: str) -> str:
    """`base`, `new`, `H`, `all` or `average`; empty for other words.

    Example:
        >>> split_named("Novel"), split_named("HM"), split_named("Avg.")
        ('new', 'H', 'average')
    """
    wanted = simplified(text)
    return next((name for name, words in _SPLITS.items() if wanted in words), "")


def _without_asides(text: str) -> list[str]:
    """The text, and the text without its last remark, without its last two, and so on."""
    found = [text]
    while (shorter := _ASIDE.sub("", found[-1])) != found[-1] and shorter:
        found.append(shorter)
    return found


@cache
def _methods() -> Mapping[str, str]:
    """Names by simplified name, title and label, those of the ledger first; a label of several methods names none."""
    labels: dict[str, set[str]] = {}
    for one in numbers():
        labels.setdefault(simplified(one.label), set()).add(one.method)
    found = {label: next(iter(names)) for label, names in labels.items() if label and len(names) == 1}
    in_ledger = [facts_of_methods().method(name) for name in {one.method for one in numbers()}]
    titles = [(one.title, one.name) for one in known_methods().infos()] + [(one.title, one.name) for one in in_ledger]
    for title, name in titles:
        found |= {simplified(title): name, simplified(name): name}
    return found | _METHODS


@cache
def _datasets() -> Mapping[str, str]:
    found = {simplified(alias): name for name, aliases in _DATASETS.items() for alias in aliases}
    for info in list_datasets():
        found |= {simplified(info.title): info.name, simplified(info.name): info.name}
    return found
