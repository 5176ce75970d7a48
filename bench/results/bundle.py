"""Exports and imports results: runs with their predictions, and the difficulties of their datasets.

An import is atomic, even if it is killed: every digest must match, and every score must follow from the stored
predictions. Whether the predictions are genuine can only be checked by `etl-bench verify`, which repeats a run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench._util.atomic_write import write_atomically
from bench.errors import BundleError, ShardError
from bench.record import RunRecord, RunStatus
from bench.results.bundle_file import DIFFICULTY_FILE, RUN_FILE, OpenBundle, bundle_error, open_bundle, write_bundle
from bench.results.difficulty_files import check_difficulty
from bench.results.recomputed_scores import contradictions
from bench.results.shards import Shard, Shards, parse_shard
from bench.results.staged_import import ImportNote, commit_import

_SHOWN = 5


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


def export_bundle(shards: Shards, run_ids: Sequence[str], out: Path) -> Exported:
    """Write runs, and the difficulties of their datasets, as one file; the same runs give the same bytes.

    Raises BundleError if a run is damaged or the file cannot be written.
    """
    paths: list[Path] = []
    datasets: set[tuple[str, str]] = set()
    for run_id in run_ids:
        shard = shards.read(run_id)
        if shard is None:
            raise BundleError(f"Run {run_id} is damaged and was set aside; run its command again, then export.")
        spec = shard.record.spec
        datasets |= {(spec.backbone, name) for name in (spec.dataset, *spec.targets)}
        paths += shards.files(run_id)
    measured = [path for pair in sorted(datasets) if (path := shards.difficulties.file(*pair)).is_file()]
    root = write_bundle({path.relative_to(shards.runs).as_posix(): path for path in [*paths, *measured]}, out)
    return Exported(len(run_ids), len(measured), out.stat().st_size, root)


def _accept(shard: Shard) -> Iterable[str]:  # noqa: ARG001
    return ()


def import_bundle(shards: Shards, path: Path, problems: Callable[[Shard], Iterable[str]] = _accept) -> Imported:
    """Check a whole bundle and add what is new to a runs folder; a bundle with any error adds nothing.

    Args:
        problems: returns further reasons to reject a run; those of `bench.store.import_results` need a database or
            data.

    Raises:
        BundleError: if the file is not a bundle, was altered, or its scores do not follow from its predictions.
    """
    with open_bundle(path) as bundle:
        run_ids = bundle_runs(bundle, path)
        wrong = []
        for run_id in run_ids:
            shard = bundle_shard(run_id, bundle, path)
            found = contradictions(shard.record, shard.predictions) or problems(shard)
            wrong += [f"run {run_id}, {text}" for text in found]
        if wrong:
            more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
            listed = "; ".join(wrong[:_SHOWN]) + more
            raise bundle_error(
                path, f"its numbers do not follow from its predictions, or contradict what is known: {listed}"
            )
        measured = {name: bundle.read(name) for name in bundle.names if DIFFICULTY_FILE.fullmatch(name)}
        for name, content in measured.items():
            try:
                check_difficulty(name, content)
            except ShardError as error:
                raise bundle_error(path, f"{name} is not a difficulty record: {error}") from error
        shards.scan()  # completes an import whose process was killed
        new, unchanged, conflicting = _sort_runs(shards, (bundle_shard(run_id, bundle, path) for run_id in run_ids))
        difficulties = {name: content for name, content in measured.items() if not (shards.runs / name).exists()}
        note = ImportNote(bundle.root, path.name, new, conflicting)

        def fill(folder: Path) -> None:
            for run_id in new:
                shard = bundle_shard(run_id, bundle, path)
                Shards(folder).write(shard.record, shard.predictions)
            for name, content in difficulties.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(folder / name, content)

        try:
            added = commit_import(shards.runs, note, fill, shards.take)
        except OSError as error:
            raise BundleError(
                f"{path} was not imported, since {shards.runs} cannot be written ({error.strerror or error}). Repeat "
                "the command once it can."
            ) from error
    kept = (*conflicting, *(run_id for run_id in new if run_id not in added))
    return Imported(bundle.root, added, unchanged, kept, len(difficulties))


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


def _sort_runs(shards: Shards, runs: Iterable[Shard]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The ids of runs to add, of runs with the same record here, and of runs with another record here.

    Records are also the same if only one of them has an open score, which `etl-bench rescore` adds.
    """
    new, unchanged, conflicting = [], [], []
    for shard in runs:
        record, ours = shard.record, shards.read(shard.record.run_id)
        if ours is not None and _same_run(ours.record, record):
            unchanged.append(record.run_id)
        elif ours is not None and not (record.status is RunStatus.OK and ours.record.status is RunStatus.FAILED):
            conflicting.append(record.run_id)
        else:
            new.append(record.run_id)
    return tuple(new), tuple(unchanged), tuple(conflicting)


def _same_run(a: RunRecord, b: RunRecord) -> bool:
    """Whether two records are equal, except that one may lack an open score."""
    if a.open is None or b.open is None:
        a, b = (record.model_copy(update={"open": None}) for record in (a, b))
    return a == b
