"""Results given away and taken in: records, predictions and difficulties, and numbers that follow from predictions.

An import is all or nothing: every digest must fit and every score must follow from the predictions beside it. Whether
somebody invented the predictions it cannot tell; `etl-bench verify`, which runs the question again, can.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench._util.atomic_write import write_atomically
from bench.errors import BundleError, ShardError
from bench.record import RunRecord, RunStatus
from bench.results.bundle_file import DIFFICULTY_FILE, RUN_FILE, OpenBundle, open_bundle, refusal, write_bundle
from bench.results.recomputed_scores import contradictions
from bench.results.shards import Shard, Shards, parse_shard

_SHOWN = 5


@dataclass(frozen=True)
class Exported:
    """What a bundle holds: runs, difficulty files, bytes of the file and the root over all digests."""

    runs: int
    difficulties: int
    bytes: int
    root: str


@dataclass(frozen=True)
class Imported:
    """What an import did with the runs of a bundle.

    Args:
        root: of the bundle.
        added: run ids that are new here, or that had only failed here.
        known: run ids whose record here is the same.
        kept: run ids that were answered here already, differently; ours stay.
        difficulties: difficulty files that are new here.
    """

    root: str
    added: tuple[str, ...]
    known: tuple[str, ...]
    kept: tuple[str, ...]
    difficulties: int


def export_bundle(shards: Shards, run_ids: Sequence[str], out: Path) -> Exported:
    """Write runs, and the difficulties of their datasets, as one file; the same runs give the same bytes.

    Raises:
        BundleError: a run that is damaged, or a place that cannot be written.
    """
    paths: list[Path] = []
    places: set[tuple[str, str]] = set()
    for run_id in run_ids:
        shard = shards.read(run_id)
        if shard is None:
            raise BundleError(f"Run {run_id} is damaged and was set aside; run its command again, then export.")
        spec = shard.record.spec
        places |= {(spec.backbone, name) for name in (spec.dataset, *spec.targets)}
        paths += shards.files(run_id)
    measured = [path for place in sorted(places) if (path := shards.difficulties.file(*place)).is_file()]
    root = write_bundle({path.relative_to(shards.runs).as_posix(): path for path in [*paths, *measured]}, out)
    return Exported(len(run_ids), len(measured), out.stat().st_size, root)


def import_bundle(shards: Shards, path: Path) -> Imported:
    """Check a bundle as a whole and add what is new to a runs folder; where anything is wrong, nothing is added.

    Raises:
        BundleError: a file that is no bundle, was altered, or whose numbers do not follow from its predictions; the
            message names what.
    """
    with open_bundle(path) as bundle:
        run_ids = _run_ids(bundle, path)
        wrong = [f"run {run_id}, {text}" for run_id in run_ids for text in _objections(_shard(run_id, bundle, path))]
        if wrong:
            more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
            raise refusal(path, f"its numbers do not follow from its predictions: {'; '.join(wrong[:_SHOWN])}{more}")
        measured = {name: bundle.read(name) for name in bundle.names if DIFFICULTY_FILE.fullmatch(name)}
        added, known, kept = _add_runs(shards, (_shard(run_id, bundle, path) for run_id in run_ids))
    imported = Imported(bundle.root, added, known, kept, _add_difficulties(shards, measured))
    _note(shards, imported, path)
    return imported


def _objections(shard: Shard) -> list[str]:
    return contradictions(shard.record, shard.predictions)


def origin(shards: Shards, run_id: str) -> str | None:
    """The root of the bundle that brought a run here, None for one made here."""
    for path in sorted((shards.runs / "imports").glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if run_id in facts["added"]:
            return str(facts["root"])
    return None


def _run_ids(bundle: OpenBundle, path: Path) -> list[str]:
    names = set(bundle.names)
    found = {match["run"] for name in names if (match := RUN_FILE.fullmatch(name))}
    for run_id in found:
        if f"shards/{run_id[:2]}/{run_id}.json" not in names:
            raise refusal(path, f"run {run_id} has predictions and no record")
    return sorted(found)


def _shard(run_id: str, bundle: OpenBundle, path: Path) -> Shard:
    stem = f"shards/{run_id[:2]}/{run_id}"
    packed = f"{stem}.predictions.safetensors"
    try:
        shard = parse_shard(bundle.read(f"{stem}.json"), bundle.read(packed) if packed in bundle.names else None)
    except ShardError as error:
        raise refusal(path, f"run {run_id} was altered: {error}") from error
    if shard.record.run_id != run_id:
        raise refusal(path, f"the file of run {run_id} holds run {shard.record.run_id}")
    return shard


def _add_runs(shards: Shards, runs: Iterable[Shard]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    added, known, kept = [], [], []
    for shard in runs:
        record = shard.record
        ours = shards.read(record.run_id)
        if ours is not None and ours.record == record:
            known.append(record.run_id)
        elif ours is not None and not _better(record, ours.record):
            kept.append(record.run_id)
        elif shards.write(record, shard.predictions):
            added.append(record.run_id)
    return tuple(added), tuple(known), tuple(kept)


def _better(theirs: RunRecord, ours: RunRecord) -> bool:
    return theirs.status is RunStatus.OK and ours.status is RunStatus.FAILED


def _add_difficulties(shards: Shards, files: Mapping[str, bytes]) -> int:
    added = 0
    for name in sorted(files):
        target = shards.runs / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, files[name])
            added += 1
    return added


def _note(shards: Shards, imported: Imported, path: Path) -> None:
    """Keep which bundle brought which runs, beside the shards."""
    folder = shards.runs / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"root": imported.root, "bundle": path.name, "added": list(imported.added), "kept": list(imported.kept)}
    target = folder / f"{imported.root[:16]}.json"
    if target.exists():  # a second import of the same bundle adds what the first could not
        before = json.loads(target.read_text(encoding="utf-8"))
        facts["added"] = sorted({*before["added"], *imported.added})
    write_atomically(target, json.dumps(facts, indent=1).encode())
