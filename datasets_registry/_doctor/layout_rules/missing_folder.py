"""A missing dataset folder: it has another name, is not unpacked, or is the data root itself."""

from __future__ import annotations

from collections.abc import Iterator

from datasets_registry._doctor.findings import Finding, quoted
from datasets_registry._doctor.layout_rules.archives import not_unpacked
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk, folders_below, normalised


def missing_folder_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """The folder has another name, is not unpacked, or is the data root itself."""
    root, folder = dataset.data_root, dataset.source.folder
    if not root.is_dir():
        yield Finding(
            "no-data-root", f"{root} is not a folder.", "give the folder that holds the datasets: --data-root"
        )
        return
    named = {normalised(folder), normalised(dataset.name), normalised(dataset.info.title)}
    holds = [name for name in (dataset.info.split_file, dataset.source.images) if name]
    if any((root / name).exists() for name in holds) and normalised(root.name) in named:
        yield Finding(
            "root-is-dataset",
            f"{root} is the dataset itself, not its parent folder.",
            quoted("etl-bench", "datasets", "check", dataset.name, "--data-root", root.absolute().parent),
        )
        return
    alike = [path for path in folders_below(root, 1) if normalised(path.name) in named]
    if alike:
        yield Finding(
            "renamed-folder",
            f"The folder is named {alike[0].name}; it should be {folder}.",
            quoted("mv", alike[0], root / folder),
            layout=True,
        )
        return
    known = {file.name.lower() for file in dataset.source.archives}
    packed = [path for path in dataset.archives(root) if path.name.lower() in known]
    if packed:
        yield not_unpacked(dataset, packed)
        return
    yield Finding("no-folder", f"There is no folder {root / folder}.", dataset.fetch_command())
