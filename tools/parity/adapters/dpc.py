"""DPC on CoOp: its `train.py` trains CoOp and then the parallel prompt, with the modules that it lacks from elsewhere.

`trainers.base` and `trainers.optim` are those of DePT, and `trainers.imagenet_templates` is that of PromptKD, which its
README names as its origins. Its `clip.build_model` has a second argument, which its trainers of CoOp leave out. Its
list of images for the negatives was not published; here it has the training images.
"""

import json
import random
import sys
from pathlib import Path

import recording_side

CONFIGS = "configs/trainers/"
PLAIN = {"trainer": "CoOp", "vision_depth": 0, "language_depth": 0, "vision_ctx": 0, "language_ctx": 0}


def train(task):
    import runpy

    from clip import clip

    build = clip.build_model
    clip.build_model = lambda state, details=PLAIN: build(state, details)
    part, given = task.classes.name, []
    lists = {}
    for path, label, title in task.classes.lists["train"]:
        lists.setdefault(title, [label, []])[1].append("/".join(Path(path).parts[-2:]))
    Path("images.json").write_text(json.dumps({"train": [lists], "train_obj_list": list(lists)}))

    def run(trainer, config, output, *opts, more=()):
        sys.argv = [
            "train.py", *more, "--root", ".", "--output-dir", output, "--seed", str(task.seed), "--trainer", trainer,
            "--dataset-config-file", "configs/datasets/eurosat.yaml", "--config-file", CONFIGS + config,
            "INPUT.SIZE", f"({task.size}, {task.size})", "DATASET.NUM_SHOTS", str(task.shots),
            "TRAINER.COOP.N_CTX", "4", "SPLE.BACK_CKPT_PATH", "host", "SPLE.BACK_CKPT_EPOCH", str(task.asked["steps"]),
            "SPLE.PIC_LIB", "images.json", *task.asked["opts"], *opts,
        ]  # fmt: skip
        runpy.run_path("train.py", run_name="__main__")
        recording_side.close_evaluation()
        return recording_side.results[-1]

    run("CoOp", "CoOp/vit_b16_ep100.yaml", "host", "DATASET.SUBSAMPLE_CLASSES", part)
    follow_negatives(given)
    watch = recording_side.watch  # the trainer that ranks the classes is neither trained nor tested
    recording_side.watch = lambda trainer: None if type(trainer).__name__ == "CoOpStats" else watch(trainer)
    second = ("StackSPLE_CoOp", "SPLE/CoOp/vit_b16_ep20_bs8top4.yaml")
    found = {part: run(*second, "parallel", "DATASET.SUBSAMPLE_CLASSES", part)}
    places = {"/".join(Path(path).parts[-2:]): i for i, (path, _, _) in enumerate(task.classes.lists["train"])}
    recording_side.arrays["kept/negatives"] = json.dumps([[places[image] for image in step] for step in given])

    def scores(classes):
        if classes.name not in found:
            more = ("--eval-only", "--model-dir", "parallel", "--load-epoch", str(task.asked["steps"]))
            found[classes.name] = run(*second, "elsewhere", "DATASET.SUBSAMPLE_CLASSES", classes.name, more=more)
        return found[classes.name]

    return scores


def follow_negatives(given):
    """Record the images of the negatives of each step, in their order."""
    from trainers import sple_coop

    trainer = sple_coop.StackSPLE_CoOp
    parse = trainer.parse_sple_batch_train

    def parsed(self, batch):
        given.append([])
        return parse(self, batch)

    trainer.parse_sple_batch_train = parsed
    recording_side.follow(random, "choice", lambda image, *_: given[-1].append(image))
