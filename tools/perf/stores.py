"""CPU seconds and peak memory of commands on a runs folder of many runs, whose predictions are random."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import islice, product
from pathlib import Path

import numpy as np
from fake_runner import PROVENANCE, from_logits, make_record, make_spec, rescored

from bench.record import Predictions, RunRecord
from bench.results import known_methods, settled_recipe
from bench.results.checksummed_json import SHARD_VERSION, encode_document
from bench.results.files import sha256
from bench.results.predictions import pack_predictions
from datasets_registry import EvalProtocol, get_dataset
from tools.perf.commands import use
from tools.perf.table import NO_GOAL, Goal, Row

DATASETS = (
    "imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft", "sun397",
    "dtd", "eurosat", "ucf101",
)  # fmt: skip
BACKBONES = ("ViT-B-16.openai", "ViT-B-32.openai", "ViT-L-14.openai", "RN50.openai", "RN101.openai")
METHODS, SHOTS, SEEDS = 30, (16, 8, 4, 2, 1), 6
CLASSES, IMAGES = 10, 100
"""Of each task. In base-to-new, half of them are new."""
COMMANDS: dict[str, tuple[str, float | None]] = {
    "rebuild": ("runs rebuild", 15),
    "leaderboard": ("leaderboard", 3),
    "report": ("report --no-images --out page.html", 25),
    "export": ("runs export runs.zip --force", 12),
}
"""Commands by name, with the CPU seconds that are the goal for `GOAL_RUNS` runs, in at most `GOAL_GIGABYTES`."""
GOAL_RUNS, GOAL_GIGABYTES = 19_800, 0.5
STORES = {f"{name}_{runs}": (name, runs) for runs in (1_980, GOAL_RUNS) for name in COMMANDS}
"""Rows of the table: a command and the number of runs."""


def store_row(row: str) -> Row:
    """CPU seconds and peak memory of a command on a folder of runs whose database is complete."""
    name, runs = STORES[row]
    (command, seconds), folder = COMMANDS[name], Path(_store(runs).name)
    used = use(["-m", "bench", *command.split(), "--runs", str(folder)], folder)
    goal = Goal(seconds=seconds, words=f"<= {GOAL_GIGABYTES:g} GB") if runs == GOAL_RUNS else NO_GOAL
    work, note = f"`etl-bench {command}`, {runs:,} runs", f"CPU seconds; peak {used.gigabytes:.2f} GB"
    return Row(work, goal, used.cpu, note=note, reached=used.gigabytes <= GOAL_GIGABYTES)


@cache
def _store(runs: int) -> tempfile.TemporaryDirectory[str]:
    """A folder of so many runs with their database, which lasts as long as this process."""
    folder = tempfile.TemporaryDirectory()
    use(["-m", "tools.perf.stores", folder.name, str(runs)])
    use(["-m", "bench", "runs", "rebuild", "--runs", folder.name])
    return folder


def simulated_runs() -> Iterator[tuple[RunRecord, list[Predictions]]]:
    """99,000 runs: 19,800 for each backbone, of which 1,980 for each protocol and number of shots."""
    infos = [info for info in known_methods().infos() if info.recipe_for(EvalProtocol.FEW_SHOT) is not None]
    places = list(enumerate([info for info in infos if info.open_vocabulary][:METHODS]))
    protocols = (EvalProtocol.BASE_TO_NEW, EvalProtocol.FEW_SHOT)
    for backbone, protocol, shots, seed, dataset, (place, info) in product(
        BACKBONES, protocols, SHOTS, range(1, SEEDS + 1), DATASETS, places
    ):
        recipe = settled_recipe(info.recipe_for(protocol), shots, get_dataset(dataset))
        task = sha256(f"{protocol} {dataset} {shots} {seed}".encode())[:32]
        spec = make_spec(
            method=info.name, config=dict(info.settled(protocol).values), recipe=recipe, backbone=backbone,
            dataset=dataset, task_fingerprint=task, protocol=protocol, shots=shots, seed=seed,
        )  # fmt: skip
        predictions = random_predictions(spec.run_id, protocol, dataset, 1 + place / 20 + shots / 16)
        scores = [rescored(item, int(item.label.max()) + 1) for item in predictions]
        digests = [sha256(f"{dataset} {seed} {i}".encode()) for i in range(shots * CLASSES)]
        known = {"method_version": info.version, "method_digest": info.source_digest or None}
        provenance = PROVENANCE.model_copy(update={"support_digests": digests} | known)
        yield make_record(spec, scores=scores, provenance=provenance), predictions


def random_predictions(run_id: str, protocol: EvalProtocol, dataset: str, skill: float) -> list[Predictions]:
    """Predictions of one run; `skill` is what the true class gains over random logits."""
    label = (np.arange(IMAGES) % CLASSES).astype(np.int32)
    logits = np.random.default_rng(int(run_id, 16)).normal(size=(IMAGES, CLASSES))
    logits[np.arange(IMAGES), label] += skill + DATASETS.index(dataset) / 10
    images = tuple(f"{dataset}/test/image_{i:05d}.jpg" for i in range(IMAGES))
    if protocol is EvalProtocol.FEW_SHOT:
        return [from_logits("all", images, label, logits)]
    half = CLASSES // 2
    old = label < half
    middle = int(old.sum())
    return [
        from_logits("base", images[:middle], label[old], logits[old][:, :half]),
        from_logits("new", images[middle:], label[~old] - half, logits[~old][:, half:]),
    ]


def write_store(folder: Path, runs: int) -> None:
    """Write the files of so many runs, plainly: making the folder is not what is measured."""
    for record, predictions in islice(simulated_runs(), runs):
        packed = pack_predictions(predictions)
        about = {"shard_version": SHARD_VERSION, "predictions_bytes": len(packed), "predictions_sha256": sha256(packed)}
        path = folder / "shards" / record.run_id[:2] / f"{record.run_id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{record.run_id}.predictions.safetensors").write_bytes(packed)
        path.write_bytes(encode_document(about, record.model_dump(mode="json")))


if __name__ == "__main__":
    write_store(Path(sys.argv[1]), int(sys.argv[2]))
