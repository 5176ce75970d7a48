"""File system entries that cannot be read: names that are not UTF-8, broken or circular links, denied folders."""

import os
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from datasets_registry._doctor.findings import Finding, quoted
from datasets_registry._errors import some


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
