"""Count the passes of each method through the towers: `python -m tools.count_operations [METHOD...]`.

Every count is linear in the support images, the test images, the steps and the classes, so three short trainings on a
tiny backbone give its coefficients. `etl-bench papers reproduce` multiplies them by the sizes of a run and by the
multiply-adds of its towers, where no run of the method has been timed.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from bench.context import RunContext
from bench.experiment import run_experiment
from bench.record import Cost
from bench.results import known_methods
from bench.sweep import SweepRequest, expand
from datasets_registry import EvalProtocol

FILE = Path(__file__).resolve().parent.parent / "bench" / "papers" / "operations.json"
COMMAND = "python -m tools.count_operations"
CLASSES, SHOTS = 24, 4
SUPPORT = CLASSES * SHOTS
SHORT, LONG = 2, 4
"""Epochs of the two trainings whose difference is the cost of an epoch."""
FEW, MANY = 2, 4
"""Test images of a class."""


def counted(name: str, first_seed: int) -> dict[str, float]:
    """The coefficients of a method; see `bench.papers.estimates`. Three seeds are used, from the first one on."""
    sizes = ((SHORT, FEW), (LONG, FEW), (SHORT, MANY))
    short, long, tested = (_cost(name, *size, first_seed + number) for number, size in enumerate(sizes))
    epochs, tests = LONG - SHORT, CLASSES * (MANY - FEW)
    steps = long.steps - short.steps
    images = [cost.image_passes + (cost.shared_image_passes or 0) for cost in (short, long, tested)]
    image, image_on_tests = (images[1] - images[0]) / epochs, (images[2] - images[0]) / tests
    prompted = (long.prompted_image_passes - short.prompted_image_passes) / epochs
    text = (long.text_passes - short.text_passes) / steps if steps else 0.0
    text_on_tests = (tested.text_passes - short.text_passes) / tests
    text_once = short.text_passes - text * short.steps - text_on_tests * CLASSES * FEW
    on_tests = (tested.prompted_image_passes - short.prompted_image_passes) / tests
    found = {
        "image_epoch": image / SUPPORT,
        "prompted_epoch": prompted / SUPPORT,
        "text_step": text / CLASSES,
        "prompted_test": on_tests,
        "image_once": (images[0] - SHORT * image - image_on_tests * CLASSES * FEW) / SUPPORT,
        "text_test": text_on_tests / CLASSES,
        "text_once": text_once / CLASSES,
    }
    return {key: round(value, 3) for key, value in found.items() if round(value, 3) > 0}


def _cost(name: str, epochs: int, tests: int, seed: int) -> Cost:
    """The cost of one short run."""
    facts = known_methods().get(name)
    protocol = EvalProtocol.TEST_TIME if facts.reads_test_stream else EvalProtocol.FEW_SHOT
    recipe, changes = facts.recipe_for(protocol), []
    if recipe is not None:
        lengths = {"epochs": epochs, "steps": epochs if recipe.steps or recipe.steps_per_shot else 0}
        changes = [f"{name}.recipe.{key}={value}" for key, value in lengths.items()]
        changes += [f"{name}.recipe.steps_per_shot=0"]
    request = SweepRequest.build(
        methods=[name], datasets=[f"spectrum_basic:test={tests}"], backbones=["ViT-tiny.random"], protocol=protocol,
        shots=[SHOTS], seeds=[seed], overrides=changes, unlabelled="train:1" if facts.needs_pool else "none",
    )  # fmt: skip
    (spec,) = expand(request).specs
    return run_experiment(spec, RunContext())[0].cost


def main() -> None:
    """Write the coefficients of the named methods, or of all, one line for each method."""
    warnings.simplefilter("ignore")
    stored = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    names = [facts.name for facts in known_methods().infos()]
    # a method with a teacher needs its file; its line is written by hand
    for name in sys.argv[1:] or [name for name in names if not known_methods().get(name).needs_teacher]:
        stored[name] = counted(name, first_seed=2 + 3 * names.index(name))
        lines = (f"{json.dumps(name)}: {json.dumps(values)}" for name, values in sorted(stored.items()))
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
