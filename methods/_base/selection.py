"""Selection rules: how hyper-parameters or the epoch can be chosen, and which rules a method offers. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from methods._base.method_info import MethodTraits

Selection = Literal["last", "fixed", "validation", "ensemble", "oracle"]
"""How hyper-parameters or the epoch are chosen. `oracle` uses test labels and is always labelled as such."""


@dataclass(frozen=True)
class SelectionRule:
    """How one method implements a kind of selection.

    Args:
        settings: method settings that switch it on.
        by_epoch: whether the harness chooses the epoch; this is not a setting of the method.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    by_epoch: bool = False


@dataclass
class TuningCost:
    """The cost of selection so far. A method counts its own trials, the harness all others.

    Args:
        fits: models that the method itself fitted outside the training loop, discarded ones included.
        evaluations: number of candidates that were evaluated, or averaged in an ensemble.
        seconds: wall clock of selecting with labels.
    """

    fits: int = 0
    evaluations: int = 0
    seconds: float = 0.0


def selection_rules(info: MethodTraits) -> dict[Selection, SelectionRule]:
    """The selection rules that a method offers, in the order of `Selection`.

    A method with a setting `selection` offers that setting's values. Any other method searches nothing: it offers
    `fixed` (the published values) and, if it is trained, `last` and a choice of the epoch by validation. The epoch can
    also be chosen by oracle, unless the method has its own oracle or cannot keep its last epoch.
    """
    if values := info.choices.get("selection"):
        offered = {value: SelectionRule({"selection": value}) for value in values}
        last = offered.get("last")
    else:
        last = SelectionRule() if info.recipes else None
        offered = {"fixed": SelectionRule()} | ({"last": last} if last else {})
        if last:
            offered["validation"] = SelectionRule(by_epoch=True)
    if info.oracle_settings:
        offered["oracle"] = SelectionRule(info.oracle_settings)
    elif last and "oracle" not in offered:
        offered["oracle"] = SelectionRule(last.settings, by_epoch=True)
    return {selection: offered[selection] for selection in get_args(Selection) if selection in offered}
