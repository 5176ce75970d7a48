"""Export and import of results: runs with their predictions, and the difficulties of their datasets.

An import is all or nothing: every digest must match, and every score must follow from the stored predictions. It cannot
tell whether the predictions themselves are genuine; `etl-bench verify`, which repeats a run, can.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench._util.atomic_write import write_atomically
from bench.errors import BundleError, ShardError
from bench.record import RunStatus
from bench.results.bundle_file import DIFFICULTY_FILE, RUN_FILE, OpenBundle, bundle_error, open_bundle, write_bundle
from bench.results.difficulty_files import check_difficulty
from bench.results.recomputed_scores import contradictions
from bench.results.shards import Shard, Shards, parse_shard

_LOG = logging.getLogger("bench.results.bundle")
_SHOWN = 5


@dataclass(frozen=True)
class Exported:
    """What a bundle holds: numbers of runs and of difficulty files, size in bytes, and the digest of all digests."""

    runs: int
    difficulties: int
    bytes: int
    root: str


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Args:
        added: run ids that were new, or had failed before.
        unchanged: run ids with the same record in the runs folder.
        conflicting: run ids with another record in the runs folder, which was not replaced.
        difficulties: how many difficulty files were new.
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
        problems: further reasons to refuse a run; those of `bench.store.import_results` need a database or data.

    Raises:
        BundleError: if the file is not a bundle, was altered, or its scores do not follow from its predictions.
    """
    with open_bundle(path) as bundle:
        run_ids = _run_ids(bundle, path)
        wrong = []
        for run_id in run_ids:
            shard = _shard(run_id, bundle, path)
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
                raise bundle_error(path, f"{name} is no difficulty: {error}") from error
        added, unchanged, conflicting = _add_runs(shards, (_shard(run_id, bundle, path) for run_id in run_ids))
    imported = Imported(bundle.root, added, unchanged, conflicting, _add_difficulties(shards, measured))
    _write_note(shards, imported, path)
    return imported


def origin(shards: Shards, run_id: str) -> str | None:
    """The root of the bundle that a run was imported from; None for a run that was not imported."""
    for path in sorted((shards.runs / "imports").glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if run_id in facts["added"]:
            return str(facts["root"])
    return None


def unverified_imports(runs: Path) -> frozenset[str]:
    """The run ids of a folder that were imported and not verified since."""
    found: set[str] = set()
    for path in sorted((runs / "imports").glob("*.json")):
        try:
            found |= set(json.loads(path.read_text(encoding="utf-8"))["added"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("%s cannot be read (%s), so the runs it lists are not marked as imported.", path, error)
    return frozenset(run_id for run_id in found if not _verified(runs, run_id).exists())


def note_verified(runs: Path, run_id: str) -> None:
    """Record that an imported run was repeated with the same predictions."""
    if run_id in unverified_imports(runs):
        path = _verified(runs, run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _verified(runs: Path, run_id: str) -> Path:
    return runs / "imports" / "verified" / run_id


def _run_ids(bundle: OpenBundle, path: Path) -> list[str]:
    names = set(bundle.names)
    found = sorted({match["run"] for name in names if (match := RUN_FILE.fullmatch(name))})
    for run_id in found:
        if f"shards/{run_id[:2]}/{run_id}.json" not in names:
            raise bundle_error(path, f"run {run_id} has predictions and no record")
    return found


def _shard(run_id: str, bundle: OpenBundle, path: Path) -> Shard:
    stem = f"shards/{run_id[:2]}/{run_id}"
    packed = f"{stem}.predictions.safetensors"
    try:
        shard = parse_shard(bundle.read(f"{stem}.json"), bundle.read(packed) if packed in bundle.names else None)
    except ShardError as error:
        raise bundle_error(path, f"run {run_id} was altered: {error}") from error
    if shard.record.run_id != run_id:
        raise bundle_error(path, f"the file of run {run_id} contains run {shard.record.run_id}")
    return shard


def _add_runs(shards: Shards, runs: Iterable[Shard]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    added, unchanged, conflicting = [], [], []
    for shard in runs:
        record, ours = shard.record, shards.read(shard.record.run_id)
        if ours is not None and ours.record == record:
            unchanged.append(record.run_id)
        elif ours is not None and not (record.status is RunStatus.OK and ours.record.status is RunStatus.FAILED):
            conflicting.append(record.run_id)
        elif shards.write(record, shard.predictions):
            added.append(record.run_id)
    return tuple(added), tuple(unchanged), tuple(conflicting)


def _add_difficulties(shards: Shards, files: Mapping[str, bytes]) -> int:
    added = 0
    for name in sorted(files):
        target = shards.runs / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, files[name])
            added += 1
    return added


def _write_note(shards: Shards, imported: Imported, path: Path) -> None:
    """Record beside the shards which bundle each imported run came from."""
    folder = shards.runs / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {"root": imported.root, "bundle": path.name}
    facts |= {"added": list(imported.added), "kept": list(imported.conflicting)}
    target = folder / f"{imported.root[:16]}.json"
    if target.exists():  # a repeated import adds to what the first one added
        before = json.loads(target.read_text(encoding="utf-8"))
        facts["added"] = sorted({*before["added"], *imported.added})
    write_atomically(target, json.dumps(facts, indent=1).encode())
