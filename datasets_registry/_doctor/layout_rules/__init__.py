"""Rules that recognise broken layouts of the published datasets and give the command that restores CoOp's layout.

Rules read names and folders, never pixels, and need no network. `etl-bench docs datasets` prints their codes.
"""

from collections.abc import Callable, Iterator

from datasets_registry._doctor.findings import Finding
from datasets_registry._doctor.layout_rules.archives import packed_files
from datasets_registry._doctor.layout_rules.broken_entries import broken_entries
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk
from datasets_registry._doctor.layout_rules.dataset_specific import flower_names_rule, imagenet_rule
from datasets_registry._doctor.layout_rules.misplaced_images import misplaced_images_rule
from datasets_registry._doctor.layout_rules.missing_folder import missing_folder_rule
from datasets_registry._doctor.layout_rules.split_file import split_file_rule

__all__ = ["DatasetOnDisk", "broken_entries", "examine"]

RULES: tuple[Callable[[DatasetOnDisk], Iterator[Finding]], ...] = (
    split_file_rule,
    misplaced_images_rule,
    flower_names_rule,
    imagenet_rule,
    packed_files,
    lambda dataset: broken_entries(dataset.folder),
)


def examine(dataset: DatasetOnDisk) -> list[Finding]:
    """The findings of all rules; if the dataset's folder is missing, only those of the rule for that."""
    if not dataset.folder.is_dir():
        return list(missing_folder_rule(dataset))
    return [finding for rule in RULES for finding in rule(dataset)]
