"""Measured difficulties on disk: one checksummed file per backbone and dataset."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.errors import ShardError
from bench.record import DifficultyRecord
from bench.results.checksummed_json import (
    SHARD_VERSION,
    DamagedError,
    encode_document,
    parse_document,
    quarantine,
    read_content,
    unreadable,
)
from bench.results.files import file_stamp, locked, slug, write_atomically

_LOG = logging.getLogger("bench.results.shards")
_RECORDS = TypeAdapter(list[DifficultyRecord])


@dataclass(frozen=True)
class DifficultyFiles:
    """The difficulties in a runs folder; damaged files are renamed."""

    runs: Path

    def write(self, backbone: str, dataset: str, records: Sequence[DifficultyRecord]) -> None:
        """Write the difficulty of a dataset for a backbone atomically, one record per split (`all`, `base`, `new`)."""
        path = self.file(backbone, dataset)
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"shard_version": SHARD_VERSION, "backbone": backbone, "dataset": dataset}
        with locked(path.parent):
            write_atomically(path, encode_document(document, [record.model_dump(mode="json") for record in records]))

    def file(self, backbone: str, dataset: str) -> Path:
        """The path of the difficulty of a dataset for a backbone; it need not exist."""
        return self.runs / "difficulty" / slug(backbone) / f"{slug(dataset)}.json"

    def stamp(self, backbone: str, dataset: str) -> str | None:
        """A text that changes whenever the measurement is replaced; None if there is none."""
        return file_stamp(self.file(backbone, dataset))

    def has(self, backbone: str, dataset: str) -> bool:
        """Whether there is an intact measurement."""
        return self.read(backbone, dataset) is not None

    def read(self, backbone: str, dataset: str) -> list[DifficultyRecord] | None:
        """The records of a dataset, one per split; None if there is no intact measurement."""
        return self._read(self.file(backbone, dataset))

    def all(self) -> list[DifficultyRecord]:
        """All difficulty records, by backbone and dataset. Damaged files are renamed, unreadable ones are logged."""
        records: list[DifficultyRecord] = []
        for path in sorted((self.runs / "difficulty").glob("*/*.json")):
            try:
                records += self._read(path) or []
            except ShardError as error:
                _LOG.warning("Left out: %s", error)
        return records

    def _read(self, path: Path) -> list[DifficultyRecord] | None:
        try:
            return _records(read_content(path), path)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            quarantine(path, str(error))
            return None


def _records(content: bytes, path: Path) -> list[DifficultyRecord]:
    """The records in the bytes of a file, its checksum verified; raises DamagedError or ShardError."""
    try:
        return _RECORDS.validate_python(parse_document(content, str(path))["record"])
    except ValidationError as error:
        raise ShardError(unreadable(path, error)) from error


def check_difficulty(name: str, content: bytes) -> None:
    """Raise ShardError unless an imported file has finite difficulties of the backbone and dataset in its name."""
    try:
        records = _records(content, Path(name))
    except DamagedError as error:
        raise ShardError(str(error)) from error
    for record in records:
        if name != f"difficulty/{slug(record.backbone)}/{slug(record.dataset)}.json":
            raise ShardError(f"it is of {record.dataset} for {record.backbone}")
        if wrong := [key for key, value in record.measures.items() if value is not None and not math.isfinite(value)]:
            raise ShardError(f"{', '.join(wrong)} of {record.split} is not a finite number")
