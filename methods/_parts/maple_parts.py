"""What the MaPLe repository gives several methods: the paper, the code and training settings."""

from typing import Any

from datasets_registry import EvalProtocol
from methods._base.recipe import Recipe
from methods._parts.citations import MAPLE_PAPER

MAPLE_CODE = "muzairkhattak/multimodal-prompt-learning"
MAPLE_FACTS: dict[str, Any] = {
    "paper": "2210.03117",
    "code": MAPLE_CODE,
    "citation": MAPLE_PAPER,
    "open_vocabulary": True,
    "learns_text": True,
}
"""Facts of the methods with text prompts."""


def maple_recipes(source: str, lr: float) -> dict[EvalProtocol, Recipe]:
    """The recipes of a method: only the learning rate differs between them."""
    source = f"{source}; printed for base-to-new, reused for few-shot"
    recipe = Recipe(source=source, lr=lr, epochs=5, batch_size=4)
    return {EvalProtocol.FEW_SHOT: recipe, EvalProtocol.BASE_TO_NEW: recipe}
