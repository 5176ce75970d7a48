"""Immutable run shards on disk, the truth of all results: a record and its predictions, kill-safe and checked.

One run is two files below `<runs>/shards/<first two digits of the id>/`: `<run_id>.predictions.safetensors`, written
first, and `<run_id>.json`, which holds the record and the digests of both. The rename of the JSON file is the commit
point: before it the run does not exist, after it the run is complete. Writers and readers of a folder take turns by an
advisory lock on the folder itself, which the system drops when a process dies, so nothing stale can remain.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from pydantic import ValidationError
from safetensors import SafetensorError

from bench.atomic import write_atomically
from bench.errors import ShardError, UnknownRunError
from bench.locking import locked
from bench.record import Branches, DifficultyRecord, Predictions, RunRecord, RunStatus

SHARD_VERSION = 1
_LOG = logging.getLogger("bench.shards")
_RUN_ID = re.compile(r"[0-9a-f]{16}")
_COLUMNS = ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2", "top_labels", "top_logits")
_FLOATS = frozenset({"true_logit", "log_sum_exp", "sum_p2", "top_logits"})
_BRANCHES = tuple(column.name for column in fields(Branches))
_BRANCH = "branch."


@dataclass(frozen=True)
class Shard:
    """One run as read from disk, checksums verified."""

    record: RunRecord
    predictions: tuple[Predictions, ...]


@dataclass(frozen=True, order=True)
class ShardEntry:
    """A committed shard that a scan saw. `stamp` changes whenever the shard is replaced."""

    run_id: str
    stamp: str


@dataclass(frozen=True)
class Quarantined:
    """A damaged file that was set aside under another name; what it described counts as missing."""

    path: Path
    reason: str


class _DamagedError(Exception):
    """A file whose content does not match its checksum."""


@dataclass
class Shards:
    """The shards of one runs folder.

    Args:
        runs: the folder; it need not exist before the first write.
    """

    runs: Path
    quarantined: list[Quarantined] = field(default_factory=list)

    # --- runs -------------------------------------------------------------------------------------------------------

    def write(self, record: RunRecord, predictions: Sequence[Predictions] = ()) -> bool:
        """Commit one run, atomically.

        Args:
            record: the answer; a failed one is a shard like any other.
            predictions: one entry per evaluation split.

        Returns:
            False if nothing was written, because a failure may not replace a success.
        """
        folder = self._folder(record.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, exclusive=True):
            if record.status is RunStatus.FAILED and self._status(record.run_id) is RunStatus.OK:
                return False
            for stale in folder.glob(f".{record.run_id}.*.tmp"):  # left behind by a writer that was killed
                stale.unlink(missing_ok=True)
            packed = pack_predictions(predictions) if predictions else b""
            if packed:
                write_atomically(self._predictions_path(record.run_id), packed)
            document = {
                "shard_version": SHARD_VERSION,
                "predictions_bytes": len(packed),
                "predictions_sha256": _sha256(packed) if packed else None,
            }
            write_atomically(self._record_path(record.run_id), _seal(document, record.model_dump(mode="json")))
            if not packed:
                self._predictions_path(record.run_id).unlink(missing_ok=True)
        return True

    def read(self, run_id: str) -> Shard | None:
        """The whole run, both checksums verified; None if there is none, or if it was damaged and set aside."""
        folder = self._folder(run_id)
        if not folder.is_dir():
            return None
        with locked(folder, exclusive=False):
            try:
                document = _unseal(self._record_path(run_id))
                if document is None:
                    return None
                packed = self._packed(run_id, document, content=True)
                predictions = unpack_predictions(packed) if packed else ()
            except _DamagedError as error:
                self._quarantine(run_id, str(error))
                return None
        return Shard(_record(document["record"], self._record_path(run_id)), predictions)

    def files(self, run_id: str) -> list[Path]:
        """The files of a committed run, its record first."""
        paths = [self._record_path(run_id), self._predictions_path(run_id)]
        return [path for path in paths if path.is_file()]

    def status(self, run_id: str) -> RunStatus | None:
        """Whether the run succeeded, without reading its predictions; None if there is no intact shard."""
        folder = self._folder(run_id)
        if not folder.is_dir():
            return None
        with locked(folder, exclusive=False):
            return self._status(run_id)

    def record(self, run_id: str) -> RunRecord | None:
        """The run's record without its predictions; None if there is no intact shard."""
        folder = self._folder(run_id)
        if not folder.is_dir():
            return None
        with locked(folder, exclusive=False):
            document = self._document(run_id)
        return None if document is None else _record(document["record"], self._record_path(run_id))

    def stamp(self, run_id: str) -> str | None:
        """What changes whenever the run's shard is replaced; None if there is none."""
        return _stamp(self._record_path(run_id))

    def scan(self) -> list[ShardEntry]:
        """All committed shards by run id, without opening them."""
        root = self.runs / "shards"
        entries = []
        for folder in root.iterdir() if root.is_dir() else ():
            for item in os.scandir(folder) if folder.is_dir() else ():
                run_id, _, suffix = item.name.partition(".")
                if suffix == "json" and _RUN_ID.fullmatch(run_id):
                    entries.append(ShardEntry(run_id, _stamp_of(item.stat())))
        return sorted(entries)

    def find(self, prefix: str) -> str:
        """The one run id that begins with `prefix`; raises UnknownRunError if none or several do."""
        known = [entry.run_id for entry in self.scan()]
        found = [run_id for run_id in known if run_id.startswith(prefix.lower())]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UnknownRunError(
                f"No run in {self.runs} begins with {prefix!r}; it holds {len(known)} runs. "
                "`etl-bench results sql 'select run_id, method, dataset, seed from runs'` lists them."
            )
        listed = ", ".join(found[:5]) + (" ..." if len(found) > 5 else "")
        raise UnknownRunError(f"{len(found)} runs begin with {prefix!r}: {listed}. Give more digits.")

    # --- difficulty ---------------------------------------------------------------------------------------------------

    def write_difficulty(self, backbone: str, dataset: str, records: Sequence[DifficultyRecord]) -> None:
        """Commit the difficulty of one dataset for one backbone, one record per class half, atomically."""
        path = self._difficulty_path(backbone, dataset)
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"shard_version": SHARD_VERSION, "backbone": backbone, "dataset": dataset}
        with locked(path.parent, exclusive=True):
            write_atomically(path, _seal(document, [record.model_dump(mode="json") for record in records]))

    def difficulty_file(self, backbone: str, dataset: str) -> Path:
        """Where the difficulty of a dataset for a backbone is, or would be."""
        return self._difficulty_path(backbone, dataset)

    def difficulty_stamp(self, backbone: str, dataset: str) -> str | None:
        """What changes whenever that measurement is replaced; None if there is none."""
        return _stamp(self._difficulty_path(backbone, dataset))

    def has_difficulty(self, backbone: str, dataset: str) -> bool:
        """Whether an intact measurement exists."""
        return self._read_difficulty(self._difficulty_path(backbone, dataset)) is not None

    def difficulties(self) -> list[DifficultyRecord]:
        """All difficulty records, by backbone and dataset; damaged files are set aside."""
        records: list[DifficultyRecord] = []
        for path in sorted((self.runs / "difficulty").glob("*/*.json")):
            records += self._read_difficulty(path) or []
        return records

    # --- inside -------------------------------------------------------------------------------------------------------

    def _folder(self, run_id: str) -> Path:
        return self.runs / "shards" / run_id[:2]

    def _record_path(self, run_id: str) -> Path:
        return self._folder(run_id) / f"{run_id}.json"

    def _predictions_path(self, run_id: str) -> Path:
        return self._folder(run_id) / f"{run_id}.predictions.safetensors"

    def _difficulty_path(self, backbone: str, dataset: str) -> Path:
        return self.runs / "difficulty" / slug(backbone) / f"{slug(dataset)}.json"

    def _status(self, run_id: str) -> RunStatus | None:
        document = self._document(run_id)
        return None if document is None else RunStatus(document["record"]["status"])

    def _document(self, run_id: str) -> dict[str, Any] | None:
        """The sealed record, with the predictions there in their full size; None, and set aside, if not."""
        try:
            document = _unseal(self._record_path(run_id))
            if document is not None:
                self._packed(run_id, document, content=False)
            return document
        except _DamagedError as error:
            self._quarantine(run_id, str(error))
            return None

    def _packed(self, run_id: str, document: dict[str, Any], *, content: bool) -> bytes:
        """The predictions file as bytes (empty if the run has none, or if only its size was to be checked)."""
        expected = document["predictions_sha256"]
        if expected is None:
            return b""
        path = self._predictions_path(run_id)
        if not path.is_file():
            raise _DamagedError("the predictions file is missing")
        if path.stat().st_size != document["predictions_bytes"]:
            raise _DamagedError(
                f"the predictions file has {path.stat().st_size} bytes, not {document['predictions_bytes']}"
            )
        if not content:
            return b""
        packed = path.read_bytes()
        if _sha256(packed) != expected:
            raise _DamagedError("the predictions file does not match its checksum")
        return packed

    def _read_difficulty(self, path: Path) -> list[DifficultyRecord] | None:
        try:
            document = _unseal(path)
        except _DamagedError as error:
            self._set_aside(path, str(error))
            return None
        if document is None:
            return None
        try:
            return [DifficultyRecord.model_validate(item) for item in document["record"]]
        except ValidationError as error:
            raise ShardError(_unreadable(path, error)) from error

    def _quarantine(self, run_id: str, reason: str) -> None:
        _rename_aside(self._predictions_path(run_id))
        self._set_aside(self._record_path(run_id), reason)

    def _set_aside(self, path: Path, reason: str) -> None:
        target = _rename_aside(path)
        if target is not None:
            self.quarantined.append(Quarantined(target, reason))
            _LOG.warning("Damaged: %s (%s). Kept as %s; what it held counts as missing.", path, reason, target.name)


def parse_shard(record: bytes, packed: bytes | None) -> Shard:
    """A shard from the bytes of its files, from wherever they come.

    Args:
        record: of the record's file.
        packed: of the predictions' file, None where there is none.

    Raises:
        ShardError: not a shard, a checksum that does not fit, or predictions that are missing or not of this record.
    """
    try:
        document = _checked_document(record, "the record")
        expected = document.get("predictions_sha256")
        if (None if packed is None else _sha256(packed)) != expected:
            raise _DamagedError("the predictions do not match the record's checksum")
        return Shard(_record(document["record"], Path("record")), unpack_predictions(packed) if packed else ())
    except _DamagedError as error:
        raise ShardError(str(error)) from error


def slug(name: str) -> str:
    """A file name for `name`, readable and unlike any other name's: odd characters become `-`, then a short digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return plain if plain == name else f"{plain.strip('-')}.{_sha256(name.encode())[:8]}"


def pack_predictions(predictions: Sequence[Predictions]) -> bytes:
    """Predictions as one safetensors blob; equal predictions give equal bytes.

    Columns are stored as `<split>/<column>` (int32 and float32), image keys as newline-joined UTF-8 bytes, the sides of
    an ensemble, where they were kept, as `<split>/branch.<name>`.
    """
    tensors: dict[str, np.ndarray] = {}
    for item in predictions:
        if any("\n" in image for image in item.images):
            raise ShardError(f"An image key of split {item.split!r} contains a line break; rename that file.")
        lengths = {name: len(getattr(item, name)) for name in _COLUMNS} | {"images": len(item.images)}
        if len(set(lengths.values())) != 1:
            raise ShardError(f"Columns of split {item.split!r} differ in length: {lengths}.")
        tensors[f"{item.split}/images"] = np.frombuffer("\n".join(item.images).encode(), dtype=np.uint8)
        for name in _COLUMNS:
            dtype = np.float32 if name in _FLOATS else np.int32
            tensors[f"{item.split}/{name}"] = np.ascontiguousarray(getattr(item, name), dtype=dtype)
        if item.branches is not None:
            for name in _BRANCHES:
                column = np.ascontiguousarray(getattr(item.branches, name), dtype=np.float32)
                tensors[f"{item.split}/{_BRANCH}{name}"] = column
    return safetensors.numpy.save(tensors)


def unpack_predictions(packed: bytes) -> tuple[Predictions, ...]:
    """The inverse of `pack_predictions`; splits by name."""
    try:
        tensors = safetensors.numpy.load(packed)
    except SafetensorError as error:
        raise _DamagedError(f"the predictions file is not safetensors: {error}") from error
    unpacked = []
    for split in sorted({name.partition("/")[0] for name in tensors}):
        images = tensors[f"{split}/images"].tobytes().decode()
        columns = {name: tensors[f"{split}/{name}"] for name in _COLUMNS}
        kept = {
            name: tensors[f"{split}/{_BRANCH}{name}"] for name in _BRANCHES if f"{split}/{_BRANCH}{name}" in tensors
        }
        unpacked.append(
            Predictions(
                split=split,
                images=tuple(images.split("\n")) if images else (),
                **columns,
                branches=Branches(**kept) if kept else None,
            )
        )
    return tuple(unpacked)


def _rename_aside(path: Path) -> Path | None:
    """Give a file a name that no reader looks for; None if it is not there (another reader may be faster)."""
    number = 1
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        return path.rename(target)
    except FileNotFoundError:
        return None


def _stamp(path: Path) -> str | None:
    try:
        return _stamp_of(path.stat())
    except FileNotFoundError:
        return None


def _stamp_of(stat: os.stat_result) -> str:
    return f"{stat.st_mtime_ns}:{stat.st_size}:{stat.st_ino}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _seal(document: dict[str, Any], record: object) -> bytes:
    sealed = document | {"record": record, "record_sha256": _sha256(_canonical(record))}
    return json.dumps(sealed, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def _unseal(path: Path) -> dict[str, Any] | None:
    """The document in that file with its record verified; None if the file does not exist."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    return _checked_document(text, str(path))


def _checked_document(text: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
        version, record, expected = document["shard_version"], document["record"], document["record_sha256"]
    except (ValueError, TypeError, KeyError) as error:
        raise _DamagedError(f"torn or not a shard: {error}") from error
    if version > SHARD_VERSION:
        raise ShardError(
            f"{where} has shard version {version}, and this etl-bench knows versions up to {SHARD_VERSION}; upgrade it."
        )
    if _sha256(_canonical(record)) != expected:
        raise _DamagedError("the record does not match its checksum")
    assert isinstance(document, dict)
    return document


def _record(value: object, path: Path) -> RunRecord:
    try:
        return RunRecord.model_validate(value)
    except ValidationError as error:
        raise ShardError(_unreadable(path, error)) from error


def _unreadable(path: Path, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return (
        f"{path} is intact but not a record of this etl-bench ({place}: {first['msg']}). "
        "Read it with the release that wrote it, or move it away to compute the run again."
    )
