"""What cannot be walked: names that are not UTF-8, links that lead nowhere, folders that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets_registry._doctor.findings import Finding, quoted, some
from datasets_registry._doctor.layout_rules.dataset_on_disk import DatasetOnDisk


def broken_entries_rule(dataset: DatasetOnDisk) -> Iterator[Finding]:
    """Names that are not UTF-8, links that go in circles or nowhere, folders that cannot be read."""
    yield from broken_entries(dataset.folder)


def broken_entries(top: Path) -> Iterator[Finding]:
    """What cannot be walked below a folder, whatever dataset it is."""
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
        yield from _bad_links(Path(folder), [*folders, *files])
    if denied:
        yield Finding("cannot-be-read", f"{some(denied)} cannot be read.", quoted("chmod", "-R", "u+rX", top))


def _bad_links(folder: Path, names: Sequence[str]) -> Iterator[Finding]:
    with os.scandir(folder) as entries:  # tells a link without asking for each of a million files
        links = [Path(entry.path) for entry in entries if entry.is_symlink() and entry.name in names]
    for link in links:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: how Python before 3.13 speaks of a circle
            yield Finding("broken-link", f"{link} is a link that leads nowhere or to itself.", quoted("rm", link))
            continue
        if link.parent.resolve().is_relative_to(target):
            yield Finding("link-loop", f"{link} is a link to a folder that holds it.", quoted("rm", link))
