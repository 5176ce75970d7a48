"""The facts of a run for later checks, without its predictions: scores, and digests of logits and true labels."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict

from bench.record import Predictions
from bench.results import Shard
from datasets_registry import canonical_json

_DIGITS = 20
_SKETCHED = 32
"""Images of a split whose predictions are compared between methods."""
FEW = 10
"""Up to so many images, equal logits of all may be a coincidence of a small test."""


class SplitFacts(BaseModel):
    """One split of a run.

    Args:
        logits: digest of the stored logits, in the order of the images' keys.
        truth: digest of the images and their labels, in the same order.
        images: digest of the keys alone.
        constant: whether all images have the same logits.
        optimism: of an oracle; None without one.
        sketch: log-probabilities of the true class of the first images, in the same order.
    """

    model_config = ConfigDict(frozen=True)

    accuracy: float
    n: int
    logits: str
    truth: str
    images: str
    constant: bool
    optimism: float | None
    sketch: tuple[float, ...]


class RunFacts(BaseModel):
    """One run of a submission.

    Args:
        settings: digest of the configuration and recipe, without the choice of a selection rule.
        support: digest of the contents of the support images.
        record: digest of the whole record.
        oracle: whether test labels chose something.
        weights: the precision, and the stated digest of the backbone's weights, separated by a space.
        made: stated time of the run.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    method: str
    settings: str
    trained: bool
    backbone: str
    dataset: str
    protocol: str
    shots: int
    seed: int
    task: str
    support: str
    device: str
    record: str
    oracle: bool
    weights: str
    made: datetime
    splits: dict[str, SplitFacts]

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """The key of comparable runs: the backbone with the name of its weights, and the task."""
        return (self.backbone, self.dataset, self.protocol, self.task)

    @property
    def label(self) -> str:
        """A short description for messages."""
        return f"run {self.run_id} ({self.method} on {self.dataset}, seed {self.seed})"


def run_facts(shard: Shard, oracle_settings: Mapping[str, object]) -> RunFacts:
    """The facts of a completed run; `oracle_settings` of its method are left out of `settings`."""
    record, spec = shard.record, shard.record.spec
    config = {key: value for key, value in spec.config.items() if key not in {"selection", *oracle_settings}}
    scores = {score.split: score for score in record.all_scores}
    return RunFacts(
        run_id=record.run_id,
        method=spec.method,
        settings=_digest(canonical_json([config, spec.recipe, spec.class_text, spec.precision])),
        trained=spec.recipe is not None,
        backbone=spec.backbone,
        dataset=spec.dataset,
        protocol=str(spec.protocol),
        shots=spec.shots,
        seed=spec.seed,
        task=spec.task_fingerprint,
        support=_digest(canonical_json(sorted(record.provenance.support_digests))),
        device=record.provenance.device_class,
        record=_digest(canonical_json(record.model_dump(mode="json"))),
        oracle=spec.epoch_selection == "oracle" or any(score.selected_on_test for score in record.scores),
        weights=f"{spec.precision} {record.provenance.backbone_digest:.64}",
        made=record.created_at.astimezone(UTC),
        splits={
            item.split: _split_facts(item, scores[item.split].accuracy, scores[item.split].optimism)
            for item in shard.predictions
        },
    )


def _split_facts(item: Predictions, accuracy: float, optimism: float | None) -> SplitFacts:
    order = sorted(range(len(item.images)), key=item.images.__getitem__)
    keys = [item.images[place] for place in order]
    logits = np.column_stack([item.top_logits, item.log_sum_exp]).astype(np.float32)[order]
    labels = item.top_labels.astype(np.int32)[order]
    images = _digest("\n".join(keys))
    return SplitFacts(
        accuracy=accuracy,
        n=len(keys),
        logits=_digest(logits.tobytes() + labels.tobytes()),
        truth=_digest(images.encode() + item.label.astype(np.int32)[order].tobytes()),
        images=images,
        constant=len(keys) > FEW and bool((logits == logits[0]).all()),
        optimism=optimism,
        sketch=tuple(float(f"{value:.6g}") for value in (item.true_logit - item.log_sum_exp)[order[:_SKETCHED]]),
    )


def _digest(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def truth_keys(run: RunFacts, split: str) -> Sequence[tuple[str, ...]]:
    """Keys under which all runs must have the same true labels: the task, and the images of a dataset."""
    return (run.task, split), (run.dataset, run.protocol, split, run.splits[split].images)
