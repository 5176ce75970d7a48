"""Broken layouts of the published datasets: how each is recognised, and the command that makes it CoOp's layout.

Rules look at names and folders, never at pixels, and need no network. docs/datasets.md has the table of their codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from datasets_registry._doctor.findings import Finding
from datasets_registry._doctor.layout_rules.folder import no_folder
from datasets_registry._doctor.layout_rules.images import images_rule
from datasets_registry._doctor.layout_rules.patient import Patient
from datasets_registry._doctor.layout_rules.single import flower_names, imagenet
from datasets_registry._doctor.layout_rules.split_file import split_file_rule
from datasets_registry._doctor.layout_rules.tree import broken_entries, tree

__all__ = ["Patient", "broken_entries", "examine"]

Rule = Callable[[Patient], Iterator[Finding]]

RULES: tuple[Rule, ...] = (split_file_rule, images_rule, flower_names, imagenet, tree)


def examine(patient: Patient) -> list[Finding]:
    """What the rules find; without the dataset's folder, only what is to be said about that."""
    if not patient.top.is_dir():
        return list(no_folder(patient))
    found: list[Finding] = []
    for rule in RULES:
        found += rule(patient)
    return found
