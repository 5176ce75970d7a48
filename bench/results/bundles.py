"""Exports and imports bundles: a zip of runs with their predictions and difficulties, and the digests of its files."""

import hashlib
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from bench.bounds import LARGEST_RECORD
from bench.errors import BundleError, ShardError
from bench.record import RunStatus
from bench.results.database_tables import refusal, scratch_database
from bench.results.difficulty_files import check_difficulty
from bench.results.files import write_atomically
from bench.results.outputs import replacing
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shard, Shards, parse_shard, with_origin
from datasets_registry import archives, foreign_files

LARGEST_PREDICTIONS = 2**30
"""The predictions of a run. Those of all 50,000 images of ImageNet have 5 MiB, and with both branches 400 MiB."""
LARGEST_DIFFICULTY = 2**20
"""The difficulties of a dataset for a backbone: three records of less than 1 KiB."""
MOST_BUNDLE_FILES = 500_000
"""Files of a results bundle; 100,000 runs have 200,000."""
BUNDLE_LIST_ENTRY, BUNDLE_LIST_VALUES = 2**10, 8
"""Bytes and values per file in the list of a bundle; its longest names have 420 characters."""

BUNDLE_VERSION = 1
BUNDLE_LIST = "bundle.json"
RUN_FILE = re.compile(r"shards/(?P<head>[0-9a-f]{2})/(?P<run>(?P=head)[0-9a-f]{14})\.(json|predictions\.safetensors)")
DIFFICULTY_FILE = re.compile(r"difficulty/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.json")
UNPACKING = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, struct.error)
"""Errors that unpacking a damaged, encrypted or differently compressed file raises."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SHOWN = 5
_FASTEST = 1
"""The level of compression; the usual one takes 1.4 times as long and saves 5 %."""


@dataclass(frozen=True)
class OpenBundle:
    """A bundle whose list has been checked.

    Args:
        sizes: size of each file in bytes, from the list; `read` unpacks no more.
        read: checks the digest of a file and returns its bytes.
    """

    root: str
    names: tuple[str, ...]
    sizes: Mapping[str, int]
    read: Callable[[str], bytes]


def write_bundle(files: Iterable[tuple[str, bytes]], out: Path, *, force: bool = False, listed: bool = True) -> str:
    """Write files under their names and return the root digest; equal files in the same order give equal bytes.

    Raises UsageError for another file in place of `out`, unless `force`, and BundleError if it cannot be written.
    """
    entries = []
    try:
        with (
            replacing(out, force=force, listed=listed) as draft,
            zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for name, found in files:
                content = _made_anywhere(name, found)
                entries.append({"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
                archive.writestr(_entry(name), content, compresslevel=_FASTEST)
            entries.sort(key=lambda entry: str(entry["path"]))
            root = _root(entries)
            facts = {"bundle_version": BUNDLE_VERSION, "package_version": bench.__version__, "root": root}
            archive.writestr(_entry(BUNDLE_LIST), json.dumps(facts | {"files": entries}, indent=1, sort_keys=True))
    except OSError as error:
        raise BundleError(f"{out} cannot be written ({error.strerror}); give another path.") from error
    return root


@contextmanager
def open_bundle(path: Path) -> Iterator[OpenBundle]:
    """Open a bundle, which may be larger than memory, and check its list; raises BundleError if it is damaged."""
    with ExitStack() as opened:
        try:
            archive = opened.enter_context(archives.open_zip(path, MOST_BUNDLE_FILES))
        except UNPACKING as error:
            raise BundleError(
                f"{path} cannot be read as a bundle ({getattr(error, 'strerror', None) or error}); give a file that "
                "`etl-bench runs export` wrote."
            ) from error
        facts = _facts(archive, path)
        entries = {str(entry["path"]): entry for entry in facts["files"]}
        sizes = {name: int(entry["bytes"]) for name, entry in entries.items()}
        yield OpenBundle(facts["root"], tuple(entries), sizes, lambda name: _content(archive, entries[name], path))


def bundle_error(path: Path, what: str) -> BundleError:
    """The error for a bundle with something wrong in it."""
    return BundleError(f"{path}: {what}. Nothing was imported; obtain the bundle again.")


def _facts(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """The list, after checking that its names are allowed and that the zip has exactly these files, each once."""
    held = [info.filename for info in archive.infolist()]
    if BUNDLE_LIST not in held:
        raise BundleError(f"{path} has no {BUNDLE_LIST}; give a file that `etl-bench runs export` wrote.")
    try:
        packed = archives.read_zip_member(archive, BUNDLE_LIST, BUNDLE_LIST_ENTRY * (len(held) + 1))
        facts: dict[str, Any] = foreign_files.parse_json(packed, BUNDLE_LIST_VALUES * (len(held) + 1))
        version, stated = int(facts["bundle_version"]), str(facts["root"])
        names = [str(entry["path"]) for entry in facts["files"]]
        root = _root(facts["files"])
    except (*UNPACKING, ValueError, KeyError, TypeError, OverflowError) as error:
        raise bundle_error(path, f"{BUNDLE_LIST} is damaged or altered ({error})") from error
    if version != BUNDLE_VERSION:
        raise BundleError(
            f"{path} has bundle version {version}, and this etl-bench reads version {BUNDLE_VERSION} only."
        )
    for name in names:
        if not (RUN_FILE.fullmatch(name) or DIFFICULTY_FILE.fullmatch(name)):
            raise bundle_error(path, f"{name!r} is not the path of a run or a difficulty")
    if sorted(held) != sorted([*names, BUNDLE_LIST]):
        odd = sorted(set(held) ^ {*names, BUNDLE_LIST}) or sorted({name for name in held if held.count(name) > 1})
        raise bundle_error(path, f"its files and its list disagree on {', '.join(map(repr, odd[:_SHOWN]))}")
    if root != stated:
        raise bundle_error(path, f"the digests in {BUNDLE_LIST} do not match its root, so the list was altered")
    return facts


def _content(archive: zipfile.ZipFile, entry: Mapping[str, Any], path: Path) -> bytes:
    """The bytes of one file; no more is unpacked than the list states, nor than its kind needs."""
    name, size = str(entry["path"]), int(entry["bytes"])
    try:
        fits = archive.getinfo(name).file_size == size
        content = archives.read_zip_member(archive, name, _largest(name)) if fits else b""
    except UNPACKING as error:
        raise bundle_error(path, f"{name} cannot be unpacked ({error})") from error
    if len(content) != size or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise bundle_error(path, f"{name} does not match the list, so it was altered or damaged")
    return content


def _largest(name: str) -> int:
    """The largest size of a file that is unpacked, in bytes."""
    if DIFFICULTY_FILE.fullmatch(name):
        return LARGEST_DIFFICULTY
    return LARGEST_RECORD if name.endswith(".json") else LARGEST_PREDICTIONS


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _root(listed: Sequence[Mapping[str, Any]]) -> str:
    """One digest over all names and digests; bundles with the same root have the same files."""
    lines = sorted(f"{entry['path']} {int(entry['bytes'])} {entry['sha256']}\n" for entry in listed)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Exported:
    """The contents of a bundle: numbers of runs and of difficulty files, size in bytes, and the root digest."""

    runs: int
    difficulties: int
    bytes: int
    root: str


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Args:
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


def _made_anywhere(name: str, content: bytes) -> bytes:
    """The bytes of a file in a bundle: a record says nothing about an earlier import."""
    is_record = RUN_FILE.fullmatch(name) and name.endswith(".json")
    return with_origin(content, "") if is_record else content


def export_bundle(
    shards: Shards, run_ids: Sequence[str], out: Path, *, force: bool = False, listed: bool = True
) -> Exported:
    """Write runs, and the difficulties of their datasets, as one file; the same runs give the same bytes.

    The options are those of `replacing`.

    Raises BundleError if a run is damaged or the file cannot be written.
    """
    datasets: set[tuple[str, str]] = set()

    def files() -> Iterator[tuple[Path, bytes]]:
        for run_id in sorted(set(run_ids)):
            if (found := shards.read_with_files(run_id)) is None:
                raise BundleError(f"Run {run_id} is damaged and was set aside; run its command again, then export.")
            shard, content = found
            spec = shard.record.spec
            datasets.update((spec.backbone, name) for name in (spec.dataset, *spec.targets))
            yield from content
        for path in sorted(path for pair in datasets if (path := shards.difficulties.file(*pair)).is_file()):
            measured.append(path)
            yield path, path.read_bytes()

    measured: list[Path] = []
    named = ((path.relative_to(shards.runs).as_posix(), content) for path, content in files())
    root = write_bundle(named, out, force=force, listed=listed)
    return Exported(len(run_ids), len(measured), out.stat().st_size, root)


def _accept(shard: Shard) -> Iterable[str]:  # noqa: ARG001
    return ()


def import_bundle(shards: Shards, path: Path, problems: Callable[[Shard], Iterable[str]] = _accept) -> Imported:
    """Check a whole bundle and add its new runs to a runs folder; a bundle with any error adds nothing.

    Runs are added one by one, each in one step. After a kill or a full disk, the same call adds the others.

    Args:
        problems: returns further reasons to reject a run; those of `bench.experiment.import_results` need data.

    Raises:
        BundleError: if the file is not a bundle, was altered, its scores do not follow from its predictions, or a run
            does not load into a database.
    """
    with open_bundle(path) as bundle, scratch_database() as scratch:
        run_ids = bundle_runs(bundle, path)
        for run_id in run_ids:
            shard = bundle_shard(run_id, bundle, path)
            wrong = contradiction(shard.record, shard.predictions) or refusal(scratch, [shard])
            if wrong := wrong or next(iter(problems(shard)), ""):
                raise bundle_error(
                    path,
                    "its numbers do not follow from its predictions, or contradict what is known: run "
                    f"{run_id}, {wrong}",
                )
        measured = [name for name in bundle.names if DIFFICULTY_FILE.fullmatch(name)]
        for name in measured:
            content = bundle.read(name)
            try:
                check_difficulty(name, content)
            except ShardError as error:
                raise bundle_error(path, f"{name} is not a difficulty record: {error}") from error
        difficulties = [name for name in measured if not (shards.runs / name).exists()]
        try:
            found = (bundle_shard(run_id, bundle, path) for run_id in run_ids)
            added, unchanged, conflicting = _add(shards, found, bundle.root)
            for name in difficulties:
                (shards.runs / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(shards.runs / name, bundle.read(name))
        except OSError as error:
            raise BundleError(
                f"{path} was not imported completely, since {shards.runs} cannot be written "
                f"({error.strerror or error}). Repeat the command once it can."
            ) from error
    return Imported(bundle.root, added, unchanged, conflicting, len(difficulties))


def bundle_runs(bundle: OpenBundle, path: Path) -> list[str]:
    """The ids of the runs of an open bundle; raises BundleError if one has no record."""
    names = set(bundle.names)
    found = sorted({match["run"] for name in names if (match := RUN_FILE.fullmatch(name))})
    for run_id in found:
        if f"shards/{run_id[:2]}/{run_id}.json" not in names:
            raise bundle_error(path, f"run {run_id} has predictions and no record")
    return found


def bundle_shard(run_id: str, bundle: OpenBundle, path: Path) -> Shard:
    """One run of an open bundle; raises BundleError if a checksum does not match or the file holds another run."""
    stem = f"shards/{run_id[:2]}/{run_id}"
    packed = f"{stem}.predictions.safetensors"
    try:
        shard = parse_shard(bundle.read(f"{stem}.json"), bundle.read(packed) if packed in bundle.names else None)
    except ShardError as error:
        raise bundle_error(path, f"run {run_id} was altered: {error}") from error
    if shard.record.run_id != run_id:
        raise bundle_error(path, f"the file of run {run_id} contains run {shard.record.run_id}")
    return shard


def _add(shards: Shards, runs: Iterable[Shard], root: str) -> tuple[tuple[str, ...], ...]:
    """Add runs; the ids of added ones, of those with the same record here, and of those with another record here."""
    added, unchanged, conflicting = [], [], []
    for shard in runs:
        record, ours = shard.record, shards.read(shard.record.run_id)
        failed_here = ours is None or (record.status is RunStatus.OK and ours.record.status is RunStatus.FAILED)
        if ours is not None and ours.record == record:
            unchanged.append(record.run_id)
        elif failed_here and shards.write(record, shard.predictions, origin=root):
            added.append(record.run_id)
        else:
            conflicting.append(record.run_id)
    return tuple(added), tuple(unchanged), tuple(conflicting)
