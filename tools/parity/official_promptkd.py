"""PromptKD (zhengli97/PromptKD): a teacher of other widths than the student, with drawn weights and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from dassl_trainer import DasslTraining, configuration, import_resized
from parity_kit import WIDE_TEACHER, wide_teacher_prompts, wide_teacher_weights
from recording import NOISE, CaseSettings, Weights, step_by_step
from torch import Tensor

SOURCE = "zhengli97/PromptKD@ec244f7 trainers/promptkd.py (PromptKD.build_model, forward_backward, test), base2novel"
CASES = {
    "published": CaseSettings({}, train_classes="all"),
    "fewer_blocks_other_weight": CaseSettings({"PROMPT_DEPTH_VISION": 2, "KD_WEIGHT": 200.0}, train_classes="all"),
    "temperature": CaseSettings({"TEMPERATURE": 3.0, "N_CTX_VISION": 2, "OPTIM.LR": 0.02}, train_classes="all"),
}


class Training(DasslTraining):
    """Both class lists are tested with the trained student itself, as there."""

    def __init__(self, *made: Any, noise: int) -> None:
        self.noise = noise
        super().__init__(*made)

    def build(self, names: list[str]) -> Any:
        """The official trainer, in a folder with the files that it opens."""
        clip, numbers = self.made[3], torch.Generator().manual_seed(self.noise)
        teacher = wide_teacher_weights()
        if self.noise:
            teacher = {k: v * (1 + NOISE * torch.randn(v.shape, generator=numbers)) for k, v in teacher.items()}
        tuned = Path("teacher_model", self.made[2].DATASET.NAME, "VLPromptLearner", "model-best.pth.tar")
        with TemporaryDirectory() as folder, chdir(folder):
            Path("clip").mkdir()
            tuned.parent.mkdir(parents=True)
            torch.save(clip, "clip/ViT-B-16.pt")
            torch.save(teacher, "clip/ViT-L-14.pt")
            torch.save({"state_dict": wide_teacher_prompts(), "epoch": 20}, tuned)
            return super().build(names)

    def logits(self, which: str, pixels: Tensor) -> Tensor:
        self.trainer.set_model_mode("eval")
        _, texts, _ = self.trainer.model_teacher(pixels)
        features, scale = self.trainer.model(pixels)
        found: Tensor = scale * features @ (texts[:5] if which == "base" else texts[5:]).t()
        return found


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    import_resized("trainers.promptkd", checkout / "trainers/promptkd.py", {512: 64, 768: WIDE_TEACHER["embed_dim"]})
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.MODAL", "base2novel"]
    options += ["TRAINER.NAME", "PromptKD"]
    options += ["TRAINER.PROMPTKD.PREC", "fp32", "TRAINER.PROMPTKD.KD_WEIGHT", 1000.0]
    for key, value in case.settings.items():
        options += [key if "." in key else f"TRAINER.PROMPTKD.{key}", value]
    cfg = configuration(checkout / "configs/trainers/PromptKD/vit_b16_c2_ep20_batch8_4+4ctx.yaml", options)
    training = Training("trainers.promptkd", "PromptKD", cfg, case, clip, noise=int(bool(start)))
    return step_by_step(case, training, start)
