"""Selection rules: how hyper-parameters or the epoch can be chosen, and which rules a method offers. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from methods._base.method_info import MethodTraits


class Selection(StrEnum):
    """How hyper-parameters or the epoch are chosen. `oracle` uses test labels and is always labelled as such."""

    LAST = "last"
    FIXED = "fixed"
    VALIDATION = "validation"
    ENSEMBLE = "ensemble"
    ORACLE = "oracle"


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
        offered = {Selection(value): SelectionRule({"selection": value}) for value in values}
        last = offered.get(Selection.LAST)
    else:
        last = SelectionRule() if info.recipes else None
        offered = {Selection.FIXED: SelectionRule()} | ({Selection.LAST: last} if last else {})
        if last:
            offered[Selection.VALIDATION] = SelectionRule(by_epoch=True)
    if info.oracle_settings:
        offered[Selection.ORACLE] = SelectionRule(info.oracle_settings)
    elif last and Selection.ORACLE not in offered:
        offered[Selection.ORACLE] = SelectionRule(last.settings, by_epoch=True)
    return {selection: offered[selection] for selection in Selection if selection in offered}
