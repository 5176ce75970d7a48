"""The trial after the checks: a method and zero-shot on three synthetic datasets, from easy to hard, in two minutes."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bench.context import RunContext
from bench.experiment import run_experiment
from bench.record import RunRecord
from bench.spec import ExperimentSpec
from bench.sweep import RecipeChoice, SweepRequest, expand
from datasets_registry import EvalProtocol
from methods import MethodInfo

BACKBONE = "ViT-demo.drawn"
DATASETS = ("spectrum_basic", "spectrum_blur", "spectrum_words")
"""From easy to hard for this backbone."""
SHOTS, SEED = 16, 1
LIMIT_SECONDS = 120.0
TOLERATED_LOSS = 0.05
"""How far below zero-shot a method may be on its training classes; a probe without texts may be a little."""

RunSpec = Callable[[ExperimentSpec], RunRecord]


@dataclass(frozen=True)
class TrialRow:
    """Result on one dataset.

    Args:
        classes: `all`, or `base` for the training classes and `new` for the others.
        accuracy: of the method, 0..1.
        zero_shot: of the frozen model on the same images.
        chance: one over the number of classes.
    """

    dataset: str
    classes: str
    accuracy: float
    zero_shot: float
    chance: float


class TrialTimeoutError(RuntimeError):
    """The trial took longer than its limit; the rows so far were yielded."""


def trial(
    info: MethodInfo, context: RunContext, *, limit: float = LIMIT_SECONDS, run: RunSpec | None = None
) -> Iterator[TrialRow]:
    """Run a method and zero-shot: short demo recipe, 16 shots, one seed, base-to-new if possible, else few-shot.

    Raises TrialTimeoutError instead of starting a run after `limit` seconds of this process's CPU time, so that a busy
    machine does not count. `run` runs a spec; by default the runner.
    """
    execute = run or (lambda spec: run_experiment(spec, context)[0])
    begun = time.process_time()
    for i, dataset in enumerate(DATASETS):
        records = {}
        for spec in _specs(info, dataset):
            if time.process_time() - begun > limit:
                done = f"{i} of {len(DATASETS)} datasets were done"
                raise TrialTimeoutError(f"{done} in {limit:.0f} seconds of processor time")
            records[spec.method] = execute(spec)
        for score in records[info.name].scores:
            zero_shot = records["zero_shot"].score(score.split)
            assert zero_shot is not None  # both have the same splits
            yield TrialRow(dataset, score.split, score.accuracy, zero_shot.accuracy, 1 / score.n_classes)


def verdict(rows: Iterable[TrialRow]) -> str | None:
    """What is wrong with a trial's rows on the training classes; None if nothing is."""
    trained = [row for row in rows if row.classes != "new"]
    if guessing := [row.dataset for row in trained if row.accuracy <= row.chance]:
        return f"no better than chance on {', '.join(guessing)}"
    losses = [row.zero_shot - row.accuracy for row in trained]
    if losses and min(losses) > TOLERATED_LOSS:
        return (
            f"{100 * min(losses):.0f} points or more below zero-shot on each of the {len(trained)} datasets, on the "
            f"classes it was trained on"
        )
    return None


def _specs(info: MethodInfo, dataset: str) -> tuple[ExperimentSpec, ...]:
    protocol = info.usual_protocol
    tied = not info.is_open(info.default_config(protocol))
    if protocol is EvalProtocol.BASE_TO_NEW and (tied or (info.recipe_for(protocol) is None and info.recipes)):
        protocol = EvalProtocol.FEW_SHOT
    request = SweepRequest.build(
        methods=list(dict.fromkeys(["zero_shot", info.name])),
        datasets=[dataset],
        backbones=[BACKBONE],
        protocol=protocol,
        shots=[SHOTS],
        seeds=[SEED],
        unlabelled=info.usual_pool,
        recipe=RecipeChoice.DEMO,
    )
    return expand(request).specs
