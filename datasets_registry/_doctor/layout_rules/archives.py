"""Archives that were not unpacked."""

from collections.abc import Iterator

from datasets_registry._doctor.findings import Finding, quoted
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk
from datasets_registry._errors import some


def packed_archives(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Archives in the dataset's folder, and its known archives in the data root, with the command for the first."""
    known = {file.name.lower() for file in dataset.source.files if file.unpack is not None}
    packed = dataset.archives(dataset.folder, dataset.data_root)
    packed = [path for path in packed if path.parent == dataset.folder or path.name.lower() in known]
    if not packed:
        return
    archive, folder = packed[0], dataset.folder
    lower = archive.name.lower()
    if lower.endswith(".zip"):
        command = quoted("unzip", "-q", archive, "-d", folder)
    elif ".tar" in lower or lower.endswith(".tgz"):
        command = f"{quoted('mkdir', '-p', folder)} && {quoted('tar', '-xf', archive, '-C', folder)}"
    else:
        command = f"unpack it into {folder} with a program for {archive.suffix} files"
    yield Finding("not-unpacked", f"{some([str(path) for path in packed])} is not unpacked.", command)


def packed_files(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Files of the dataset that are still compressed with gzip, each by itself."""
    packed = [
        dataset.folder / file.name
        for file in dataset.source.files
        if file.name.endswith(".gz") and not file.name.endswith(".tar.gz")
        if not all((dataset.folder / name).is_file() for name in (file.unpack or {}).values())
    ]
    if found := [path for path in packed if path.is_file()]:
        yield Finding(
            "not-unpacked", f"{some([str(path) for path in found])} is not unpacked.", quoted("gunzip", *found)
        )


def no_images(dataset: DatasetOnDisk) -> list[Finding]:
    """The findings for a missing image folder: archives that were not unpacked, else the missing folder."""
    return list(packed_archives(dataset)) or [
        Finding("no-images", f"There is no folder {dataset.image_folder}.", dataset.fetch_command())
    ]
