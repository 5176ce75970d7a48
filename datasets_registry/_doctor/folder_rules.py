"""Rules about folders: a missing dataset folder, archives that were not unpacked, and entries that cannot be read."""

import os
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from datasets_registry._doctor.dataset_on_disk import DatasetOnDisk, Finding, folders_below, quoted
from datasets_registry._errors import some
from datasets_registry._readers.dataset_files import normalised_name


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


def missing_folder_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """The folder has another name, is not unpacked, or is the data root itself."""
    root, folder = dataset.data_root, dataset.source.folder
    if not root.is_dir():
        fix = "give the folder that contains the datasets: --data-root"
        yield Finding("no-data-root", f"{root} is not a folder.", fix)
        return
    named = {normalised_name(folder), normalised_name(dataset.name), normalised_name(dataset.info.title)}
    holds = [name for name in (dataset.info.split_file, dataset.source.images) if name]
    if any((root / name).exists() for name in holds) and normalised_name(root.name) in named:
        yield Finding(
            "root-is-dataset",
            f"{root} is the dataset itself, not its parent folder.",
            quoted("etl-bench", "datasets", "check", dataset.name, "--data-root", root.absolute().parent),
        )
        return
    if alike := [path for path in folders_below(root, 1) if normalised_name(path.name) in named]:
        text = f"The folder is named {alike[0].name}; it should be {folder}."
        yield Finding("renamed-folder", text, quoted("mv", alike[0], root / folder), layout=True)
        return
    yield from list(packed_archives(dataset)) or [
        Finding("no-folder", f"There is no folder {root / folder}.", dataset.fetch_command())
    ]


def broken_entries(top: Path, skip: Container[str] = ()) -> Iterator[Finding]:
    """Names that are not UTF-8, broken or circular links, and unreadable folders below `top`.

    Links in `skip`, given as paths below `top`, are unused and ignored.
    """
    denied: list[str] = []
    for folder, folders, files in os.walk(top, onerror=lambda error: denied.append(str(error.filename))):
        for name in (*folders, *files):
            if any("\udc80" <= letter <= "\udcff" for letter in name):
                raw = os.fsencode(Path(folder) / name)
                yield Finding(
                    "name-not-utf8",
                    f"The name {raw!r} is not UTF-8.",
                    quoted("convmv", "-f", "latin1", "-t", "utf8", "-r", "--notest", top),
                )
                return
        below = Path(folder).relative_to(top)
        yield from _bad_links(Path(folder), [name for name in (*folders, *files) if str(below / name) not in skip])
    if denied:
        yield Finding("cannot-be-read", f"{some(denied)} cannot be read.", quoted("chmod", "-R", "u+rX", top))


def _bad_links(folder: Path, names: Sequence[str]) -> Iterator[Finding]:
    with os.scandir(folder) as entries:  # recognises links without a system call for each of a million files
        links = [Path(entry.path) for entry in entries if entry.is_symlink() and entry.name in names]
    for link in links:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # Python before 3.13 raises RuntimeError for a circular link
            yield Finding("broken-link", f"{link} is a link to nothing or to itself.", quoted("rm", link))
            continue
        if link.parent.resolve().is_relative_to(target):
            yield Finding("link-loop", f"{link} is a link to a folder that contains it.", quoted("rm", link))
