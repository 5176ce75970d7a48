"""Run shards on disk, the source of all results: a record and its predictions, checksummed and crash-safe.

A run is two files below `<runs>/shards/<first two digits of the id>/`: `<run_id>.predictions.safetensors`, written
first, and `<run_id>.json`, which holds the record and the checksums of both. The rename of the JSON file commits the
run: before it the run does not exist, after it the run is complete. Writers hold an advisory lock on the folder.
Readers take the lock only if a shard seems damaged, which can happen while a writer replaces it.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bench._util.words import counted
from bench.errors import RunsFolderError, ShardError, UsageError
from bench.record import Predictions, RunRecord, RunStatus
from bench.results.checksummed_json import (
    SHARD_VERSION,
    DamagedError,
    dump_document,
    encode_document,
    parse_document,
    quarantine,
    read_content,
    unreadable,
)
from bench.results.difficulty_files import DifficultyFiles
from bench.results.files import file_stamp, locked, sha256, stamp_of, write_atomically
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.recomputed_scores import with_current_scores

_T = TypeVar("_T")

_RUN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Shard:
    """One run as read from disk, its checksums verified. `imported` is True until an imported run is verified."""

    record: RunRecord
    predictions: tuple[Predictions, ...]
    imported: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Shards:
    """The shards in a runs folder; damaged files are renamed."""

    runs: Path

    @property
    def difficulties(self) -> DifficultyFiles:
        """The measured difficulties in the same folder."""
        return DifficultyFiles(self.runs)

    def write(self, record: RunRecord, predictions: Sequence[Predictions] = (), *, origin: str = "") -> bool:
        """Commit a finished or failed run atomically, with one entry of predictions per evaluation split.

        `origin` is the root of the bundle that it comes from; empty for a run that was made here. Returns False, and
        writes nothing, if the run failed or comes from a bundle, and a finished one exists.
        """
        folder = self._folder(record.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if origin or record.status is RunStatus.FAILED:
                stored = self._intact_or_renamed(record.run_id, self._document)
                if _status(stored, self._record_path(record.run_id)) is RunStatus.OK:
                    return False
            for stale in folder.glob(f".{record.run_id}.*.tmp"):  # from a writer that was killed
                stale.unlink(missing_ok=True)
            packed = pack_predictions(predictions) if predictions else b""
            if packed:
                write_atomically(self._predictions_path(record.run_id), packed)
            document = {
                "shard_version": SHARD_VERSION,
                "predictions_bytes": len(packed),
                "predictions_sha256": sha256(packed) if packed else None,
            } | ({_ORIGIN: origin, _VERIFIED: False} if origin else {})
            content = encode_document(document, record.model_dump(mode="json"))
            write_atomically(self._record_path(record.run_id), content)
            if not packed:
                self._predictions_path(record.run_id).unlink(missing_ok=True)
        return True

    def read(self, run_id: str) -> Shard | None:
        """The whole run, both checksums verified; None if there is none, or if it is damaged and was renamed."""
        return self._intact(run_id, self._shard)

    def record_with_files(self, run_id: str) -> tuple[RunRecord, list[tuple[Path, bytes]]] | None:
        """The record, and the path and the content of each file of the run, its record first.

        Both checksums are verified, and predictions are not unpacked. None as for `read`.
        """
        return self._intact(run_id, self._record_with_files)

    def status(self, run_id: str) -> RunStatus | None:
        """Whether the run succeeded, without reading its predictions; None if there is no intact shard."""
        return _status(self._intact(run_id, self._document), self._record_path(run_id))

    def record(self, run_id: str) -> RunRecord | None:
        """The run's record without its predictions; None if there is no intact shard."""
        document = self._intact(run_id, self._document)
        return None if document is None else _record(document["record"], self._record_path(run_id))

    def failures(self, run_ids: Iterable[str]) -> list[RunRecord]:
        """The records of the failed ones of these runs, oldest first. Only runs without predictions are opened."""
        ids = [run_id for run_id in run_ids if not self._predictions_path(run_id).exists()]
        records = [record for run_id in ids if (record := self.record(run_id)) is not None]
        failed = [record for record in records if record.status is RunStatus.FAILED]
        return sorted(failed, key=lambda record: record.created_at)

    def last_change(self, run_ids: Iterable[str]) -> float | None:
        """When the newest of these results was stored, in seconds since 1970; None without results."""
        times = []
        for run_id in run_ids:
            with suppress(OSError):  # a broken link, or a result that was removed meanwhile
                times.append(self._record_path(run_id).stat().st_mtime)
        return max(times, default=None)

    def origin(self, run_id: str) -> str:
        """The root of the bundle that a run was imported from; empty for a run that was made here."""
        document = self._intact(run_id, self._document) or {}
        return str(document.get(_ORIGIN, ""))

    def note_verified(self, run_id: str) -> None:
        """Record that an imported run was repeated with the same predictions."""
        with locked(self._folder(run_id)), suppress(DamagedError, FileNotFoundError):
            document = self._document(run_id)
            if _imported(document):
                write_atomically(self._record_path(run_id), dump_document(document | {_VERIFIED: True}))

    def stamp(self, run_id: str) -> str | None:
        """A text that changes whenever the run's shard is replaced; None if there is none."""
        return file_stamp(self._record_path(run_id))

    def scan(self) -> dict[str, str]:
        """The stamps of all committed shards by run id, sorted, without opening them.

        Raises RunsFolderError if the folder cannot be read.
        """
        root = self.runs / "shards"
        if self.runs.exists() and not self.runs.is_dir():
            raise RunsFolderError(f"The runs folder {self.runs} is a file. Give another one with --runs.")
        stamps = {}
        try:
            for folder in root.iterdir() if root.is_dir() else ():
                for item in os.scandir(folder) if folder.is_dir() else ():
                    run_id, _, suffix = item.name.partition(".")
                    if suffix == "json" and _RUN_ID.fullmatch(run_id) and run_id[:2] == folder.name:
                        stamps[run_id] = ""
                        with suppress(OSError):  # a broken link, which reading renames or skips
                            stamps[run_id] = stamp_of(item.stat())
        except OSError as error:
            raise RunsFolderError(
                f"The runs in {self.runs} cannot be listed: {error}. Check its permissions."
            ) from error
        return dict(sorted(stamps.items()))

    def find(self, prefix: str) -> str:
        """The run id that begins with `prefix`; raises UsageError if there is none or there are several."""
        return only_run(list(self.scan()), prefix, self.runs)

    def _folder(self, run_id: str) -> Path:
        return Path(f"{self.runs}/shards/{run_id[:2]}")  # faster than joining parts, and called once per run

    def _record_path(self, run_id: str) -> Path:
        return Path(f"{self.runs}/shards/{run_id[:2]}/{run_id}.json")

    def _predictions_path(self, run_id: str) -> Path:
        return Path(f"{self.runs}/shards/{run_id[:2]}/{run_id}.predictions.safetensors")

    def _intact(self, run_id: str, read: Callable[[str], _T]) -> _T | None:
        """Read without a lock. A shard that seems damaged may be partly replaced, so it is read again under the lock.

        If it is still damaged, it is renamed. None if there is no intact shard.
        """
        try:
            return read(run_id)
        except FileNotFoundError:
            return None
        except DamagedError:
            pass
        with locked(self._folder(run_id)):
            return self._intact_or_renamed(run_id, read)

    def _intact_or_renamed(self, run_id: str, read: Callable[[str], _T]) -> _T | None:
        """Read a shard, and rename it if it is damaged; the caller holds the lock."""
        try:
            return read(run_id)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            quarantine(self._record_path(run_id), str(error), self._predictions_path(run_id))
            return None

    # The methods below raise FileNotFoundError if there is no record, and DamagedError.

    def _shard(self, run_id: str) -> Shard:
        _, document = self._record_file(run_id)
        return _unpacked(document, self._packed(run_id, document), self._record_path(run_id))

    def _record_with_files(self, run_id: str) -> tuple[RunRecord, list[tuple[Path, bytes]]]:
        path = self._record_path(run_id)
        content, document = self._record_file(run_id)
        packed = self._packed(run_id, document)
        files = [(path, content), *([(self._predictions_path(run_id), packed)] if packed else [])]
        return _record(document["record"], path), files

    def _document(self, run_id: str) -> dict[str, Any]:
        """The record's document, if the predictions file has its full size."""
        _, document = self._record_file(run_id)
        self._packed(run_id, document, content=False)
        return document

    def _record_file(self, run_id: str) -> tuple[bytes, dict[str, Any]]:
        """The bytes of the record's file and the document in them, its checksum verified."""
        content = read_content(self._record_path(run_id))
        document = parse_document(content, str(self._record_path(run_id)))
        missing = {"predictions_sha256", "predictions_bytes"} - document.keys()
        if missing:
            raise DamagedError(f"incomplete or not a shard: without {', '.join(sorted(missing))}")
        record = document["record"]
        stored_id = record.get("run_id") if isinstance(record, dict) else None
        if stored_id != run_id:
            raise DamagedError(
                f"it contains run {stored_id}, not the run of its name" if stored_id else "it contains no run"
            )
        return content, document

    def _packed(self, run_id: str, document: dict[str, Any], *, content: bool = True) -> bytes:
        """The bytes of the predictions file; empty if the run has none, or if only its size is to be checked."""
        expected = document["predictions_sha256"]
        if expected is None:
            return b""
        path = self._predictions_path(run_id)
        try:
            packed = path.read_bytes() if content else b""
            size = len(packed) if content else path.stat().st_size
        except FileNotFoundError as error:
            raise DamagedError("the predictions file is missing") from error
        except OSError as error:
            if isinstance(error, IsADirectoryError) or error.errno == errno.ELOOP:
                raise DamagedError("the predictions are not a file") from error
            raise ShardError(f"{path} cannot be read: {error.strerror or error}.") from error
        if size != document["predictions_bytes"]:
            raise DamagedError(f"the predictions file has {size} bytes, not {document['predictions_bytes']}")
        if content and sha256(packed) != expected:
            raise DamagedError("the predictions file does not match its checksum")
        return packed


def _unpacked(document: dict[str, Any], packed: bytes, path: Path) -> Shard:
    """The run of a verified document and the bytes of its predictions; raises DamagedError or ShardError."""
    predictions = unpack_predictions(packed) if packed else ()
    record = with_current_scores(_record(document["record"], path), predictions)
    return Shard(record, predictions, _imported(document))


def parse_shard(record: bytes, packed: bytes | None) -> Shard:
    """A shard from the bytes of its record and predictions files; `packed` is None for a run without predictions.

    Raises ShardError if this is not a shard, a checksum does not match, or the predictions belong to another record.
    """
    try:
        document = parse_document(record, "the record")
        expected = document.get("predictions_sha256")
        if (None if packed is None else sha256(packed)) != expected:
            raise DamagedError("the predictions do not match the record's checksum")
        return _unpacked(document, packed or b"", Path("record"))
    except DamagedError as error:
        raise ShardError(str(error)) from error


_ORIGIN, _VERIFIED = "imported_from", "verified"
"""Entries of the file of an imported run: the root of its bundle, and whether it was repeated here."""


def without_origin(content: bytes) -> bytes:
    """The bytes of a record's file that says nothing about an import."""
    if f'"{_ORIGIN}"'.encode() not in content:
        return content
    return dump_document({key: value for key, value in json.loads(content).items() if key not in (_ORIGIN, _VERIFIED)})


def _imported(document: dict[str, Any]) -> bool:
    return bool(document.get(_ORIGIN)) and not document.get(_VERIFIED)


def _status(document: dict[str, Any] | None, path: Path) -> RunStatus | None:
    if document is None:
        return None
    try:
        return RunStatus(document["record"].get("status"))
    except ValueError as error:
        raise ShardError(f"{path} is intact but not a record of this etl-bench (status: {error}).") from error


def _record(value: object, path: Path) -> RunRecord:
    try:
        record = RunRecord.model_validate(value)
    except ValidationError as error:
        raise ShardError(unreadable(path, error)) from error
    if record.spec.method.startswith("fork:"):
        raise ShardError(
            f"{path} is a run of {record.spec.method}, official code that an earlier etl-bench ran; such runs are no "
            "longer read. Import its predictions with `etl-bench runs import-predictions`."
        )
    return record


RACE = "race"
"""Folder with the runs of `recommend` in a runs folder. They are evaluated on training images and have no board."""
_NAMED = 3
"""Largest number of folders that a message lists."""
_OURS = {"checkpoints", "claims", "difficulty", "leases", "live", "logs", "models", RACE, "shards", "slurm", "sweeps"}
"""Folders in a runs folder, also before its first run."""


def check_runs_folder(folder: Path, cache: Path | None = None) -> None:
    """Raise RunsFolderError for a folder with folders of others and without runs, such as one of images by class.

    `cache` is the folder of frozen features, which may be in it.
    """
    inside = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    if cache is not None:
        inside = [path for path in inside if path.resolve() != cache.resolve()]
    foreign = sorted(path.name for path in inside if path.name[0] != "." and path.name not in _OURS)
    if foreign and not _has_runs(folder) and not runs_folders(folder):
        raise RunsFolderError(
            f"--runs {folder} is in use: it contains {foreign[0]!r} and no runs. Name a new or empty folder."
        )


def no_runs(folder: Path) -> str:
    """A message that the folder has no runs, with the folders inside or beside it that have some."""
    nearby = [place for around in (folder, folder.parent) for place in runs_folders(around) if place != folder]
    if not nearby:
        return f"There are no runs in {folder}. Give another folder with --runs, or make runs with `etl-bench run`."
    options = " or ".join(f"--runs {place}" for place in nearby[:_NAMED])
    return f"There are no runs in {folder}, but nearby: give {options}."


def runs_folders(place: Path) -> list[Path]:
    """The folders with runs directly inside a folder, sorted by name, without races; empty if it cannot be read."""
    try:
        inside = sorted(place.iterdir())
    except OSError:
        return []
    return [child for child in inside if child.name != RACE and _has_runs(child)]


def _has_runs(folder: Path) -> bool:
    return any((folder / "shards").glob("??/*.json"))


def only_run(known: Sequence[str], prefix: str, runs: Path) -> str:
    """The one of these run ids that begins with `prefix`; raises UsageError if there is none or there are several.

    `runs` is their folder, for the message.
    """
    matches = [run_id for run_id in known if run_id.startswith(prefix.lower())]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UsageError(
            f"No run in {runs} begins with {prefix!r}; it contains {counted(len(known), 'run')}. "
            "`etl-bench runs sql 'select run_id, method, dataset, seed from runs'` lists them."
        )
    listed = ", ".join(matches[:5]) + (" ..." if len(matches) > 5 else "")
    raise UsageError(f"{len(matches)} runs begin with {prefix!r}: {listed}. Give more digits.")
