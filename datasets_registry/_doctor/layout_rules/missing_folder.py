"""A missing dataset folder: it has another name, is not unpacked, or is the data root itself."""

from collections.abc import Iterator

from datasets_registry._doctor.findings import Finding, quoted
from datasets_registry._doctor.layout_rules.archives import packed_archives
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk, folders_below, normalised


def missing_folder_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """The folder has another name, is not unpacked, or is the data root itself."""
    root, folder = dataset.data_root, dataset.source.folder
    if not root.is_dir():
        fix = "give the folder that contains the datasets: --data-root"
        yield Finding("no-data-root", f"{root} is not a folder.", fix)
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
    if alike := [path for path in folders_below(root, 1) if normalised(path.name) in named]:
        text = f"The folder is named {alike[0].name}; it should be {folder}."
        yield Finding("renamed-folder", text, quoted("mv", alike[0], root / folder), layout=True)
        return
    yield from list(packed_archives(dataset)) or [
        Finding("no-folder", f"There is no folder {root / folder}.", dataset.fetch_command())
    ]
