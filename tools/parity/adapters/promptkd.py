"""PromptKD: its `train.py`, with the files that it opens in their places, on all images of the unlabelled pool."""

import json
import shutil
import sys
from pathlib import Path

import recording_side

TEACHER = "teacher_model/ImageNet-xd/VLPromptLearner_large/model.pth.tar-20"
"""The tuned teacher of trainings with all classes."""


def train(task):
    import runpy

    given = task.asked["given"]
    for name, place in (("clip", "clip/ViT-L-14.pt"), ("prompts", TEACHER)):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(given[name], place)
    images = Path(task.asked["images"])
    sets = json.loads(images.read_text())
    sets["all"]["train"] = [[path, label, task.names[label]] for path, label in given["pool"]]
    images.write_text(json.dumps(sets))
    sys.argv = [
        "train.py", "--root", ".", "--output-dir", "output", "--seed", str(task.seed), "--trainer", "PromptKD",
        "--dataset-config-file", "configs/datasets/eurosat.yaml",
        "--config-file", "configs/trainers/PromptKD/vit_b16_c2_ep20_batch8_4+4ctx_cross_datasets.yaml",
        "INPUT.SIZE", f"({task.size}, {task.size})", "DATASET.NUM_SHOTS", "0", "TRAINER.MODAL", "cross",
        *task.asked["opts"],
    ]  # fmt: skip
    runpy.run_path("train.py", run_name="__main__")
    recording_side.close_evaluation()
    return recording_side.results[-1]
