"""Exports and imports bundles: a zip of runs with their predictions and difficulties."""

import hashlib
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.bounds import LARGEST_RECORD
from bench.errors import BundleError, ShardError
from bench.record import RunStatus
from bench.results.database import refusal, scratch_database
from bench.results.difficulty_files import check_difficulty
from bench.results.files import write_atomically
from bench.results.outputs import replacing
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shard, Shards, parse_shard, without_origin
from datasets_registry import archives

LARGEST_PREDICTIONS = 2**30
"""The predictions of a run. Those of all 50,000 images of ImageNet have 5 MiB; earlier versions stored 400 MiB."""
LARGEST_DIFFICULTY = 2**20
"""The difficulties of a dataset for a backbone: three records of less than 1 KiB."""
MOST_BUNDLE_FILES = 500_000
"""Files of a results bundle; 100,000 runs have 200,000."""
_RUN_FILE = re.compile(r"shards/(?P<head>[0-9a-f]{2})/(?P<run>(?P=head)[0-9a-f]{14})\.(json|predictions\.safetensors)")
DIFFICULTY_FILE = re.compile(r"difficulty/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.json")
_LIST_OF_EARLIER_BUNDLES = "bundle.json"
_UNPACKING = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, struct.error)
"""Errors that unpacking a damaged, encrypted or differently compressed file raises."""
_DATE = (1980, 1, 1, 0, 0, 0)
_FASTEST = 1
"""The level of compression: the usual one takes 1.4 times as long and saves 5 %."""


@dataclass(frozen=True)
class Exported:
    """The contents of a bundle: numbers of runs and of difficulty files, size in bytes, and the SHA-256 of the file."""

    runs: int
    difficulties: int
    bytes: int
    root: str


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Args:
        root: SHA-256 of the bundle.
        added: ids of runs that were new or had failed before.
        unchanged: ids of runs with the same record in the runs folder.
        conflicting: ids of runs with another record in the runs folder, which was kept.
        difficulties: number of new difficulty files.
    """

    root: str
    added: tuple[str, ...]
    unchanged: tuple[str, ...]
    conflicting: tuple[str, ...]
    difficulties: int


@dataclass(frozen=True)
class Bundle:
    """An open bundle, which may be larger than memory.

    Args:
        root: SHA-256 of the file.
        sizes: bytes of each file as the zip states them; `read` unpacks no more than its name allows.
        run_ids: of its runs, sorted; `difficulties` are the names of its other files.
    """

    path: Path
    archive: zipfile.ZipFile
    root: str
    sizes: Mapping[str, int]
    run_ids: tuple[str, ...]
    difficulties: tuple[str, ...]

    def read(self, name: str) -> bytes:
        """The bytes of one file; raises BundleError if it is damaged or too large."""
        largest = LARGEST_DIFFICULTY
        if _RUN_FILE.fullmatch(name):
            largest = LARGEST_RECORD if name.endswith(".json") else LARGEST_PREDICTIONS
        try:
            return archives.read_zip_member(self.archive, name, largest)
        except _UNPACKING as error:
            raise _damaged(self.path, f"{name} cannot be unpacked ({error})") from error

    def shard(self, run_id: str) -> Shard:
        """One run; raises BundleError if a checksum does not match or the file holds another run."""
        record, packed = _names(run_id)
        try:
            shard = parse_shard(self.read(record), self.read(packed) if packed in self.sizes else None)
        except ShardError as error:
            raise _damaged(self.path, f"run {run_id} was altered: {error}") from error
        if shard.record.run_id != run_id:
            raise _damaged(self.path, f"the file of run {run_id} contains run {shard.record.run_id}")
        return shard


def _names(run_id: str) -> tuple[str, str]:
    """The names of the record and of the predictions of a run in a bundle."""
    stem = f"shards/{run_id[:2]}/{run_id}"
    return f"{stem}.json", f"{stem}.predictions.safetensors"


def _damaged(path: Path, what: str) -> BundleError:
    return BundleError(f"{path}: {what}. Nothing was imported; obtain the bundle again.")


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a bundle and check the names of its files; raises BundleError if it is damaged."""
    with ExitStack() as opened:
        try:
            archive = opened.enter_context(archives.open_zip(path, MOST_BUNDLE_FILES))
            root = _digest(path)
        except _UNPACKING as error:
            raise BundleError(
                f"{path} cannot be read as a bundle ({getattr(error, 'strerror', None) or error}); give a file that "
                "`etl-bench runs export` wrote."
            ) from error
        infos = [info for info in archive.infolist() if info.filename != _LIST_OF_EARLIER_BUNDLES]
        sizes = {info.filename: info.file_size for info in infos}
        if len(sizes) < len(infos):
            raise _damaged(path, f"it has {Counter(info.filename for info in infos).most_common(1)[0][0]!r} twice")
        records = {match["run"] for name in sizes if (match := _RUN_FILE.fullmatch(name))}
        difficulties = tuple(name for name in sizes if DIFFICULTY_FILE.fullmatch(name))
        if odd := [name for name in sizes if not _RUN_FILE.fullmatch(name) and name not in difficulties]:
            raise _damaged(path, f"{odd[0]!r} is not the path of a run or a difficulty")
        if lacking := [run_id for run_id in sorted(records) if _names(run_id)[0] not in sizes]:
            raise _damaged(path, f"run {lacking[0]} has predictions and no record")
        yield Bundle(path, archive, root, sizes, tuple(sorted(records)), difficulties)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def export_bundle(
    shards: Shards, run_ids: Sequence[str], out: Path, *, force: bool = False, listed: bool = True
) -> Exported:
    """Write runs, and the difficulties of their datasets, as one file; the same runs give the same bytes.

    Raises UsageError for another file in place of `out`, unless `force`, and BundleError if a run is damaged or the
    file cannot be written. `listed` is that of `replacing`.
    """
    datasets: set[tuple[str, str]] = set()
    try:
        with replacing(out, force=force, listed=listed) as draft, zipfile.ZipFile(draft, "w") as archive:

            def add(path: Path, content: bytes) -> None:
                info = zipfile.ZipInfo(path.relative_to(shards.runs).as_posix(), date_time=_DATE)
                info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(info, content, compresslevel=_FASTEST)

            for run_id in sorted(set(run_ids)):
                if (stored := shards.record_with_files(run_id)) is None:
                    raise BundleError(f"Run {run_id} is damaged and was set aside; run its command again, then export.")
                record, files = stored
                datasets.update((record.spec.backbone, name) for name in (record.spec.dataset, *record.spec.targets))
                for path, content in files:  # a record says nothing about an earlier import
                    add(path, without_origin(content) if path.suffix == ".json" else content)
            measured = sorted(path for pair in datasets if (path := shards.difficulties.file(*pair)).is_file())
            for path in measured:
                add(path, path.read_bytes())
    except OSError as error:
        raise BundleError(f"{out} cannot be written ({error.strerror}); give another path.") from error
    return Exported(len(run_ids), len(measured), out.stat().st_size, _digest(out))


def import_bundle(shards: Shards, path: Path, problems: Callable[[Shard], Iterable[str]] = lambda _: ()) -> Imported:
    """Check a whole bundle and add its new runs to a runs folder; a bundle with any error adds nothing.

    Runs are added one by one, each in one step. After a kill or a full disk, the same call adds the others.

    Args:
        problems: returns further reasons to reject a run; those of `bench.experiment.import_results` need data.

    Raises:
        BundleError: if the file is not a bundle, was altered, its scores do not follow from its predictions, or a run
            does not load into a database.
    """
    with open_bundle(path) as bundle, scratch_database() as scratch:
        for run_id in bundle.run_ids:
            shard = bundle.shard(run_id)
            wrong = contradiction(shard.record, shard.predictions) or refusal(scratch, shard)
            if wrong := wrong or next(iter(problems(shard)), ""):
                raise _damaged(
                    path,
                    "its numbers do not follow from its predictions, or contradict what is known: run "
                    f"{run_id}, {wrong}",
                )
        for name in bundle.difficulties:
            try:
                check_difficulty(name, bundle.read(name))
            except ShardError as error:
                raise _damaged(path, f"{name} is not a difficulty record: {error}") from error
        difficulties = [name for name in bundle.difficulties if not (shards.runs / name).exists()]
        try:
            added, unchanged, conflicting = _add(shards, map(bundle.shard, bundle.run_ids), bundle.root)
            for name in difficulties:
                (shards.runs / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(shards.runs / name, bundle.read(name))
        except OSError as error:
            raise BundleError(
                f"{path} was not imported completely, since {shards.runs} cannot be written "
                f"({error.strerror or error}). Repeat the command once it can."
            ) from error
    return Imported(bundle.root, added, unchanged, conflicting, len(difficulties))


def _add(shards: Shards, runs: Iterable[Shard], root: str) -> tuple[tuple[str, ...], ...]:
    """Add runs; the ids of added ones, of those with the same record here, and of those with another record here."""
    added, unchanged, conflicting = [], [], []
    for shard in runs:
        record, existing = shard.record, shards.read(shard.record.run_id)
        failed_here = existing is None or (record.status is RunStatus.OK and existing.record.status is RunStatus.FAILED)
        if existing is not None and existing.record == record:
            unchanged.append(record.run_id)
        elif failed_here and shards.write(record, shard.predictions, origin=root):
            added.append(record.run_id)
        else:
            conflicting.append(record.run_id)
    return tuple(added), tuple(unchanged), tuple(conflicting)
