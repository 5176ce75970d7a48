"""The file for authors: their code runs by itself, on its own draw, and what it writes becomes a run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from outside_predictions import all_logits
from small_datasets import write_dataset
from stand_in_forks import PACKAGES, SETTINGS, make_fork
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.experiment.features.inputs import loaded_backbone
from bench.experiment.runner import run_experiment
from bench.extensions.forks import import_predictions, write_drop_in
from bench.extensions.forks.prediction_files import read_predictions
from bench.results import Shards
from bench.sweep import expand
from datasets_registry import EvalProtocol
from methods import parse_backbone

BACKBONE = "ViT-tiny.random"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], str]:
    """The data, the files of base and of new classes, and what the code printed."""
    place = tmp_path_factory.mktemp("author")
    data, home = place / "data", place / "home"
    write_dataset(data, "eurosat")
    fork = make_fork(place / "fork", "works without a GPU and with today's torch")
    write_drop_in(fork / "etl_predictions.py")
    train = fork / "train.py"
    train.write_text(train.read_text().replace("from dassl.config", "import etl_predictions\nfrom dassl.config"))
    (home / ".cache" / "clip").mkdir(parents=True)
    state = loaded_backbone(parse_backbone(BACKBONE), "cpu").model.state_dict()
    torch.save(dict(state), home / ".cache" / "clip" / "ViT-B-16.pt")
    (place / "packages").mkdir()
    for name, text in PACKAGES.items():
        (place / "packages" / name).write_text(text)
    words = f"--root {data} --seed 1 --trainer OffsetText --config-file {SETTINGS} --dataset-config-file "
    words += f"configs/datasets/eurosat.yaml --output-dir {place / 'out'}"
    opts = "DATASET.NUM_SHOTS 2 INPUT.SIZE (32,32) OPTIM.LR 0.0 DATALOADER.NUM_WORKERS 0 DATASET.SUBSAMPLE_CLASSES"
    files, said = [place / "base.npz", place / "new.jsonl"], ""
    for file, more in zip(files, ("", f"--eval-only --model-dir {place / 'out'} --load-epoch 2 "), strict=True):
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "train.py", *f"{words} {more}{opts} {file.stem}".split()],
            cwd=fork, check=False, capture_output=True, text=True, env={
                "PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(place / "packages"),
                "ETL_PREDICTIONS": str(file), "OMP_NUM_THREADS": "1",
            },
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        said += ran.stdout
    return data, files, said


def test_the_files_say_what_was_run(written: tuple[Path, list[Path], str]) -> None:
    base, new = map(read_predictions, written[1])
    assert (base.head.classes, new.head.classes) == ("base", "new")
    assert (base.head.trained, new.head.trained) == (True, False)
    assert (base.head.seed, base.head.shots, base.head.method) == (1, 2, "OffsetText")
    assert base.head.repository == "https://example.org/lab/stand-in.git", "without the password"
    assert len(base.head.commit) == 40
    assert base.head.changed_files == []
    assert "--trainer OffsetText" in base.head.command
    assert all(len(item) == 3 for item in base.head.train)
    assert base.head.backbone_sha256
    assert "secret" not in written[1][1].read_text()
    assert json.loads(written[1][1].read_text().splitlines()[0])["format"] == "clip-etl-bench predictions 1"


def test_their_scores_become_the_run_of_our_draw(written: tuple[Path, list[Path], str], tmp_path: Path) -> None:
    data, files, said = written
    done = import_predictions(files, tmp_path / "runs", backbone=BACKBONE, data_root=data)
    (record,) = done.added
    assert done.notes == (f"base.npz: nothing proves that its weights are those of {BACKBONE}.",)
    assert (record.spec.protocol, record.spec.method) == (EvalProtocol.BASE_TO_NEW, "external:OffsetText")
    printed = [float(number) / 100 for number in re.findall(r"\* accuracy: ([\d.]+)%", said)]
    assert [score.accuracy for score in record.scores] == pytest.approx(printed, abs=5e-4)
    axes = {"protocol": EvalProtocol.BASE_TO_NEW, "data_root": data}
    (spec,) = expand(sweep_over(["zero_shot"], ["eurosat"], [BACKBONE], **axes)).specs
    ours = {item.split: item for item in run_experiment(spec, RunContext(data_root=data))[1]}
    shard = Shards(tmp_path / "runs").read(record.run_id)
    assert shard is not None
    for theirs in shard.predictions:
        assert theirs.images == ours[theirs.split].images
        # their code rounds the weights to half precision first
        np.testing.assert_allclose(all_logits(theirs), all_logits(ours[theirs.split]), atol=1e-2)
