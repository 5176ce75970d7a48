"""Archives that nothing has come out of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets_registry._doctor.findings import Finding, quoted, some
from datasets_registry._doctor.layout_rules.patient import Patient


def still_packed(patient: Patient) -> Iterator[Finding]:
    """Archives are there and nothing has come out of them."""
    packed = patient.archives(patient.top, patient.data_root)
    known = {file.name.lower() for file in patient.source.archives}
    packed = [path for path in packed if path.parent == patient.top or path.name.lower() in known]
    if packed:
        yield not_unpacked(patient, packed)


def not_unpacked(patient: Patient, packed: Sequence[Path]) -> Finding:
    """What to say of those archives, with the command for the first."""
    archive = packed[0]
    lower = archive.name.lower()
    if lower.endswith(".zip"):
        command = quoted("unzip", "-q", archive, "-d", patient.top)
    elif ".tar" in lower or lower.endswith(".tgz"):
        command = f"{quoted('mkdir', '-p', patient.top)} && {quoted('tar', '-xf', archive, '-C', patient.top)}"
    else:
        command = f"unpack it into {patient.top} with a program for {archive.suffix} files"
    return Finding("not-unpacked", f"{some([str(path) for path in packed])} is not unpacked.", command)
