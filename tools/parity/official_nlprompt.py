"""NLPrompt (qunovo/NLPrompt): its partition of all images, a step on clean and a step on noisy images in each epoch.

It needs the package POT. The trained classes are rotated, so that some labels agree with the transport and some do not.
A step has four images of its kind, some of them twice if there are fewer.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from dassl_trainer import DasslTraining, configuration
from parity_kit import images
from recording import BATCH, STEPS, CaseSettings, Weights, class_names, copies, gradients, logits, optimizer_facts
from torch import Tensor

SOURCE = "qunovo/NLPrompt@b36bc8e trainers/nlprompt.py (NLPrompt.before_epoch, forward_backward_*), utils.py (OT_PL)"
BIG = {"OPTIM.LR": 0.05, "TRAINER.NLPROMPT.N_CTX": 4}
CASES = {
    "published": CaseSettings({}, facts={"rotated_by": 1}),
    "biglr": CaseSettings(BIG, facts={"rotated_by": 2}),
    "more_entropy": CaseSettings(BIG | {"DATASET.REG_E": 0.1}, facts={"rotated_by": 0}),
}


class Images:
    """All training images as one batch of the official loader."""

    dataset = range(10)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        index = torch.arange(10)
        return iter([{"img": images("train")[:10], "label": index // 2, "gttarget": index // 2, "index": index}])


class Training(DasslTraining):
    rotated_by = 0

    def build(self, names: list[str]) -> Any:
        by = self.rotated_by if names == class_names("base") else 0
        return super().build(names[by:] + names[:by])

    def partition(self) -> Tensor:
        """Which images the official code trains with cross-entropy, `(n,)`."""
        found: list[Tensor] = []
        self.trainer._apply_ot_split = lambda clean, *_: found.append(clean)
        self.trainer.train_loader_x = Images()
        self.trainer.before_epoch()
        return found[0]

    def step_on(self, kind: bool, chosen: Tensor) -> float:
        """One official step on clean or on noisy images."""
        self.trainer.set_model_mode("train")
        batch = {"img": images("train")[chosen], "label": chosen // 2, "gttarget": chosen // 2}
        if kind:
            return float(self.trainer.forward_backward_ce(batch)["loss_x"])
        return float(self.trainer.forward_backward_mae(batch)["loss_u"])


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    options: list[object] = ["INPUT.SIZE", [32, 32], "TRAINER.NLPROMPT.PREC", "fp32", "DATASET.num_class", 5]
    for key, value in case.settings.items():
        options += [key, value]
    cfg = configuration(checkout / "configs/trainers/NLPrompt/vit_b16.yaml", options)
    loss = importlib.import_module("trainers.nlprompt").GeneralizedCrossEntropy(q=1.0)
    Training.rotated_by = case.facts["rotated_by"]
    training = Training("trainers.nlprompt", "NLPrompt", cfg, case, clip)
    vars(training.trainer).update(gce_loss=loss, clean_rate=[])
    with torch.no_grad():
        for name, value in start.items():
            training.trained[name].copy_(value)
    found = copies("init", training.trained) | logits("logits_before", case, training.logits)
    index, rates, losses, parts = [], [], [], []
    for step in range(1, STEPS + 1):
        if step % 2:
            parts.append(training.partition())
        mine = parts[-1].nonzero()[:, 0] if step % 2 else (~parts[-1]).nonzero()[:, 0]
        index.append(mine.repeat(BATCH)[:BATCH])
        rates.append(training.optimizer.param_groups[0]["lr"])
        losses.append(training.step_on(bool(step % 2), index[-1]))
        if step == 1:
            found |= gradients(training.trained)
        if step in (1, STEPS):
            found |= copies(f"after{step}", training.trained)
        if not step % 2:
            training.trainer.update_lr()
    found |= logits("logits_after", case, training.logits)
    found |= {"batch_idx": torch.stack(index), "loss": torch.tensor(losses, dtype=torch.float64)}
    found["clean"] = torch.stack(parts)
    facts = {"lr_per_step": rates, "optimizer": optimizer_facts(training.optimizer), **training.facts}
    return found, facts | {"entropy": cfg.DATASET.REG_E}
