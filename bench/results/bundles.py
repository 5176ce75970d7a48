"""Exports and imports bundles: a zip of runs with their predictions and difficulties, and the digests of its files."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.bounds import LARGEST_RECORD
from bench.errors import BundleError, ShardError
from bench.record import RunStatus
from bench.results.database_tables import refusal, scratch_database
from bench.results.difficulty_files import check_difficulty
from bench.results.files import write_atomically
from bench.results.listed_archive import ArchiveKind, OpenArchive, open_archive, write_archive
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shard, Shards, parse_shard, with_origin

LARGEST_PREDICTIONS = 2**30
"""The predictions of a run. Those of all 50,000 images of ImageNet have 5 MiB, and those of earlier versions up to 400 MiB."""
LARGEST_DIFFICULTY = 2**20
"""The difficulties of a dataset for a backbone: three records of less than 1 KiB."""
MOST_BUNDLE_FILES = 500_000
"""Files of a results bundle; 100,000 runs have 200,000."""
RUN_FILE = re.compile(r"shards/(?P<head>[0-9a-f]{2})/(?P<run>(?P=head)[0-9a-f]{14})\.(json|predictions\.safetensors)")
DIFFICULTY_FILE = re.compile(r"difficulty/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.json")


def _largest(name: str) -> int:
    """The largest size of a file of a bundle; 0 for a name that is not allowed."""
    if DIFFICULTY_FILE.fullmatch(name):
        return LARGEST_DIFFICULTY
    if not RUN_FILE.fullmatch(name):
        return 0
    return LARGEST_RECORD if name.endswith(".json") else LARGEST_PREDICTIONS


BUNDLE = ArchiveKind(
    title="bundle",
    version=1,
    most_files=MOST_BUNDLE_FILES,
    largest=_largest,
    member="the path of a run or a difficulty",
    command="etl-bench runs export",
    refusal="Nothing was imported; obtain the bundle again.",
    error=BundleError,
)


def open_bundle(path: Path) -> AbstractContextManager[OpenArchive]:
    """Open a bundle, which may be larger than memory, and check its list; raises BundleError if it is damaged."""
    return open_archive(BUNDLE, path)


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

    The options are those of `write_archive`.

    Raises BundleError if a run is damaged or the file cannot be written.
    """
    datasets: set[tuple[str, str]] = set()

    def files() -> Iterator[tuple[Path, bytes]]:
        for run_id in sorted(set(run_ids)):
            if (found := shards.record_with_files(run_id)) is None:
                raise BundleError(f"Run {run_id} is damaged and was set aside; run its command again, then export.")
            record, content = found
            spec = record.spec
            datasets.update((spec.backbone, name) for name in (spec.dataset, *spec.targets))
            yield from content
        for path in sorted(path for pair in datasets if (path := shards.difficulties.file(*pair)).is_file()):
            measured.append(path)
            yield path, path.read_bytes()

    measured: list[Path] = []
    names = ((path.relative_to(shards.runs).as_posix(), content) for path, content in files())
    contents = ((name, _made_anywhere(name, content)) for name, content in names)
    root = write_archive(BUNDLE, contents, out, force=force, listed=listed)
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
                raise BUNDLE.damaged(
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
                raise BUNDLE.damaged(path, f"{name} is not a difficulty record: {error}") from error
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


def bundle_runs(bundle: OpenArchive, path: Path) -> list[str]:
    """The ids of the runs of an open bundle; raises BundleError if one has no record."""
    names = set(bundle.names)
    found = sorted({match["run"] for name in names if (match := RUN_FILE.fullmatch(name))})
    for run_id in found:
        if f"shards/{run_id[:2]}/{run_id}.json" not in names:
            raise BUNDLE.damaged(path, f"run {run_id} has predictions and no record")
    return found


def bundle_shard(run_id: str, bundle: OpenArchive, path: Path) -> Shard:
    """One run of an open bundle; raises BundleError if a checksum does not match or the file holds another run."""
    stem = f"shards/{run_id[:2]}/{run_id}"
    packed = f"{stem}.predictions.safetensors"
    try:
        shard = parse_shard(bundle.read(f"{stem}.json"), bundle.read(packed) if packed in bundle.names else None)
    except ShardError as error:
        raise BUNDLE.damaged(path, f"run {run_id} was altered: {error}") from error
    if shard.record.run_id != run_id:
        raise BUNDLE.damaged(path, f"the file of run {run_id} contains run {shard.record.run_id}")
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
