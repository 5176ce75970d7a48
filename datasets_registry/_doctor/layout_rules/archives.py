"""Archives that nothing has come out of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets_registry._doctor.findings import Finding, quoted, some
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk


def packed_archives(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Archives are there and nothing has come out of them."""
    packed = dataset.archives(dataset.folder, dataset.data_root)
    known = {file.name.lower() for file in dataset.source.archives}
    packed = [path for path in packed if path.parent == dataset.folder or path.name.lower() in known]
    if packed:
        yield not_unpacked(dataset, packed)


def not_unpacked(dataset: DatasetOnDisk, packed: Sequence[Path]) -> Finding:
    """What to say of those archives, with the command for the first."""
    archive = packed[0]
    lower = archive.name.lower()
    if lower.endswith(".zip"):
        command = quoted("unzip", "-q", archive, "-d", dataset.folder)
    elif ".tar" in lower or lower.endswith(".tgz"):
        command = f"{quoted('mkdir', '-p', dataset.folder)} && {quoted('tar', '-xf', archive, '-C', dataset.folder)}"
    else:
        command = f"unpack it into {dataset.folder} with a program for {archive.suffix} files"
    return Finding("not-unpacked", f"{some([str(path) for path in packed])} is not unpacked.", command)
