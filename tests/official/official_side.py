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
    """The results of a training, by the names in the `.npz`."""

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
    if job["patch"]:
        getattr(patches, job["patch"])(sizes)
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

    def recorded_step(*args: Any) -> Any:
        summary = step(*args)
        record.losses.append(summary["xe_loss" if "xe_loss" in summary else "loss"])  # ProGrad has two losses
        return summary

    trainer.forward_backward = recorded_step
    trainer.train()
    if not record.logits:  # CLAP's repository does not test after the training
        trainer.test()
    record.take_logits("logits")
    if job["classes"] == "base":
        _, other = build("new")
        other.load_model(job["output"], epoch=cfg.OPTIM.MAX_EPOCH)
        other.test()
        record.take_logits("logits_new")


def run_tip_adapter(job: dict[str, Any], sizes: patches.Sizes, record: Recording) -> None:
    """Tip-Adapter's `main.py`; the cache is recorded when it is built, logits where it computes their accuracy."""
    patches.without_augmentation(sizes)
    utils = importlib.import_module("utils")
    build_cache = utils.build_cache_model
    tested: list[torch.Tensor] = []

    def recorded_cache(*args: Any) -> Any:
        keys, values = build_cache(*args)
        record.arrays["init/keys"] = keys.t().clone().numpy()
        return keys, values

    utils.cls_acc, utils.build_cache_model = patches.accuracy(tested), recorded_cache
    main = importlib.import_module("main")
    patches.after(main, "build_dataset", lambda dataset, *_: record.draw(dataset))
    learned = main.run_tip_adapter_F

    def recorded_learning(*args: Any) -> None:
        tested.clear()
        patches.after(functional, "cross_entropy", lambda loss, *_: record.losses.append(float(loss)))
        learned(*args)

    main.run_tip_adapter_F = recorded_learning
    settings = {
        "root_path": job["root"], "dataset": "eurosat", "shots": job["shots"], "backbone": "ViT-B/16",
        "load_cache": False, "load_pre_feat": False, "search_hp": True, "search_scale": [12, 10], "search_step": [2, 2],
        "lr": 0.001, "init_alpha": job["settings"]["alpha"], "init_beta": job["settings"]["beta"], "augment_epoch": 1,
        "train_epoch": job["steps"],
    }  # fmt: skip
    Path("tip.yaml").write_text(json.dumps(settings))  # JSON is YAML too
    sys.argv = ["main.py", "--config", "tip.yaml"]
    main.main()
    # each epoch is one training step and one test
    record.arrays["logits"] = tested[2 * job["steps"] - 1].numpy()


def run_lp_plus_plus(job: dict[str, Any], sizes: patches.Sizes, record: Recording) -> None:
    """LP++'s `main.py` with one task; the logits of the last epoch are recorded where it takes their maximum."""
    patches.without_augmentation(sizes)
    patches.one_hot_in_fp32()
    main, method = importlib.import_module("main"), importlib.import_module("methods.linear_probe_p2")

    def drawn(dataset: Any, *_: Any) -> None:
        record.draw(dataset)
        for item in dataset.val:
            item._label = -1  # no validation image is right, so every epoch is the best so far, and the last is tested

    def start(_: None, optimizer: Any, *args: Any) -> None:
        for name, parameter in zip(("weight", "bias"), optimizer.param_groups[0]["params"], strict=True):
            record.arrays[f"init/{name}"] = parameter.detach().clone().numpy()

    def tested(_: Any, logits: torch.Tensor, *args: Any) -> None:
        if len(logits) == len(record.arrays["test_labels"]):
            record.logits = [logits.detach().clone()]

    patches.after(main, "build_dataset", drawn)
    patches.after(torch.optim.SGD, "__init__", start)
    patches.after(
        method, "Variable", lambda alpha, *_: record.arrays.update({"init/alpha": alpha.detach().clone().numpy()[0]})
    )
    patches.after(functional, "cross_entropy", lambda loss, *_: record.losses.append(float(loss)))
    patches.after(torch.Tensor, "argmax", tested)
    values = {
        "root_path": job["root"], "output_dir": job["output"], "method": "LinearProbe_P2", "shots": job["shots"],
        "tasks": 1, "backbone": "ViT-B/16", "train_epoch": job["steps"],
    }  # fmt: skip
    configs = Path(job["repo"], "configs")
    files = ["--base_config", str(configs / "base.yaml"), "--dataset_config", str(configs / "eurosat.yaml")]
    sys.argv = ["main.py", *files, "--opts", *(str(word) for pair in values.items() for word in pair)]
    main.main()
    record.take_logits("logits")


def run_clip_lora(job: dict[str, Any], sizes: patches.Sizes, record: Recording) -> None:
    """CLIP-LoRA's `main.py`; tensors are recorded when they are marked as trained, logits where it takes accuracies."""
    patches.without_augmentation(sizes)
    patches.draw_from_the_seed(job["seed"])
    tested: list[torch.Tensor] = []
    importlib.import_module("utils").cls_acc = patches.accuracy(tested)
    lora, main = importlib.import_module("lora"), importlib.import_module("main")

    def start(_: None, model: Any) -> None:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                record.arrays[f"init/{name}"] = parameter.detach().clone().numpy()

    patches.after(main, "build_dataset", lambda dataset, *_: record.draw(dataset))
    patches.after(lora, "mark_only_lora_as_trainable", start)
    patches.after(functional, "cross_entropy", lambda loss, *_: record.losses.append(float(loss)))
    # The dropout of 1e-12 drops nothing. With 0, the official layers lose a part of the gradient.
    values = {
        "seed": job["seed"], "root_path": job["root"], "dataset": "eurosat", "shots": job["shots"],
        "batch_size": len(json.loads(Path(job["root"], "eurosat/split_zhou_EuroSAT.json").read_text())["train"]),
        "dropout_rate": 1e-12,
    }  # fmt: skip
    sys.argv = ["main.py", *(str(word) for name, value in values.items() for word in (f"--{name}", value))]
    patches.after(main, "get_arguments", lambda args: vars(args).update(n_iters=job["steps"] / job["shots"]))
    main.main()
    n_test = len(record.arrays["test_labels"])
    record.arrays["logits_before"] = tested[0].numpy()
    record.arrays["logits"] = 100 * torch.cat(tested[1 + job["steps"] :]).numpy()  # it tests cosines, without the scale
    if len(record.arrays["logits"]) != n_test:
        raise ValueError(f"expected logits of {n_test} test images, found {len(record.arrays['logits'])}.")


RUNNERS = {"Tip-Adapter-F": run_tip_adapter, "LP++": run_lp_plus_plus, "CLIP-LoRA": run_clip_lora}
"""Trainings that have a `main.py` of their own; all others run in Dassl."""


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
    RUNNERS.get(job["trainer"], run_dassl)(job, sizes, record)
    record.write()


if __name__ == "__main__":
    main(sys.argv[1])
