"""Writes the predictions of a Dassl trainer for clip-etl-bench. Copy this file beside train.py and import it there:

    import etl_predictions  # one line, after the other imports of train.py

    ETL_PREDICTIONS=predictions.npz python train.py ...    # everything else as before

After each evaluation of all test images, the file is written again, so that it has the last one. Its name ends in .npz
or .jsonl. Then: etl-bench runs import-predictions predictions.npz
"""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import torch
from dassl.engine.trainer import SimpleTrainer
from dassl.evaluation.evaluator import Classification

FORMAT = "clip-etl-bench predictions 1"
HERE = os.path.dirname(os.path.abspath(__file__))
WITHOUT_TRAINING = ("--eval-only", "--no-train")
now = {"trainer": None, "scores": [], "labels": [], "evaluations": 0, "weights": None}


def path_below_root(item, cfg):
    path, root = os.path.abspath(item.impath), os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT))
    short = os.path.relpath(path, root) if path.startswith(root + os.sep) else os.path.join(*path.split(os.sep)[-2:])
    return short.replace(os.sep, "/")


def digest(path):
    with open(path, "rb") as file:
        sha = hashlib.sha256()
        for part in iter(lambda: file.read(1 << 20), b""):
            sha.update(part)
    return sha.hexdigest()


def support(items, cfg):
    return [[path_below_root(item, cfg), int(item.label), digest(item.impath)] for item in items]


def git(*words):
    ran = subprocess.run(["git", *words], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return ran.stdout.decode().strip()


def imports_this(name):
    """Whether a file differs from the commit only by the line that imports this one."""
    lines = git("diff", "--unified=0", "HEAD", "--", name).splitlines()
    edits = [line for line in lines if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]
    return [line.split("#")[0].rstrip() for line in edits] == ["+import etl_predictions"]


def head(cfg, data):
    return {
        "format": FORMAT,
        "method": cfg.TRAINER.NAME,
        "dataset": cfg.DATASET.NAME,
        "classes": str(cfg.DATASET.get("SUBSAMPLE_CLASSES", "all")),
        "class_names": list(data.classnames),
        "backbone": cfg.MODEL.BACKBONE.NAME,
        "backbone_sha256": now["weights"],
        "seed": max(0, int(cfg.SEED)),
        "shots": int(cfg.DATASET.NUM_SHOTS),
        "trained": not any(word in sys.argv for word in WITHOUT_TRAINING),
        "train": support(data.train_x, cfg),
        "val": support(data.val or [], cfg),
        "tests_so_far": now["evaluations"],
        "repository": re.sub(r"(?<=://)[^/@]*@", "", git("config", "--get", "remote.origin.url")),
        "commit": git("rev-parse", "HEAD"),
        "changed_files": [name for name in git("diff", "--name-only", "HEAD").splitlines() if not imports_this(name)],
        "command": " ".join(sys.argv),
        "torch": torch.__version__,
    }


def write(path, described, keys, labels, scores, digests):
    part = path + ".part"
    if path.endswith(".npz"):
        with open(part, "wb") as file:
            np.savez_compressed(
                file,
                head=np.array(json.dumps(described)),
                keys=np.array(keys),
                labels=np.array(labels),
                scores=scores.astype(np.float32),
                sha256=np.array(digests),
            )
    else:
        with open(part, "w") as file:
            file.write(json.dumps(described) + "\n")
            for key, label, row, sha in zip(keys, labels, scores.tolist(), digests):
                file.write(json.dumps({"key": key, "label": label, "scores": row, "sha256": sha}) + "\n")
    os.replace(part, path)


original = {
    "build": SimpleTrainer.build_data_loader,
    "reset": Classification.reset,
    "process": Classification.process,
    "evaluate": Classification.evaluate,
}


def build_data_loader(self):
    original["build"](self)
    now["trainer"] = self


def reset(self):
    now["scores"], now["labels"] = [], []
    original["reset"](self)


def process(self, output, labels, *more, **named):
    now["scores"].append(output.detach().float().cpu())
    now["labels"].append(labels.detach().cpu())
    return original["process"](self, output, labels, *more, **named)


def evaluate(self):
    path, trainer = os.environ.get("ETL_PREDICTIONS"), now["trainer"]
    if path and trainer is not None and now["labels"]:
        data, cfg = trainer.dm.dataset, trainer.cfg
        test, labels = data.test, torch.cat(now["labels"]).tolist()
        if labels == [item.label for item in test]:  # an evaluation of the validation images has others
            now["evaluations"] += 1
            keys = [path_below_root(item, cfg) for item in test]
            scores, digests = torch.cat(now["scores"]).numpy(), [digest(item.impath) for item in test]
            write(path, head(cfg, data), keys, labels, scores, digests)
    return original["evaluate"](self)


def watch_weights():
    """Note the digest of the weights that OpenAI's code loads."""
    for module in list(sys.modules.values()):
        download = getattr(module, "_download", None)
        if download is not None and hasattr(module, "_MODELS"):

            def watched(*words, _download=download, **named):
                path = _download(*words, **named)
                now["weights"] = digest(path)
                return path

            module._download = watched


SimpleTrainer.build_data_loader = build_data_loader
Classification.reset, Classification.process, Classification.evaluate = reset, process, evaluate
watch_weights()
