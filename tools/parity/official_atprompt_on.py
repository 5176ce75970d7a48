"""ATPrompt (zhengli97/ATPrompt) on CoOp, CoCoOp and MaPLe, with words that the tiny CLIP has embeddings of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dassl_trainer import DasslTraining, configuration, import_resized
from recording import CaseSettings, Weights, step_by_step
from torch import Tensor

SOURCE = (
    "zhengli97/ATPrompt@86980a1 trainers/{coop,cocoop,maple}_atp.py (build_model, forward_backward), clip/model_atp"
)
ATTRIBUTES = ("pattern", "forest", "texture")
CASES = {
    "coop_one": CaseSettings({"COOP.N_CTX": 2}, facts={"host": "CoOp", "attributes": 1}),
    "coop_three": CaseSettings({"COOP.N_CTX": 4}, facts={"host": "CoOp", "attributes": 3}),
    "cocoop": CaseSettings({"COCOOP.N_CTX": 2}, facts={"host": "CoCoOp", "attributes": 2}),
    "maple": CaseSettings({"MAPLE.N_CTX": 4}, facts={"host": "MaPLe", "attributes": 2}),
    "maple_biglr": CaseSettings({"MAPLE.N_CTX": 2, "OPTIM.LR": 0.05}, facts={"host": "MaPLe", "attributes": 3}),
}
FILES = {
    "CoOp": "CoOp/vit_b16.yaml",
    "CoCoOp": "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml",
    "MaPLe": "MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml",
}


class Training(DasslTraining):
    """Contexts of attributes that are not in the text are left out; they get no gradient."""

    def __init__(self, *made: Any) -> None:
        self.node = made[3].facts["host"].upper()
        super().__init__(*made)
        used = made[3].facts["attributes"]
        unused = tuple(f"prompt_learner.ctx_att{i}" for i in range(used + 1, 4))
        self.trained = {key: value for key, value in self.trained.items() if key not in unused}
        self.facts = {**self.facts, "words": ATTRIBUTES[:used]}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case. All attributes have as many vectors as the class, as in the official scripts."""
    import_resized("trainers.maple_atp", checkout / "trainers/maple_atp.py", {768: 128, 512: 64})
    host, used = case.facts["host"], case.facts["attributes"]
    node = host.upper()
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", f"TRAINER.{node}.PREC", "fp32"]
    options += [
        "TRAINER.MAPLE.PROMPT_DEPTH",
        3,
        "TRAINER.ATPROMPT.USE_ATPROMPT",
        True,
        "TRAINER.ATPROMPT.ATT_NUM",
        used,
    ]
    for i, word in enumerate(ATTRIBUTES, start=1):
        options += [f"TRAINER.ATPROMPT.ATT{i}_TEXT", word, f"TRAINER.ATPROMPT.N_ATT{i}", case.settings[f"{node}.N_CTX"]]
    for key, value in case.settings.items():
        options += [key if key.startswith("OPTIM") else f"TRAINER.{key}", value]
    cfg = configuration(checkout / "configs/trainers" / FILES[host], options)
    return step_by_step(case, Training(f"trainers.{host.lower()}_atp", f"{host}_ATP", cfg, case, clip), start)
