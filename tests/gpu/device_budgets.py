"""How much each method may ask of a device: operations, waits and pageable transfers by phase, in budgets.json.

    PYTHONPATH=.:tests/support python tests/gpu/device_budgets.py

measures all methods on the pretended device and writes the table. Tests fail where a number grows; run this after a
number fell, so that it stays there. Numbers are of the tiny backbone with three layers and three classes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pretended_device.process import DeviceProcess
from pretended_device.trial import DeviceOutcome
from short_settings import SHORT

from bench.extensions.conformance import Subject
from methods import METHODS, Method, MethodConfig

TABLE = Path(__file__).with_name("budgets.json")
OTHER_TORCH = 1.1
"""Factor on operations under another version of torch than that of the table, which may compose some differently."""

Counts = dict[str, dict[str, int]]


def config_of(method: type[Method[Any]]) -> MethodConfig:
    """The default settings, with shorter searches where they are long."""
    config = Subject(method).config
    return type(config).model_validate(config.model_dump() | SHORT.get(method.info.name, {}))


def read_table() -> dict[str, Any]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def exceeded(found: Counts, allowed: Counts, factor: float = 1.0) -> list[str]:
    """What is above its budget, one line each; a phase without a budget is allowed nothing."""
    lines = []
    for phase, counts in found.items():
        for kind, count in counts.items():
            budget = allowed.get(phase, {}).get(kind, 0)
            if count > budget * (factor if kind == "operations" else 1.0):
                lines.append(f"{phase}: {count} {kind}, budget {budget}")
    return lines


def casts_of_frozen_weights(outcome: DeviceOutcome) -> dict[str, dict[str, int]]:
    """Lines that round frozen weights to half precision where they run again and again, by phase."""
    repeated = ("step", "classifier", "evaluate")
    return {phase: outcome.places[phase]["casts"] for phase in repeated if outcome.places.get(phase, {}).get("casts")}


def main() -> None:
    """Measure all methods and write the table."""
    import torch

    table: dict[str, Counts] = {}
    with DeviceProcess() as device:
        for name in METHODS:
            method = METHODS.get(name)
            outcome = device.trial(method, config_of(method))
            if outcome.error:
                raise SystemExit(f"{name}: {outcome.error}")
            table[name] = outcome.counts
            sys.stderr.write(f"{name} {outcome.counts}\n")
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(counts)}" for name, counts in table.items())
    version = json.dumps(torch.__version__.partition("+")[0])
    TABLE.write_text(f'{{"torch": {version}, "methods": {{\n{rows}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
