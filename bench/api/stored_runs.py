"""Stored runs: show, verify, query, rebuild, export and import them. The sources are the shards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench._util.words import counted
from bench.api.options import DATA_ROOT, Arg, DataRoot, Force, NewRuns, Opt, Runs, Where
from bench.errors import ShardError, UsageError
from bench.sweep import DEMO_BACKBONE, split_list
from bench.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from bench.context import RunContext
    from bench.record import RunRecord, Score
    from bench.results import Exported, Imported, RepetitionVerdict, Shard, Shards

Run = Annotated[str, Arg("Run id, or a unique prefix.")]
_LISTED = ("run_id", "method", "dataset", "backbone", "protocol", "shots", "seed", "status", "created_at")
"""Columns of the list of runs."""


def check_is_there(runs: Path) -> None:
    """Raise UsageError if there is no such folder of runs."""
    from bench.results import no_runs

    if not runs.is_dir():
        raise UsageError(no_runs(runs))


def runs_below(place: Path) -> list[Path]:
    """The folders with runs directly inside a folder, sorted by name."""
    from bench.results import runs_folders

    return runs_folders(place)


@dataclass(frozen=True)
class StoredRun:
    """One run as text.

    Args:
        record: everything that was recorded.
        facts: the spec, cost and provenance by name.
        scores: one row per split.
        open: the open score with its areas; empty if it was not computed.
    """

    record: RunRecord
    facts: Mapping[str, object]
    scores: Sequence[Mapping[str, object]]
    open: Mapping[str, object]


def stored_run(run: Run, runs: Runs = "runs") -> StoredRun:
    """The run whose id begins with `run`; raises UsageError, or ShardError if it is damaged."""
    from bench.analysis import metrics
    from bench.results import Shards

    record = _read(Shards(Path(runs)), run).record
    spec = record.spec.model_dump(mode="json")
    config = {f"config.{key}": value for key, value in spec.pop("config").items()}
    recipe = {f"recipe.{key}": value for key, value in (spec.pop("recipe") or {}).items()}
    facts = {"run_id": record.run_id, "status": str(record.status)} | spec | config | recipe
    if record.selected_epoch is not None:
        facts["selected_epoch"] = record.selected_epoch
    if record.cost is not None:
        facts |= dict(record.cost) | {"learning_seconds": record.cost.learning_seconds}
    provenance = record.provenance.model_dump(mode="json")
    provenance["support_digests"] = f"{len(record.provenance.support_digests)} images"
    if "true_labels" in provenance:
        provenance["true_labels"] = f"{counted(len(record.provenance.true_labels), 'image')} with another label"
    facts |= provenance
    facts["created_at"] = record.created_at.isoformat()
    facts["imported_from"] = Shards(Path(runs)).origin(record.run_id) or "made here"
    opened: dict[str, object] = {}
    if record.open is not None:
        opened["open"] = metrics.harmonic_mean(record.open.base.accuracy, record.open.new.accuracy)
    scores = [_score(score) for score in record.all_scores] if record.scores else []
    return StoredRun(record, facts, scores, opened)


def _score(score: Score) -> dict[str, object]:
    """A score with the 95 % interval of its accuracy over test images like these."""
    from bench.analysis import wilson

    low, high = wilson(score.accuracy, score.n)
    values = score.model_dump(mode="json")
    return {"split": values.pop("split"), "accuracy": values.pop("accuracy"), "low": low, "high": high} | values


@dataclass(frozen=True)
class VerifiedRun:
    """A run that was repeated.

    Args:
        elsewhere: whether it was repeated on another kind of device, so that it can agree only within rounding.
        notes: what differed in the repetition.
    """

    verdict: RepetitionVerdict
    elsewhere: bool
    notes: tuple[str, ...]


def verify_runs(
    chosen: Annotated[Sequence[str], Arg("Run ids, or unique prefixes.", metavar="RUN...")],
    runs: Runs = "runs",
    *,
    backbones: Annotated[Sequence[str], Opt(field="backbones")] = (DEMO_BACKBONE,),
    data_root: DataRoot = None,
    support: Annotated[
        Sequence[Path],
        Opt("Support list in place of a draw: from `datasets draw`, or JSON lines of path and label. Repeatable."),
    ] = (),
    class_text: Annotated[str, Opt(field="class_text")] = "template",
    teacher: Annotated[Path | None, Opt(field="teacher")] = None,
    device: Annotated[
        str | None, Opt("As in `run`. Default: the device of the run if this machine has it, else the CPU.")
    ] = None,
    threads: Annotated[int | None, Opt("Threads of torch. Default: as in the run.", min=1)] = None,
    eval_batch: Annotated[int | None, Opt("Test images per batch. Default: as in the run.", min=1)] = None,
) -> Iterator[VerifiedRun]:
    """Repeat stored runs from the images, without the cache, and compare them bit for bit, one after the other.

    Local weights, support lists, class texts of a file and the teacher are those with which the runs were made. Raises
    UsageError or ShardError before anything is repeated.
    """
    from bench.experiment import read_teacher
    from bench.results import Shards, check_verifiable
    from bench.sweep import exported_threads, files_by_digest, local_weights, repetition_context
    from datasets_registry import read_support_list
    from methods import parse_class_text

    exported = exported_threads()
    if None not in (threads, exported) and threads != exported:
        raise UsageError(
            f"--threads {threads} contradicts OMP_NUM_THREADS={exported} in the environment; give the same number, or "
            "unset the variable."
        )
    shards = Shards(Path(runs))
    shards_of_runs = []
    for text in chosen:
        stored = _read(shards, text)
        check_verifiable(stored.record)
        shards_of_runs.append(stored)
    weights = local_weights(split_list(backbones))
    lists = [read_support_list(path) for path in support]
    taught = None if teacher is None else read_teacher(teacher)
    files = files_by_digest(lists, parse_class_text(class_text), taught)
    options: dict[str, Any] = {
        "data_root": data_root, "weights": weights, "files": files, "device": device, "threads": threads,
        "eval_batch": eval_batch,
    }  # fmt: skip
    contexts = [repetition_context(stored, **options) for stored in shards_of_runs]
    unused_threads = exported if threads is None else None
    return (_verified(*pair, Path(runs), unused_threads) for pair in zip(shards_of_runs, contexts, strict=True))


def _verified(stored: Shard, context: RunContext, runs: Path, exported: int | None) -> VerifiedRun:
    """`exported` are the threads that the environment names and the repetition does not use."""
    from bench.experiment import run_experiment  # imports torch, which the checks do not need
    from bench.results import RepetitionOutcome, Shards, judge_repetition

    provenance, run_id, notes = stored.record.provenance, stored.record.run_id, []
    if exported not in (None, provenance.threads):
        notes.append(
            f"{run_id}: uses the run's {provenance.threads} threads, not OMP_NUM_THREADS={exported}; "
            f"use --threads {exported} to change this"
        )
    repeated, predictions = run_experiment(stored.record.spec, context)
    verdict = judge_repetition(stored, repeated, predictions)
    device = repeated.provenance.device_class
    if device != provenance.device_class:
        notes.append(
            f"{run_id}: made on {provenance.device_class} and repeated on {device}, so it can agree only within "
            "rounding"
        )
    if verdict.outcome in (RepetitionOutcome.IDENTICAL, RepetitionOutcome.ROUNDING):
        Shards(runs).note_verified(run_id)
    return VerifiedRun(verdict, device != provenance.device_class, tuple(notes))


def query_runs(
    query: Annotated[str, Arg("One read-only statement, for example: select * from runs limit 5")], runs: Runs = "runs"
) -> pd.DataFrame:
    """The answer to one read-only SQL statement on the results database; raises StoreError for any other.

    The tables are runs, scores, predictions, difficulty, and published for numbers from papers.
    """
    from bench.papers import published_frame
    from bench.results import fresh_store

    return fresh_store(Path(runs)).query(query, {"published": published_frame()})


def runs_table(runs: Runs = "runs", *, where: Where = None) -> Table:
    """One row per run that satisfies an SQL condition, the oldest first: what it is, its status and when it was made.

    Raises StoreError for a wrong condition, and UsageError if there is no such folder.
    """
    from bench.results import fresh_store

    check_is_there(Path(runs))
    query = f"SELECT {', '.join(_LISTED)} FROM runs WHERE {where or 'true'} ORDER BY created_at, run_id"
    rows = [
        dict(zip(_LISTED, row, strict=True)) for row in fresh_store(Path(runs)).query(query).astype(object).to_numpy()
    ]
    created = Column("created at", lambda row: f"{row['created_at']:%Y-%m-%d %H:%M}")
    spare = ("created at", "backbone", "protocol", "shots")
    return Table(rows, [*_LISTED[:-1], created], spare=spare, notes=() if rows else ["no runs"])


def rebuild_database(runs: Runs = "runs") -> tuple[int, Path]:
    """Build the database from the shards, in place of an existing one; returns the number of runs and its path."""
    from bench.results import Store

    store = Store(Path(runs))
    return store.rebuild(), store.path


def chosen_runs(runs: Path, where: str | None, *, completed: bool = False) -> list[str]:
    """The ids of the runs that satisfy an SQL condition, sorted; raises UsageError if there are none."""
    from bench.results import fresh_store, no_runs

    table = "(SELECT * FROM runs WHERE status = 'ok') AS runs" if completed else "runs"
    query = f"SELECT run_id FROM {table} WHERE {'true' if where is None else where} ORDER BY run_id"
    store = fresh_store(runs)
    run_ids = [str(run_id) for run_id in store.query(query)["run_id"]]
    if not run_ids and store.runs_frame().empty:
        raise UsageError(no_runs(runs))
    if not run_ids:
        matching = "" if where is None else f" matches --where {where!r}"
        if re.search(r"\brecipe\b", where or ""):
            matching += "; the column recipe holds all settings of a recipe as JSON, and recipe_name its name"
        raise UsageError(
            f"No {'completed ' if completed else ''}run in {runs}{matching}. "
            f"`etl-bench runs list --runs {runs}` lists the runs."
        )
    return run_ids


def export_runs(
    out: Annotated[Path | str, Arg("File to write, such as mine.zip.")],
    runs: Runs = "runs",
    *,
    where: Where = None,
    force: Force = False,
) -> Exported:
    """Write runs with their predictions, difficulties and digests into one zip file to share.

    Raises UsageError if no run satisfies it, or if `out`
    exists, unless `force`.
    """
    from bench.results import Shards, check_output_file, export_bundle

    check_output_file(Path(out), "The bundle", force=force, suffixes=(".zip",))
    return export_bundle(Shards(Path(runs)), chosen_runs(Path(runs), where), Path(out), force=force)


def import_runs(
    bundle: Annotated[Path | str, Arg("A file that `runs export` wrote.")],
    runs: NewRuns = "runs",
    *,
    data_root: Annotated[Path | str | None, DATA_ROOT] = None,
) -> Imported:
    """Check a file of `export_runs`, recompute its scores from its predictions and add its runs.

    Raises BundleError for a damaged file, which adds nothing.
    """
    from bench.experiment import import_results
    from bench.results import Shards, fresh_store

    root = None if data_root is None else Path(data_root)
    imported = import_results(Shards(Path(runs)), Path(bundle), data_root=root)
    fresh_store(Path(runs))
    return imported


def scores_table(records: Sequence[RunRecord]) -> Table:
    """One row for each score of some runs, with its interval."""
    columns = ("split", "accuracy", "low", "high", "n")
    rows = [
        {
            "run_id": record.run_id,
            "method": record.spec.method,
            "dataset": record.spec.dataset,
            "shots": record.spec.shots,
            "seed": record.spec.seed,
        }
        | {name: value for name, value in _score(score).items() if name in columns}
        for record in records
        for score in record.all_scores
    ]
    return Table(rows)


def _read(shards: Shards, prefix: str) -> Shard:
    """The stored run whose id begins with `prefix`; raises ShardError if it is damaged."""
    run_id = shards.find(prefix)
    if (shard := shards.read(run_id)) is None:
        raise ShardError(f"Run {run_id} was damaged and has been set aside; repeat its command to recompute it.")
    return shard
