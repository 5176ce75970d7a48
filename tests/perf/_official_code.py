"""Official code below the harness's runner, beside its own script."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from _table import Goal, Row
from small_datasets import write_dataset
from stand_in_forks import PACKAGES, SETTINGS, make_fork

from bench.extensions.forks import foreign
from methods import load_backbone, parse_backbone

BACKBONE = "ViT-B-16.random"
"""The size that official code has; with the small CLIP of the demo, calls of a few microseconds count for more."""
CLASSES, SHOTS, EPOCHS = 4, 4, 4
ON_THE_CPU = "works without a GPU and with today's torch"


def fork_row(repeats: int) -> Row:
    """Seconds of a training of the stand-in by the runner, against its own `train.py`, in processes of one thread."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_dataset(place / "data", "eurosat", classes=CLASSES, train=SHOTS, val=SHOTS, test=8)
        fork = make_fork(place / "fork", ON_THE_CPU)
        backbone = load_backbone(parse_backbone(BACKBONE))
        weights = place / "home/.cache/clip/ViT-B-16.pt"
        weights.parent.mkdir(parents=True)
        torch.save(dict(backbone.model.state_dict()), weights)
        (place / "packages").mkdir()
        for name, text in PACKAGES.items():
            (place / "packages" / name).write_text(text)
        size = backbone.image_size
        words = [
            *f"train.py --root {place / 'data'} --seed 1 --trainer OffsetText --config-file {SETTINGS}".split(),
            *f"--dataset-config-file configs/datasets/eurosat.yaml --output-dir {place / 'out'}".split(),
            *f"DATASET.NUM_SHOTS {SHOTS} INPUT.SIZE ({size},{size}) DATALOADER.NUM_WORKERS 0".split(),
            *f"OPTIM.MAX_EPOCH {EPOCHS} TRAINER.OFFSET.PREC fp32".split(),
        ]  # fmt: skip
        job = place / "job.json"
        job.write_text(json.dumps(_job(place, fork, weights, words)))
        runner = Path(foreign.__file__).parent / "fork_side.py"
        seconds: dict[str, list[float]] = {"ours": [], "own": []}
        for _ in range(repeats):
            seconds["ours"].append(_seconds([str(runner), str(job)], fork, place))
            seconds["own"].append(_seconds(words, fork, place))
    work = f"training of official code by its runner, {EPOCHS} epochs of {CLASSES * SHOTS} images, with its test"
    ours, own = (statistics.median(seconds[side]) for side in ("ours", "own"))
    return Row(work, Goal(at_most=1.05), ours, own, against="its own train.py")


def _job(place: Path, fork: Path, weights: Path, words: Sequence[str]) -> Mapping[str, object]:
    split = json.loads((place / "data/eurosat/split_zhou_EuroSAT.json").read_text())
    images = place / "data/eurosat/2750"
    lists = {part: [[str(images / path), label, name] for path, label, name in split[part]] for part in split}
    (place / "images.json").write_text(json.dumps({"all": lists}))
    return {
        "repo": str(fork), "folder": "", "argv": list(words), "path": [str(fork)], "fill": [],
        "images": str(place / "images.json"), "weights": str(weights), "cuda": False, "threads": 1,
        "scores": str(place / "scores.npz"), "facts": str(place / "facts.json"),
    }  # fmt: skip


def _seconds(words: Sequence[str], fork: Path, place: Path) -> float:
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(place / "home"), "PYTHONPATH": str(place / "packages"),
        "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    start = time.perf_counter()
    command = [sys.executable, "-W", "ignore", *words]
    subprocess.run(command, cwd=fork, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start
