"""Broken layouts of the published datasets: how each is recognised, and the command that makes it CoOp's layout.

Rules look at names and folders, never at pixels, and need no network. docs/datasets.md has the table of their codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from datasets_registry._doctor.findings import Finding
from datasets_registry._doctor.layout_rules.broken_entries import broken_entries, broken_entries_rule
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk
from datasets_registry._doctor.layout_rules.dataset_specific import flower_names_rule, imagenet_rule
from datasets_registry._doctor.layout_rules.misplaced_images import misplaced_images_rule
from datasets_registry._doctor.layout_rules.missing_folder import missing_folder_rule
from datasets_registry._doctor.layout_rules.split_file import split_file_rule

__all__ = ["DatasetOnDisk", "broken_entries", "examine"]

Rule = Callable[[DatasetOnDisk], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    split_file_rule,
    misplaced_images_rule,
    flower_names_rule,
    imagenet_rule,
    broken_entries_rule,
)


def examine(dataset: DatasetOnDisk) -> list[Finding]:
    """What the rules find; without the dataset's folder, only what is to be said about that."""
    if not dataset.folder.is_dir():
        return list(missing_folder_rule(dataset))
    found: list[Finding] = []
    for rule in RULES:
        found += rule(dataset)
    return found
