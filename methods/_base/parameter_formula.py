"""Formulas over a method's settings and a backbone's sizes, written as text so that cards can print them."""

from typing import Any

from datasets_registry import BenchError
from methods._base.backbone_sizes import FORMULA_SIZES, BackboneSizes

_FUNCTIONS = {"min": min, "len": len, "set": set}


def evaluate_formula(formula: str, backbone: BackboneSizes, config: object, **counts: int) -> Any:
    """The value of a Python expression such as `n_ctx * text_width`.

    Names are settings or properties of the config, the sizes in `FORMULA_SIZES`, the given counts, and `min`, `len`
    and `set`. Formulas are part of a method's code, so evaluating one is as safe as importing the method.

    Raises:
        BenchError: for any other name.
    """
    code = compile(formula, f"<formula {formula!r}>", "eval")
    known: dict[str, Any] = _FUNCTIONS | counts
    for name in code.co_names:
        if name in FORMULA_SIZES:
            known[name] = getattr(backbone, FORMULA_SIZES[name])
        elif name not in known:
            if not hasattr(config, name):
                raise BenchError(
                    f"Formula {formula!r} uses {name!r}, which is not a setting of {type(config).__name__}. "
                    f"Also allowed: {', '.join([*_FUNCTIONS, *FORMULA_SIZES, *counts])}."
                )
            known[name] = getattr(config, name)
    return eval(code, {"__builtins__": {}}, known)
