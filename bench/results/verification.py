"""A stored run held against the same question answered again: equal to the bit, or how far apart and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bench.errors import VerificationError
from bench.record import Predictions, RunRecord, RunStatus
from bench.results.prediction_files import pack_predictions
from bench.results.run_diff import Cause, Difference, diff_runs
from bench.results.shards import Shard


class Outcome(StrEnum):
    """How a second answer compares to the first."""

    IDENTICAL = "identical"
    """Every stored bit of every prediction, and every score, is the same."""
    ROUNDING = "rounding"
    """All images are predicted alike, and logits differ in their last digits."""
    DIFFERENT = "different"
    """Some image is predicted differently, or other images were predicted."""


@dataclass(frozen=True)
class Verdict:
    """What running a question again says about a stored answer.

    Args:
        run_id: of both.
        outcome: how they compare.
        compared: images that both predicted.
        flips: those of them that are predicted differently.
        largest_logit_difference: over the logits of the predicted class; 0 where nothing was compared.
        causes: what differs in code, data and surroundings, and may explain it.
    """

    run_id: str
    outcome: Outcome
    compared: int
    flips: int
    largest_logit_difference: float
    causes: tuple[Difference, ...]


def check_verifiable(stored: RunRecord) -> None:
    """Raise VerificationError for a run that has nothing to compare."""
    if stored.status is RunStatus.FAILED:
        raise VerificationError(
            f"Run {stored.run_id} failed, so it has no predictions to compare; run its command again instead."
        )


def verdict(stored: Shard, record: RunRecord, predictions: Sequence[Predictions]) -> Verdict:
    """Compare a stored run with a second answer to its question.

    Raises:
        VerificationError: if the two answer different questions, or the stored one failed.
    """
    check_verifiable(stored.record)
    if stored.record.run_id != record.run_id:
        raise VerificationError(f"Runs {stored.record.run_id} and {record.run_id} answer different questions.")
    found = diff_runs(stored, Shard(record, tuple(predictions)))
    images = sum(len(item.images) for item in stored.predictions)
    compared = sum(found.compared.values())
    same_bits = pack_predictions(stored.predictions) == pack_predictions(predictions)
    if same_bits and stored.record.scores == record.scores:
        outcome = Outcome.IDENTICAL
    elif found.flips or compared != images or compared != sum(len(item.images) for item in predictions):
        outcome = Outcome.DIFFERENT
    else:
        outcome = Outcome.ROUNDING
    return Verdict(
        record.run_id,
        outcome,
        compared,
        len(found.flips),
        _largest_difference(stored.predictions, predictions),
        tuple(item for item in found.differences if item.cause in (Cause.CODE, Cause.DATA, Cause.ENVIRONMENT)),
    )


def _largest_difference(a: Sequence[Predictions], b: Sequence[Predictions]) -> float:
    other = {item.split: item for item in b}
    largest = 0.0
    for item in a:
        if item.split in other and other[item.split].images == item.images:
            gaps = np.abs(item.top_logits[:, 0].astype(np.float64) - other[item.split].top_logits[:, 0])
            largest = max(largest, float(gaps.max(initial=0.0)))
    return largest
