"""HiCroPL (zzeoZheng/HiCroPL): prompts with storage of their own, as on a GPU; the mapping networks get no gradient."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dassl_trainer import DasslTraining, configuration, import_resized
from parity_kit import drawn_networks, images
from recording import CaseSettings, Weights, class_names, copies, step_by_step
from torch import Tensor

SOURCE = "zzeoZheng/HiCroPL@2c2b2f2 trainers/hicropl.py (HiCroPL.build_model, forward_backward), clip/model.py"
CASES = {
    "two_to_image": CaseSettings({"N_CTX": 6, "PROMPT_DEPTH": 3, "CROSS_LAYER": 2}),
    "one_to_image_words": CaseSettings({"N_CTX": 2, "PROMPT_DEPTH": 3, "CROSS_LAYER": 1, "LAMBD": 3.0}),
    "biglr": CaseSettings({"N_CTX": 2, "PROMPT_DEPTH": 2, "CROSS_LAYER": 1, "OPTIM.LR": 0.05}),
}
TEXTS = (("a photo of a {}, a type of pet.", "a bad photo of a {}.", "a photo of the {}."), ("a photo of the {}.",))
DESCRIPTIONS = {
    name.replace("_", " "): [text.format(name.replace("_", " ")) for text in texts]
    for name, texts in zip(class_names("all"), TEXTS * 5, strict=True)
}
"""Sentences about each class in place of the released ones; classes have three or one."""


class Training(DasslTraining):
    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        learner = "prompt_learner."
        mapped = (learner + "ctx", learner + "cross_prompts")
        named = dict(self.trainer.model.named_parameters())
        self.trained = {key: value for key, value in named.items() if key.startswith(mapped)}
        frozen = {k: v for k, v in named.items() if k.startswith(learner) and k not in self.trained}
        networks = {key: value for key, value in frozen.items() if "ZS_image_encoder" not in key}
        for key, value in drawn_networks({key: value.shape for key, value in networks.items()}).items():
            networks[key].data.copy_(value)
        self.facts = {**self.facts, "descriptions": DESCRIPTIONS}

    def build(self, names: list[str]) -> Any:
        trainer = super().build(names)
        for parameter in trainer.model.prompt_learner.parameters():
            parameter.data = parameter.data.clone()  # on the CPU, equal prompts share their storage
        return trainer

    def extras(self) -> Mapping[str, Tensor]:
        before = copies("after5_before_mapping", self.trained)
        self.trainer.set_model_mode("eval")
        self.trainer.model(images("test"))  # maps the prompts in place
        return before | copies("after5", self.trained)


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case. Logits before the training are left out, since testing changes the prompts."""
    import_resized("trainers.hicropl", checkout / "trainers/hicropl.py", {768: 128, 512: 64})
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.HICROPL.PREC", "fp32"]
    for key, value in case.settings.items():
        options += [key if "." in key else f"TRAINER.HICROPL.{key}", value]
    cfg = configuration(checkout / "configs/trainers/HiCroPL/vit_b16_c2_ep50_batch32_16ctx.yaml", options)
    here = Path.cwd()
    with TemporaryDirectory() as folder:
        Path(folder, "gpt_file").mkdir()
        Path(folder, "gpt_file/oxford_pets_prompt.json").write_text(json.dumps(DESCRIPTIONS), encoding="utf-8")
        os.chdir(folder)  # the official code reads the sentences and writes a cache there
        try:
            found, facts = step_by_step(case, Training("trainers.hicropl", "HiCroPL", cfg, case, clip), start)
        finally:
            os.chdir(here)
    return {key: value for key, value in found.items() if not key.startswith("logits_before")}, facts
