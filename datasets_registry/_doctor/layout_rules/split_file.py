"""The split file: missing, misplaced, malformed, or not the published one."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from datasets_registry._doctor.findings import Finding, Level, quoted
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk
from datasets_registry._errors import DataError
from datasets_registry._readers.coop_split import read_coop_split


def split_file_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """The split file is missing, misplaced, malformed, or not the published one."""
    if (name := dataset.info.split_file) is None:
        return
    fetch = dataset.fetch_command("--splits-only")
    if dataset.split_file is None:
        folders = (dataset.folder, dataset.data_root, *dataset.subfolders)
        found = [path for folder in folders for path in sorted(folder.glob("*.json"))]
        stem = Path(name).stem.lower()
        if elsewhere := next((path for path in found if path.stem.lower().startswith(stem)), None):
            move = quoted("mv", elsewhere, dataset.folder / name)
            yield Finding("split-misplaced", f"The split file is at {elsewhere}.", move)
            return
        yield Finding(
            "no-split-file",
            f"There is no {name}, which defines train, val and test. CoOp would generate one, and results with it "
            f"are not comparable with others.",
            fetch,
        )
        return
    try:
        split = read_coop_split(dataset.split_file)
    except DataError as error:
        yield Finding("split-malformed", str(error), fetch)
        return
    published = next((file.checksum for file in dataset.source.files if file.to == name), None)
    digest = f"sha256:{hashlib.sha256(dataset.split_file.read_bytes()).hexdigest()}"
    counts, expected = split.counts, dict(dataset.info.expected)
    if counts != expected:
        yield Finding(
            "subset",
            f"The split file lists {sum(counts.values())} images of the {sum(expected.values())} of the full dataset, "
            f"so its results are not comparable with published ones.",
            f"for the full dataset: {dataset.fetch_command()}",
            Level.NOTE,
        )
    elif published is not None and digest != published:
        yield Finding(
            "split-not-published",
            f"{dataset.split_file} has the right counts, but is not CoOp's file ({digest[:19]}... instead of "
            f"{published[:19]}...); CoOp generates such a file if the original is missing.",
            f"{quoted('mv', dataset.split_file, f'{dataset.split_file}.old')} && {fetch}",
        )
