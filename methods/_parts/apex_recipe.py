"""APEX's training settings, for the method and for the parts that its paper compares."""

from datasets_registry import EvalProtocol
from methods._base.recipe import Optimizer, Recipe, Warmup

_SETTINGS = Recipe(
    source="APEX configs/trainers/APEX (weight decay and warm-up are in the code, not in the paper)",
    optimizer=Optimizer.ADADELTA,
    lr=0.15,
    weight_decay=1e-3,
    epochs=15,
    batch_size=16,
    warmup=Warmup.LINEAR,
    warmup_lr=0.01,
)
APEX_RECIPES = {
    EvalProtocol.BASE_TO_NEW: _SETTINGS,
    EvalProtocol.FEW_SHOT: _SETTINGS.model_copy(
        update={"source": _SETTINGS.source + "; not printed for few-shot, reused"}
    ),
}
_TRANSFER = _SETTINGS.model_copy(
    update={
        "source": "APEX's script for cross-dataset and domain generalization (lr, epochs and batch differ from the "
        "paper); no augmentation: there a plain resize, here the centre view",
        "lr": 0.02,
        "epochs": 6,
        "batch_size": 32,
        "warmup_lr": 1e-3,
        "augment": False,
    }
)
APEX_RECIPES |= {EvalProtocol.CROSS_DATASET: _TRANSFER, EvalProtocol.DOMAIN_GENERALIZATION: _TRANSFER}
TRANSFER_DEPTH = 3
"""Prompted image blocks of both transfer protocols, APEX section 4 (12 for base-to-new)."""
PART_RECIPES = {
    protocol: recipe.model_copy(update={"source": "the paper prints no settings for its component analysis; APEX's"})
    for protocol, recipe in APEX_RECIPES.items()
}
APEX_CITATION = """@inproceedings{yang2024apex,
  title = {Towards Difficulty-Agnostic Efficient Transfer Learning for Vision-Language Models},
  author = {Yang, Yongjin and Ko, Jongwoo and Yun, Se-Young},
  booktitle = {EMNLP},
  year = {2024},
  note = {arXiv 2311.15569}
}"""
