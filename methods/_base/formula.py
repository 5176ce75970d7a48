"""Formulas over a method's settings and a backbone's sizes, written as text so that cards can print them."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from datasets_registry import BenchError

_FUNCTIONS = {"min": min, "len": len, "set": set}
FORMULA_SIZES = {
    "embed_dim": "embed_dim",
    "text_width": "text_width",
    "text_blocks": "text_depth",
    "image_width": "vision_width",
    "image_blocks": "vision_depth",
}
"""Names of a backbone's sizes in a formula, with the attribute that each reads."""


@runtime_checkable
class BackboneSizes(Protocol):
    """What a formula needs of a backbone; its weights need not be loaded."""

    @property
    def embed_dim(self) -> int:
        """Width of the joint space."""

    @property
    def text_width(self) -> int:
        """Width of the text tower."""

    @property
    def text_depth(self) -> int:
        """Blocks of the text tower."""

    @property
    def vision_width(self) -> int:
        """Width of the image tower."""

    @property
    def vision_depth(self) -> int:
        """Blocks of the image tower."""


def evaluate(formula: str, backbone: BackboneSizes, config: object, **counts: int) -> Any:
    """The value of a Python expression such as `n_ctx * text_width`.

    Names are settings or properties of the config, the sizes in `FORMULA_SIZES`, the given counts, and `min`, `len`
    and `set`. Formulas are part of a method's code, so evaluating one is as safe as importing the method.

    Raises:
        BenchError: for a name that is none of these.
    """
    code = compile(formula, f"<formula {formula!r}>", "eval")
    sizes = {name: getattr(backbone, attribute) for name, attribute in FORMULA_SIZES.items()}
    known: dict[str, Any] = _FUNCTIONS | sizes | counts
    for name in code.co_names:
        if name not in known:
            if not hasattr(config, name):
                raise BenchError(
                    f"Formula {formula!r} uses {name!r}, which is no setting of {type(config).__name__}. "
                    f"Also allowed: {', '.join(known)}."
                )
            known[name] = getattr(config, name)
    return eval(code, {"__builtins__": {}}, known)
