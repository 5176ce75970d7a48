"""CPU seconds and peak memory of commands on a runs folder of many runs, whose predictions are random.

PYTHONPATH=.:tests/support python tests/perf/_stores.py FOLDER RUNS
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, product
from pathlib import Path

import numpy as np
from _table import NO_GOAL, Goal, Row
from fake_runner import PROVENANCE, make_record, make_spec, rescored
from simulated_submissions import from_logits

from bench.record import Predictions, RunRecord
from bench.results import known_methods, settled_recipe
from bench.results.checksummed_json import SHARD_VERSION, encode_document
from bench.results.files import sha256
from bench.results.predictions import pack_predictions
from datasets_registry import EvalProtocol, get_dataset

ROOT = Path(__file__).resolve().parents[2]
SEARCHED = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])}
DATASETS = (
    "imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft", "sun397",
    "dtd", "eurosat", "ucf101",
)  # fmt: skip
BACKBONES = ("ViT-B-16.openai", "ViT-B-32.openai", "ViT-L-14.openai", "RN50.openai", "RN101.openai")
METHODS, SHOTS, SEEDS = 30, (16, 8, 4, 2, 1), 6
CLASSES, IMAGES = 10, 100
"""Of each task. In base-to-new, half of them are new."""


def simulated_runs() -> Iterator[tuple[RunRecord, list[Predictions]]]:
    """99,000 runs: 19,800 for each backbone, of which 1,980 for each protocol and number of shots."""
    infos = [info for info in known_methods().infos() if info.recipe_for(EvalProtocol.FEW_SHOT) is not None]
    infos = [info for info in infos if info.open_vocabulary][:METHODS]
    label = np.arange(IMAGES) % CLASSES
    for backbone, protocol, shots, seed, dataset, (place, info) in product(
        BACKBONES,
        (EvalProtocol.BASE_TO_NEW, EvalProtocol.FEW_SHOT),
        SHOTS,
        range(1, SEEDS + 1),
        DATASETS,
        enumerate(infos),
    ):
        spec = make_spec(
            method=info.name,
            config=dict(info.settled(protocol).values),
            recipe=settled_recipe(info.recipe_for(protocol), shots, get_dataset(dataset)),
            backbone=backbone,
            dataset=dataset,
            task_fingerprint=sha256(f"{protocol} {dataset} {shots} {seed}".encode())[:32],
            protocol=protocol,
            shots=shots,
            seed=seed,
        )
        rng = np.random.default_rng([seed, int(spec.run_id, 16)])
        logits = rng.normal(size=(IMAGES, CLASSES))
        logits[np.arange(IMAGES), label] += 1 + place / 20 + shots / 16 + DATASETS.index(dataset) / 10
        images = tuple(f"{dataset}/test/image_{i:05d}.jpg" for i in range(IMAGES))
        if protocol is EvalProtocol.FEW_SHOT:
            predictions = [from_logits("all", images, label.astype(np.int32), logits)]
        else:
            half = CLASSES // 2
            old = label < half
            base, new = logits[old][:, :half], logits[~old][:, half:]
            predictions = [
                from_logits("base", images[: len(base)], label[old].astype(np.int32), base),
                from_logits("new", images[len(base) :], (label[~old] - half).astype(np.int32), new),
            ]
        scores = [rescored(item, int(item.label.max()) + 1) for item in predictions]
        digests = [sha256(f"{dataset} {seed} {i}".encode()) for i in range(shots * CLASSES)]
        known = {"method_version": info.version, "method_digest": info.source_digest or None}
        provenance = PROVENANCE.model_copy(update={"support_digests": digests} | known)
        yield make_record(spec, scores=scores, provenance=provenance), predictions


def write_store(folder: Path, runs: int) -> None:
    """Write the files of so many runs, plainly: making the folder is not what is measured."""
    for record, predictions in islice(simulated_runs(), runs):
        packed = pack_predictions(predictions)
        about = {"shard_version": SHARD_VERSION, "predictions_bytes": len(packed), "predictions_sha256": sha256(packed)}
        path = folder / "shards" / record.run_id[:2] / f"{record.run_id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{record.run_id}.predictions.safetensors").write_bytes(packed)
        path.write_bytes(encode_document(about, record.model_dump(mode="json")))


COMMANDS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "rebuild": (("runs", "rebuild"), 15),
    "leaderboard": (("leaderboard",), 3),
    "report": (("report", "--no-images", "--out", "page.html"), 25),
    "export": (("runs", "export", "runs.zip", "--force"), 12),
    "compare": (("compare", "coop", "maple", "--protocol", "base-to-new", "--shots", "16"), None),
    "status": (("status",), None),
}
"""Commands by name, with the CPU seconds that are the goal for `GOAL_RUNS` runs, in at most `GOAL_GIGABYTES`."""
GOAL_RUNS, GOAL_GIGABYTES = 19_800, 0.5
STORES = {f"{name}_{runs}": (name, runs) for runs in (1_980, GOAL_RUNS) for name in COMMANDS}
"""Rows of the table: a command and the number of runs."""


def store_row(row: str) -> Row:
    """CPU seconds and peak memory of a command on a folder of runs whose database is complete."""
    name, runs = STORES[row]
    (command, seconds), folder = COMMANDS[name], Path(_store(runs).name)
    cpu, gigabytes = command_use([*command, "--runs", str(folder)], folder)
    with_goal = runs == GOAL_RUNS and seconds is not None
    goal = Goal(seconds=seconds, words=f"<= {GOAL_GIGABYTES:g} GB") if with_goal else NO_GOAL
    note = f"CPU seconds; peak {gigabytes:.2f} GB"
    work = f"`etl-bench {' '.join(command[:2] if name in ('rebuild', 'export') else command[:1])}`, {runs:,} runs"
    return Row(work, goal, cpu, note=note, reached=gigabytes <= GOAL_GIGABYTES)


@cache
def _store(runs: int) -> tempfile.TemporaryDirectory[str]:
    """A folder of so many runs with their database, which lasts as long as this process."""
    folder = tempfile.TemporaryDirectory()
    subprocess.run([sys.executable, __file__, folder.name, str(runs)], check=True, env=os.environ | SEARCHED)
    command_use(["runs", "rebuild", "--runs", folder.name], Path(folder.name))
    return folder


_MEASURE = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9]))
"""


def command_use(arguments: Sequence[str], place: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in GB of a command of etl-bench that is run in a folder; it must succeed.

    A small process starts it, since the peak of a process is at least that of the one that started it.
    """
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(command, cwd=place, env=os.environ | SEARCHED, stdout=subprocess.PIPE, text=True, check=True)
    cpu, gigabytes = json.loads(done.stdout)
    return cpu, gigabytes


if __name__ == "__main__":
    write_store(Path(sys.argv[1]), int(sys.argv[2]))
