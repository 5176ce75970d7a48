"""Submissions of simulated runs on synthetic datasets: the tasks and draws are real, the logits random."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fake_runner import PROVENANCE, from_logits, make_record, make_spec, rescored

from bench.context import RunContext
from bench.experiment.task import declared_task
from bench.extensions.boards.check import KNOWN_WEIGHTS
from bench.extensions.boards.repeated_runs import repeated_folder, write_repeated
from bench.extensions.boards.submission import SubmissionFacts, open_submission, prepare_submission
from bench.record import Predictions, RunRecord
from bench.results import known_methods, settled_recipe
from bench.results.shards import Shards
from datasets_registry import EvalProtocol, FewShotTask, get_dataset

DATASET = "spectrum_basic:test=5"
FACTS = SubmissionFacts(
    who="A lab", contact="lab@example.org", licence="MIT", submitted=datetime(2026, 11, 26, tzinfo=UTC)
)
COMPUTED = datetime(2026, 11, 25, tzinfo=UTC)
"""When the runs were computed: after the first code of the project, and before they were submitted."""
Run = tuple[RunRecord, list[Predictions]]
FEW_SHOT = EvalProtocol.FEW_SHOT


@cache
def task_of(dataset: str, shots: int, seed: int) -> FewShotTask:
    spec = make_spec(config={}, recipe=None, dataset=dataset, protocol=FEW_SHOT, shots=shots, seed=seed)
    return declared_task(spec, RunContext())


def simulated_run(
    method: str = "coop", seed: int = 1, *, dataset: str = DATASET, skill: float = 2.0, salt: int = 0, **changes: Any
) -> Run:
    """A run with the published settings of a method; `skill` is what the true class gains over random logits."""
    info = known_methods().get(method)
    recipe = info.recipe_for(FEW_SHOT)
    shots, seed = (0, 0) if method == "zero_shot" else (2, seed)
    task = task_of(dataset, shots, seed)
    spec = make_spec(
        **{
            "protocol": FEW_SHOT,
            "method": method,
            "config": dict(info.settled(FEW_SHOT).values),
            "recipe": settled_recipe(recipe, shots, get_dataset(DATASET)),
            "dataset": dataset,
            "shots": shots,
            "seed": seed,
            "task_fingerprint": task.fingerprint,
        }
        | changes
    )
    rng = np.random.default_rng([salt, seed, *map(ord, method + dataset)])
    predictions = [_predictions(split, rng, skill) for split in task.evals]
    digests = [task.support.images.digest(sample.key) for sample in task.support.samples]
    known = {
        "backbone_digest": KNOWN_WEIGHTS["ViT-demo.drawn"],
        "method_digest": info.source_digest or None,
        "method_version": info.version,
    }
    provenance = PROVENANCE.model_copy(update={"support_digests": digests} | known)
    scores = [rescored(item, len(split.classes)) for item, split in zip(predictions, task.evals, strict=True)]
    return make_record(spec, scores=scores, provenance=provenance, created_at=COMPUTED), predictions


def _predictions(split: Any, rng: np.random.Generator, skill: float) -> Predictions:
    label = np.array([sample.label for sample in split.samples], dtype=np.int32)
    logits = rng.normal(size=(len(label), len(split.classes)))
    logits[np.arange(len(label)), label] += skill
    return from_logits(split.name, tuple(sample.key for sample in split.samples), label, logits)


def with_predictions(run: Run, predictions: list[Predictions]) -> Run:
    """The run with other predictions, and the scores that follow from them."""
    record, _ = run
    scores = [
        rescored(item, old.n_classes).model_copy(
            update={"selected_on_test": old.selected_on_test, "optimism": old.optimism}
        )
        for item, old in zip(predictions, record.scores, strict=True)
    ]
    return record.model_copy(update={"scores": scores}), predictions


def oracle_of(method: str = "coop", seed: int = 1, *, optimism: float = 0.1, **options: Any) -> Run:
    """The run that chose its epoch on the test images."""
    record, predictions = simulated_run(method, seed, epoch_selection="oracle", **options)
    scores = [score.model_copy(update={"selected_on_test": "epoch 3", "optimism": optimism}) for score in record.scores]
    return record.model_copy(update={"scores": scores}), predictions


def honest_runs(methods: tuple[str, ...] = ("coop", "tip_adapter", "zero_shot"), seeds: int = 3) -> list[Run]:
    return [
        simulated_run(method, seed)
        for method in methods
        for seed in range(1, 2 if method == "zero_shot" else seeds + 1)
    ]


@dataclass
class Draft:
    """A submission to be: its runs and what `submission.toml` says."""

    runs: list[Run] = field(default_factory=honest_runs)
    facts: SubmissionFacts = FACTS

    def write(self, folder: Path) -> Path:
        """Write the submission, and its runs folder beside it."""
        shards = Shards(folder.parent.parent / "runs-of" / folder.name)
        for record, predictions in self.runs:
            shards.write(record, predictions)
        prepare_submission(folder, shards, list(shards.scan()), self.facts)
        return folder


def state_repeated(folder: Path, outcomes: dict[str, str]) -> None:
    """Write outcomes of repeated runs of a submission, by run id."""
    submission = open_submission(folder)
    write_repeated(repeated_folder(folder.parent), submission.name, submission.digest, "secret", outcomes)
