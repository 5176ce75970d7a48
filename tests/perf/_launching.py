"""Overhead of a launcher per run, and the cost of loading results, measured with runs that do nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _table import Goal, Row

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
FEW, MANY = 20, 140
INGESTED = 100_000


def launcher_row(name: str, goal: Goal) -> Row:
    """Seconds per additional run with one worker, from a difference that cancels start-up and shut-down."""
    if name == "ray" and importlib.util.find_spec("ray") is None:
        return Row(f"{name} launcher, for each run beyond start-up", goal, None, note="ray is not installed")
    sys.path[:0] = [str(SUPPORT)]
    paths = os.pathsep.join([str(ROOT), str(SUPPORT)])
    os.environ["PYTHONPATH"] = paths  # workers import the runner of the tests
    _timed(name, 2)
    seconds = (_timed(name, MANY) - _timed(name, FEW)) / (MANY - FEW)
    return Row(f"{name} launcher, for each run beyond start-up", goal, seconds)


def _timed(name: str, runs: int) -> float:
    from fake_runner import make_spec
    from launching import launch

    from bench.context import RunContext
    from bench.sweep.launch.tasks import RunTask, Surroundings

    with tempfile.TemporaryDirectory() as folder:
        surroundings = Surroundings(runs=Path(folder), context=RunContext(), runner="fake_runner")
        fields = {} if name == "local" else {"method": "ray", "address": "local"}
        start = time.perf_counter()
        summary = launch(surroundings, 1, [RunTask(make_spec(seed=seed)) for seed in range(runs)], **fields)
        seconds = time.perf_counter() - start
    if len(summary.finished) != runs or summary.failures:
        raise RuntimeError(f"{len(summary.finished)} of {runs} runs finished, {len(summary.failures)} failed")
    return seconds


def ingest_row(runs: int = INGESTED) -> Row:
    """Loading records with 200 predictions each into a new database, and computing the leaderboard from it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)])}
        command = [sys.executable, __file__, folder, str(runs)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout.splitlines()[-1])
    note = (
        f"{found['predictions'] / 1e6:.0f} million predictions, peak {found['bytes'] / 2**30:.2f} GiB; "
        f"the leaderboard's query after it {found['query']:.2f} s"
    )
    goal = Goal(seconds=60, words="< 2 GiB, query < 1 s")
    reached = found["bytes"] < 2 * 2**30 and found["query"] < 1
    return Row(f"loading {runs:,} runs into the database", goal, found["seconds"], note=note, reached=reached)


def _ingest_alone(folder: Path, runs: int) -> None:
    from _measure import memory, start_peak
    from fake_runner import make_predictions, make_record, make_spec

    from bench.results.checksummed_json import SHARD_VERSION, encode_document
    from bench.results.database import Store
    from bench.results.files import sha256
    from bench.results.predictions import pack_predictions
    from bench.results.shards import Shards

    shards, store = Shards(folder), Store(folder)
    packed = pack_predictions([make_predictions(split, n=100, classes=10) for split in ("base", "new")])
    about = {"shard_version": SHARD_VERSION, "predictions_bytes": len(packed), "predictions_sha256": sha256(packed)}
    for i in range(runs):  # written plainly: making the folder is not what is measured
        spec = make_spec(seed=i % 5, dataset=f"d{i // 5 % 11}", method=f"m{i // 55 % 20}", shots=1 + i // 1100)
        record = make_record(spec)
        path = shards.runs / "shards" / spec.run_id[:2] / f"{spec.run_id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{spec.run_id}.predictions.safetensors").write_bytes(packed)
        path.write_bytes(encode_document(about, record.model_dump(mode="json")))
    start_peak()
    start = time.perf_counter()
    loaded = store.ingest()
    seconds = time.perf_counter() - start
    peak = memory("VmHWM")
    start = time.perf_counter()
    rows = len(store.runs_frame())
    query = time.perf_counter() - start
    if (loaded, rows) != (runs, 2 * runs):
        raise RuntimeError(f"{loaded} runs and {rows} rows were loaded instead of {runs} and {2 * runs}")
    found = {"seconds": seconds, "bytes": peak, "query": query, "predictions": 200 * runs}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    _ingest_alone(Path(sys.argv[1]), int(sys.argv[2]))
