"""Readable class names from labels such as folder names: `001.Black_footed_Albatross`, `GoldenRetriever`."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from datasets_registry._errors import DataError, did_you_mean

_PREFIX = re.compile(r"(?:n?\d+)[ ._-]+(?=[^\W\d_])")
"""A number or WordNet id in front of a word."""
_CAMEL_CASE = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z])")


def guess_names(labels: Sequence[str]) -> dict[str, str]:
    """More readable names for labels, where they can be found.

    Underscores become spaces, and camel case becomes words. A number in front is dropped if every label has one. Labels
    without a letter, and labels whose names would be equal, are left out.

    Example:
        >>> guess_names(["001.Black_footed_Albatross", "002.Laysan_Albatross"])
        {'001.Black_footed_Albatross': 'Black footed Albatross', '002.Laysan_Albatross': 'Laysan Albatross'}
        >>> guess_names(["AnnualCrop", "iPhone", "7_up", "forest"])
        {'AnnualCrop': 'Annual Crop', '7_up': '7 up'}
    """
    numbered = all(_PREFIX.match(label) for label in labels)
    names = {label: _readable(_PREFIX.sub("", label, count=1) if numbered else label) for label in labels}
    counts = Counter(name.lower() for name in names.values())
    return {label: name for label, name in names.items() if name != label and counts[name.lower()] == 1}


def chosen_names(labels: Sequence[str], given: Mapping[str, str], *, guess: bool) -> dict[str, str]:
    """The names for prompts that differ from their labels: the given names, and guesses for the other labels.

    Raises DataError for a label that does not exist.
    """
    for label in given:
        if label not in labels:
            hint = did_you_mean(label, labels)
            raise DataError(f"--name {label}={given[label]}: no class has the label {label!r}.{hint}")
    names = (guess_names(labels) if guess else {}) | dict(given)
    return {label: names[label] for label in labels if names.get(label, label) != label}


def _readable(label: str) -> str:
    if not re.search(r"[^\W\d_]", label):
        return label
    words = _CAMEL_CASE.sub(" ", label.replace("_", " "))
    return " ".join(words.split()) or label
