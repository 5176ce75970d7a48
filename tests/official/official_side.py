"""One official training in a process of its own: `python official_side.py JOB.json`. Writes a `.npz` beside it.

The job names the checkouts, the data folder, the weights and the settings (`official_jobs.py` makes it). The official
data reading, draw, model, loss, optimiser, schedule, loop and evaluation are run as they are, after `official_patches`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import official_patches as patches
import torch
from torch.nn import functional


class Recording:
    """What a training leaves behind, by the names in the `.npz`."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.arrays = job, dict[str, Any]()
        self.losses: list[float] = []
        self.logits: list[torch.Tensor] = []

    def draw(self, dataset: Any) -> None:
        for part, items in (("train", dataset.train_x), ("val", dataset.val), ("test", dataset.test)):
            self.arrays[f"{part}_images"] = ["/".join(Path(item.impath).parts[-2:]) for item in items]
            self.arrays[f"{part}_labels"] = [item.label for item in items]
        self.arrays["class_names"] = list(dataset.classnames)

    def take_logits(self, name: str) -> None:
        self.arrays[name], self.logits = torch.cat(self.logits).numpy(), []

    def write(self) -> None:
        self.arrays["losses"] = self.losses
        np.savez(self.job["result"], **{k: np.asarray(v) for k, v in self.arrays.items()})


def run_dassl(job: dict[str, Any], sizes: patches.Sizes, record: Recording) -> None:
    """A trainer of the Dassl family through the repository's own `train.py`."""
    patches.adadelta()
    train: Any = importlib.import_module("train")
    train.args = argparse.Namespace(enhanced_base="none")  # a global name that TaskRes expects in `train.py`
    if job["module"]:
        importlib.import_module(job["module"])
    if job["sizes"]:
        getattr(patches, job["sizes"])(sizes)
    names = ("resume", "source_domains", "target_domains", "transforms", "backbone", "head")
    options = dict.fromkeys(names, "") | {
        "root": job["root"], "output_dir": job["output"], "seed": job["seed"], "trainer": job["trainer"],
        "dataset_config_file": str(Path(job["repo"], "configs/datasets/eurosat.yaml")),
        "config_file": str(Path(job["repo"], job["config_file"])),
    }  # fmt: skip
    evaluation = importlib.import_module("dassl.evaluation.evaluator").Classification
    process = evaluation.process

    def recorded_process(self: Any, output: torch.Tensor, labels: torch.Tensor) -> None:
        record.logits.append(output.detach().clone())
        process(self, output, labels)

    evaluation.process = recorded_process

    def build(classes: str) -> Any:
        opts = [*job["opts"], "DATASET.SUBSAMPLE_CLASSES", classes]
        cfg = train.setup_cfg(argparse.Namespace(**options, opts=opts))
        train.set_random_seed(cfg.SEED)
        return cfg, train.build_trainer(cfg)

    cfg, trainer = build(job["classes"])
    record.draw(trainer.dm.dataset)
    optim = {key: value for key, value in cfg.OPTIM.items() if isinstance(value, str | int | float)}
    record.arrays["optim"] = json.dumps(optim)
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            # APEX's second CLIP counts its untrained prompts among the trained tensors, but they get no gradient
            kind = "reference" if name.startswith("clip_model_temp.") else "init"
            record.arrays[f"{kind}/{name}"] = parameter.detach().clone().numpy()
    trainer.test()
    record.take_logits("logits_before")
    step = trainer.forward_backward

    def recorded_step(batch: Any) -> Any:
        summary = step(batch)
        record.losses.append(summary["xe_loss" if "xe_loss" in summary else "loss"])  # ProGrad has two losses
        return summary

    trainer.forward_backward = recorded_step
    trainer.train()
    record.take_logits("logits")
    if job["classes"] == "base":
        _, other = build("new")
        other.load_model(job["output"], epoch=cfg.OPTIM.MAX_EPOCH)
        other.test()
        record.take_logits("logits_new")


def run_tip_adapter(job: dict[str, Any], sizes: patches.Sizes, record: Recording) -> None:
    """Tip-Adapter's `main.py`; the cache is recorded when it is built, logits where it computes their accuracy."""
    patches.tip_without_augmentation(sizes)
    utils = importlib.import_module("utils")
    build_cache = utils.build_cache_model
    tested: list[torch.Tensor] = []

    def recorded_accuracy(output: torch.Tensor, target: torch.Tensor, topk: int = 1) -> float:
        if output.requires_grad and len(target) == len(record.arrays["train_labels"]) and torch.is_grad_enabled():
            trained.append((output.detach().clone(), target.clone()))
        tested.append(output.detach().clone())
        # the official line fails with numpy 2.4; the small term lets it keep an epoch whose accuracy is 0
        return 100 * float((output.argmax(dim=1) == target).float().mean()) + 1e-6

    trained: list[tuple[torch.Tensor, torch.Tensor]] = []

    def recorded_cache(*args: Any) -> Any:
        keys, values = build_cache(*args)
        record.arrays["init/keys"] = keys.t().clone().numpy()
        return keys, values

    utils.cls_acc, utils.build_cache_model = recorded_accuracy, recorded_cache
    main = importlib.import_module("main")
    build_dataset = main.build_dataset

    def recorded_dataset(*args: Any) -> Any:
        dataset = build_dataset(*args)
        record.draw(dataset)
        return dataset

    main.build_dataset = recorded_dataset
    learned = main.run_tip_adapter_F

    def recorded_learning(*args: Any) -> None:
        tested.clear()
        learned(*args)

    main.run_tip_adapter_F = recorded_learning
    sys.argv = ["main.py", "--config", job["config_file"]]
    main.main()
    # each epoch is one training step and one test
    record.losses = [float(functional.cross_entropy(output, target)) for output, target in trained[: job["steps"]]]
    record.arrays["logits"] = tested[2 * job["steps"] - 1].numpy()


def main(path: str) -> None:
    job = json.loads(Path(path).read_text())
    torch.set_num_threads(1)
    sys.path[:0] = [job["repo"], *job["also"]]
    sizes = patches.Sizes(**job["clip"])
    patches.unused_packages()
    patches.on_the_cpu_in_fp32()
    patches.newer_torch()
    patches.clip_from_file(job["weights"])
    record = Recording(job)
    (run_tip_adapter if job["trainer"] == "Tip-Adapter-F" else run_dassl)(job, sizes, record)
    record.write()


if __name__ == "__main__":
    main(sys.argv[1])
